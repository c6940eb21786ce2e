"""What arrives: the request as our views see it, the client's address, and input that no view should see."""

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest, QueryDict

from orchestra.kernel.access import Actor
from orchestra.kernel.errors import BadRequest
from orchestra.kernel.fragments import HEADER as REGIONS

if TYPE_CHECKING:
    from django_htmx.middleware import HtmxDetails

    from orchestra.kernel.models import User

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Control characters other than tab, line feed and carriage return: no input needs them, and databases choke on NUL."""


PROXIES_SAY = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED_", "HTTP_X_REAL_IP")
"""What the headers of a request begin with that came through a proxy."""


class PageRequest(HttpRequest):
    """A request behind ``web.RequestMiddleware``: for type annotations of views."""

    user: "User"  # views behind the sign-in have a person
    actor: Actor
    address: str
    request_id: str
    live_number: int
    htmx: "HtmxDetails"


def client_address(request: HttpRequest) -> str:
    """The client's address: what the outermost of our PROXY_COUNT proxies saw; earlier entries anyone can invent."""
    return _claimed(request) or str(request.META.get("REMOTE_ADDR") or "")


def proven_address(request: HttpRequest) -> str:
    """The same, or nothing where a proxy stands between that PROXY_COUNT does not count.

    The address of such a proxy, often the machine itself, says nothing about who asks through it.
    """
    passed_on = any(name.startswith(PROXIES_SAY) for name in request.META)
    return _claimed(request) if passed_on else str(request.META.get("REMOTE_ADDR") or "")


def _claimed(request: HttpRequest) -> str:
    chain = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    behind = settings.PROXY_COUNT
    claimed = chain[-behind].strip() if 0 < behind <= len(chain) else ""
    return claimed if _is_address(claimed) else ""


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def wants_part(request: HttpRequest) -> bool:
    """Whether a script asked for HTML, to put it into a page."""
    return REGIONS in request.headers or "HX-Request" in request.headers


def wants_json(request: HttpRequest) -> bool:
    """Whether a program asked, or a script of ours that reads JSON."""
    return request.path.startswith("/api/") or request.headers.get("X-Requested-With") == "fetch"


def refuse_control_characters(request: HttpRequest) -> None:
    """Raise :class:`BadRequest` naming the parameter or field that holds a control character."""
    if CONTROL.search(request.path):
        raise BadRequest("The address holds a control character; follow a link to this page instead.")
    for source in (request.GET, request.POST):
        name = _field_with_control(source)
        if name is not None:
            message = "Remove the control characters (such as NUL) from this field."
            raise BadRequest(f"{name}: {message}", errors=[{"path": name, "message": message}])


def _field_with_control(fields: QueryDict) -> str | None:
    for name, values in fields.lists():
        if CONTROL.search(name) or any(CONTROL.search(value) for value in values if isinstance(value, str)):
            return CONTROL.sub("\N{REPLACEMENT CHARACTER}", name)
    return None
