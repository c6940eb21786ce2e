"""Regions that are rendered once for everybody of a role show nothing of one person's own."""

import importlib
import pkgutil
from io import StringIO

import pytest
from django.core.management import call_command

import agents.views
import monitoring.views
import workflows.views
from orchestra.kernel import fragments
from orchestra.kernel.fragments import Shared
from orchestra.kernel.models import Role
from orchestra.kernel.shared_renders import RENDERS

PAGES = {
    "agents": "/agents/",
    "navigation": "/agents/",
    "now-alerts": "/",
    "now-changes": "/",
    "now-flow": "/",
    "now-needs": "/",
    "now-running": "/",
    "now-strain": "/",
    "pools": "/pools/",
    "queues": "/queues/",
    "runs": "/runs/",
}


def shared_regions():
    """The names of all shared regions in every module of views."""
    found = {name for name, template in fragments.FRAME.items() if isinstance(template, Shared)}
    for package in (agents.views, monitoring.views, workflows.views):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for table in vars(importlib.import_module(module.name)).values():
                if isinstance(table, dict):
                    found |= {name for name, template in table.items() if isinstance(template, Shared)}
    return found


def test_every_shared_region_is_looked_at():
    assert shared_regions() == set(PAGES)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_it_is_the_same_for_two_people_of_one_role(name, make_user, as_):
    call_command("demo", stdout=StringIO())
    browsers = [as_(make_user(username, Role.OPERATOR)) for username in ("olga", "oskar")]
    shown = []
    for browser in browsers:
        RENDERS.forget()
        shown.append(browser.get(PAGES[name], headers={"X-Regions": name, "X-Known": "0"}).content.decode())

    assert shown[0] == shown[1]
    assert f'id="{name}"' in shown[0]
    assert "csrf" not in shown[0]
    assert "<dialog" not in shown[0]
