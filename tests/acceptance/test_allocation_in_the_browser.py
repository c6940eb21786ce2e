"""Planning tasks in a browser: by keyboard to a plan that runs, readable by all, at every width."""

import json

import pytest
from playwright.sync_api import expect

from agents import fleet
from tests.acceptance.barriers import barriers
from tests.agents import functions  # noqa: F401  registers the functions
from tests.conftest import PASSWORD
from tests.workflows.conftest import SYSTEM, Script
from workflows import tasks

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PROBLEM = {"tasks": [{"id": f"letter {number}", "capabilities": ["draft"]} for number in range(3)]}
FITS = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
SETTLED = "() => document.getAnimations().every(each => !(each instanceof CSSTransition))"
expect.set_options(timeout=30_000)
LOOKS = [(1440, "light"), (1440, "dark"), (320, "light")]


@pytest.fixture
def page(chromium, live_server, operator):
    for name, slots in (("anna", 2), ("lars", 2)):
        values = {"name": name, "config": {"function": "test.echo"}, "max_concurrency": slots}
        fleet.create("python", values, ["draft"], by=SYSTEM)
    shown = chromium.new_context(base_url=live_server.url).new_page()
    shown.goto("/")
    shown.fill("[name=username]", operator.username)
    shown.fill("[name=password]", PASSWORD)
    shown.click("main button")
    shown.wait_for_url("**/")
    yield shown
    shown.context.close()


def barriers_in_every_look(page):
    """What axe finds on the page as it is, in every look, none of which may be wider than the screen."""
    found = []
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(SETTLED)
        found += [(width, scheme, barrier) for barrier in barriers(page)]
        page.wait_for_function(FITS)  # a message that slides in may be beside the screen for a moment
    page.set_viewport_size({"width": 1440, "height": 900})
    return found


def test_tasks_are_planned_and_run_by_keyboard_on_pages_that_all_can_read(page):
    page.goto("/allocations/")
    assert barriers_in_every_look(page) == []
    page.keyboard.press("n")
    page.wait_for_url("**/allocations/plan/")
    page.locator("[name=problem]").fill("{nonsense")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".error-summary")).to_contain_text("This is not JSON")
    assert barriers_in_every_look(page) == []

    page.locator("[name=problem]").fill(json.dumps(PROBLEM))
    page.keyboard.press("Control+Enter")
    expect(page.locator("#result")).to_contain_text("optimal")
    assert barriers_in_every_look(page) == []
    page.locator("#open-run").focus()
    page.keyboard.press("Enter")
    page.locator("#run-reason").fill("month's end")
    page.locator("#run").get_by_role("button", name="Run", exact=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/allocations/*/")
    expect(page.locator("#allocation-head")).to_contain_text("0 of 3 tasks have ended")
    assert barriers_in_every_look(page) == []

    Script().finish()
    page.reload()
    expect(page.locator("#allocation-head")).to_contain_text("100 % succeeded")
    tasks.create(["draft"], {}, by=SYSTEM)
    page.goto("/allocations/")
    expect(page.locator("#what-if")).to_contain_text("for 1 step")
    assert barriers_in_every_look(page) == []
