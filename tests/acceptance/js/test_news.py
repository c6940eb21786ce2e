"""New alerts and reviews are told once in a browser: on the desktop if that is allowed, else in the page."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
REGION = '<section id="steps" data-region data-topics="run:7"><b>one</b></section>'
DESKTOP = """
window.shown = [];
window.Notification = class {
  static permission = "default";
  static requestPermission() { return Promise.resolve((Notification.permission = "granted")); }
  constructor(title, options) { window.shown.push([title, options.tag]); }
};
"""


@pytest.fixture
def server(stage: Any) -> dict[str, Any]:
    """What the server would say is new: ``items`` after event ``number``; ``asked`` are the addresses."""
    told: dict[str, Any] = {"number": 5, "items": [], "asked": []}

    def answer(route: Any) -> None:
        told["asked"].append(route.request.url.partition("?")[2])
        route.fulfill(
            body=json.dumps({"number": told["number"], "items": told["items"]}), content_type="application/json"
        )
        told["items"] = []

    stage.page.route(re.compile("/alerts/notifications/fresh/"), answer)
    stage.page.add_init_script(DESKTOP)
    return told


def item(number: int, title: str = "[critical] Firing: Slow answers") -> dict[str, Any]:
    return {"number": number, "title": title, "text": "7 s, limit 5 s", "url": "/alerts/7/"}


def begin(stage: Any, server: dict[str, Any]) -> Any:
    """A page that knows where it stands."""
    page = stage.greeted(REGION)
    assert stage.eventually(lambda: server["asked"] == [""])
    page.wait_for_timeout(100)
    return page


def test_a_new_alert_is_told_in_the_page_with_a_link(stage, server):
    page = begin(stage, server)
    server |= {"number": 9, "items": [item(9)]}
    stage.hear("changed", 9, "notification")
    note = page.locator("#toasts .toast-note")
    expect(note).to_contain_text("[critical] Firing: Slow answers")
    expect(note.get_by_role("link")).to_have_attribute("href", "/alerts/7/")
    assert server["asked"] == ["", "since=5"]


def test_what_concerns_other_things_is_not_asked_about(stage, server):
    page = begin(stage, server)
    stage.hear("changed", 9, "run:7")
    page.wait_for_timeout(500)
    assert server["asked"] == [""]


def test_of_many_the_newest_are_told_and_how_many_more(stage, server):
    page = begin(stage, server)
    server |= {"number": 19, "items": [item(number, f"Alert {number}") for number in range(10, 20)]}
    stage.hear("changed", 19, "notification")
    expect(page.locator("#toasts .toast-note")).to_have_count(4)
    expect(page.locator("#toasts")).to_contain_text("7 more since you looked last.")


def test_another_page_of_the_browser_does_not_tell_again(stage, server):
    begin(stage, server)
    server |= {"number": 9, "items": [item(9)]}
    stage.hear("changed", 9, "notification")
    expect(stage.page.locator("#toasts .toast-note")).to_have_count(1)
    assert stage.page.evaluate("localStorage.getItem('news-since')") == "9"
    stage.page.reload()
    stage.page.wait_for_timeout(2_000)
    assert server["asked"][-1] == "since=9"
    expect(stage.page.locator("#toasts .toast-note")).to_have_count(0)


def test_while_updates_are_paused_nobody_is_interrupted(stage, server):
    page = begin(stage, server)
    page.click("#live-state")
    server |= {"number": 9, "items": [item(9)]}
    stage.hear("changed", 9, "notification")
    page.wait_for_timeout(500)
    assert server["asked"] == [""]


def test_the_switch_asks_for_permission_and_tells_on_the_desktop(stage, server):
    page = begin(stage, server)
    page.click("[data-menu] > summary")
    switch = page.get_by_role("button", name="Desktop notifications")
    expect(switch).to_have_attribute("aria-pressed", "false")
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    server |= {"number": 9, "items": [item(9)]}
    stage.hear("changed", 9, "inquiry")
    assert stage.eventually(lambda: page.evaluate("shown.length") == 1)
    assert page.evaluate("shown[0]") == ["[critical] Firing: Slow answers", "orchestra-9"]
    expect(page.locator("#toasts .toast-note")).to_have_count(0)
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "false")


@pytest.mark.parametrize(
    ("now", "way"),
    [
        ({"on": True, "permission": "granted", "hidden": True, "paused": False}, "desktop"),
        ({"on": True, "permission": "denied", "hidden": False, "paused": False}, "page"),
        ({"on": False, "permission": "granted", "hidden": False, "paused": False}, "page"),
        ({"on": False, "permission": "granted", "hidden": True, "paused": False}, "none"),
        ({"on": True, "permission": "granted", "hidden": False, "paused": True}, "none"),
    ],
)
def test_how_it_is_told(call, now, way):
    assert call("news.js", "module.wayNow(argument)", now) == way
