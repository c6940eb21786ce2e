"""Five hundred failed runs, retried by a filter: by one person, in chromium, in one go."""

import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

from agents import fleet
from orchestra.kernel.access import Actor
from orchestra.kernel.events import NOTHING
from orchestra.kernel.models import Event, Role
from tests.agents import functions  # noqa: F401  registers the functions
from tests.conftest import PASSWORD
from workflows import control, definitions, engine
from workflows.models import BulkAction, Run

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
COUNT = 500
SYSTEM = Actor.system("test")


@pytest.fixture
def page(live_server, make_user, monkeypatch):
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # the driver's event loop lives in this thread
    make_user("olga", Role.OPERATOR, first_name="Olga")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page(base_url=live_server.url)
        page.goto("/login/?next=/runs/")
        page.fill("[name=username]", "olga")
        page.fill("[name=password]", PASSWORD)
        page.click("main button")
        page.wait_for_url("**/runs/")
        yield page


@pytest.fixture
def stopped(db):
    """500 runs that were cancelled, and one that goes on."""
    fleet.create("python", {"name": "worker-1", "config": {"function": "test.echo"}}, ["work"], by=SYSTEM)
    definitions.publish("parcels", {"steps": [{"name": "look", "capabilities": ["work"]}]}, by=SYSTEM)
    runs = engine.start_many("parcels", [({}, NOTHING)] * COUNT, by=SYSTEM)
    for run in runs:
        control.cancel(run.pk, by=SYSTEM, reason="The service was away.")
    return engine.start("parcels", {}, by=SYSTEM)


def test_all_that_match_a_filter_are_retried_at_once(stopped, page):
    page.goto("/runs/?status=cancelled")
    page.locator("#runs thead input[type=checkbox]").check()
    page.locator("[data-bulk-all]").click()
    expect(page.locator("[data-bulk-count]")).to_contain_text(f"{COUNT}")
    page.locator("[data-bulk-action=retry]").click()
    page.fill("#bulk-reason", "The service is back.")
    page.locator("[data-bulk-go]").click()

    expect(page.get_by_text(f"{COUNT} retried")).to_be_visible(timeout=60_000)
    assert Run.objects.filter(status="cancelled").count() == 0
    asked = BulkAction.objects.get()
    assert (asked.done, asked.skipped, asked.refused) == (COUNT, 0, 0)
    told = Event.objects.filter(action="RunRetried", correlation=asked.correlation)
    assert (told.count(), set(told.values_list("actor_label", flat=True))) == (COUNT, {"Olga"})
