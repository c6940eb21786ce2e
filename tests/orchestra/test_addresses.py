"""Every address of the product: who may come in without signing in, and that each write names its permission."""

import re

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from orchestra.kernel import registry
from orchestra.kernel.access import PERMISSIONS

OPEN = {"login/", "healthz", "readyz"}
OF_LISTED_ADDRESSES = {"metrics"}
"""Open to the addresses of METRICS_OPEN_TO, to others with a token."""
SAMPLES = {"int": "1", "str": "x", "slug": "x", "uuid": "00000000-0000-4000-8000-000000000000", "path": "x"}
READING = {"get", "head", "options", "trace"}


def patterns(resolver, prefix=""):
    for entry in resolver.url_patterns:
        where = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver) and entry.app_name == "admin":
            continue
        if isinstance(entry, URLResolver):
            yield from patterns(entry, where)
        elif isinstance(entry, URLPattern):
            yield where, entry


def address(route):
    return re.sub(r"<(?:(\w+):)?\w+>", lambda parameter: SAMPLES[parameter[1] or "str"], route)


ALL = dict(patterns(get_resolver("orchestra.urls")))


@pytest.mark.django_db
@pytest.mark.parametrize("route", sorted(ALL.keys() - OPEN))
def test_strangers_see_nothing(route):
    answer = Client(REMOTE_ADDR="192.0.2.7").get(f"/{address(route)}")

    if (route.startswith("api/") and route != "api/docs/") or route in OF_LISTED_ADDRESSES:
        assert answer.status_code in {401, 405}
    else:
        assert (answer.status_code, answer["Location"].startswith("/login/")) == (302, True)


def writes():
    for route, pattern in ALL.items():
        view = getattr(pattern.callback, "cls", None)
        if view is not None:
            permissions = getattr(view(**pattern.callback.initkwargs), "permissions", {})
            methods = [method for method in view.http_method_names if method not in READING and hasattr(view, method)]
            yield from ((route, method.upper(), permissions.get(method.upper())) for method in methods)


@pytest.mark.parametrize(("route", "method", "permission"), list(writes()))
def test_each_write_of_the_api_names_a_permission_that_exists(route, method, permission):
    assert permission in PERMISSIONS


def test_the_settings_are_the_last_group_of_the_left_bar():
    rooms = sorted(registry.rooms, key=lambda room: room.order)

    assert list(dict.fromkeys(room.group for room in rooms)) == ["", "Work", "Fleet", "Watch", "Settings"]
