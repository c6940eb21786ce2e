"""The connection comes back after everything, and the page says how it stands."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

REGION = '<section id="steps" data-region data-topics="run:7 agent"><b>one</b></section>'


def test_it_says_where_the_page_stands_what_it_shows_and_what_everybody_is_told_of(stage):
    stage.greeted(REGION, since=41)
    assert stage.query() == {"since": ["41"], "topic": ["agent", "inquiry", "notification", "run:7"]}


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1013, 4400, 4408])
def test_it_comes_back_after_every_close(stage, code):
    stage.greeted(REGION)
    stage.sockets[0].close(code=code)
    assert stage.eventually(lambda: len(stage.sockets) == 2)


def test_it_comes_back_with_the_last_number_it_heard(stage):
    stage.greeted(REGION, since=3)
    stage.hear("changed", 9, "run:7")
    assert stage.eventually(lambda: stage.asked == ["steps"])
    stage.sockets[0].close(code=1000)
    assert stage.eventually(lambda: len(stage.sockets) == 2)
    assert stage.query()["since"] == ["9"]


def test_after_coming_back_the_whole_page_is_looked_at(stage):
    page = stage.greeted(REGION)
    stage.sockets[0].close(code=1000)
    assert stage.eventually(lambda: len(stage.sockets) == 2)
    stage.content = REGION.replace("one", "two")
    stage.hear("hello", 5)
    expect(page.locator("#steps")).to_have_text("two")


def test_a_silent_connection_is_given_up_after_forty_seconds(stage):
    stage.page.clock.install()
    stage.greeted(REGION)
    stage.page.clock.run_for(39_000)
    assert len(stage.sockets) == 1
    stage.page.clock.run_for(2_000)
    assert stage.eventually(lambda: len(stage.sockets) == 2)


def test_a_beat_is_answered_because_that_proves_reading(stage):
    stage.greeted(REGION)
    stage.hear("beat", 0)
    assert stage.eventually(lambda: '{"type":"beat"}' in stage.said)


def test_new_regions_are_subscribed_to(stage):
    stage.greeted(REGION)
    stage.content = REGION.replace("run:7", "run:8")
    stage.hear("changed", 1, "run:7")
    subscribed = '{"type":"subscribe","topics":["agent","inquiry","notification","run:8"]}'
    assert stage.eventually(lambda: subscribed in stage.said)


def test_where_sockets_are_blocked_the_page_asks_every_five_seconds(stage):
    stage.refuses_sockets = True
    page = stage.open(REGION)
    stage.content = REGION.replace("one", "two")
    expect(page.locator("#steps")).to_have_text("two", timeout=10_000)
    expect(page.locator("#live-state")).to_have_text("Live")
    expect(page.locator("#live-state")).to_have_attribute("title", "Live: updates every 5 s; click to pause")


def test_a_page_cut_off_is_reconnecting_and_then_stale_since_the_last_proof(stage):
    stage.page.clock.install()
    page = stage.greeted(REGION)
    stage.refuses_sockets, stage.status = True, 503
    stage.sockets[0].close(code=1006)
    expect(page.locator("#live-state")).to_have_text("Reconnecting")
    page.clock.run_for(15_000)
    expect(page.locator("#live-state")).to_contain_text("Stale since")
    expect(page.locator("#live-news")).to_contain_text("Stale since")


def test_being_live_again_is_announced(stage):
    stage.page.clock.install()
    page = stage.greeted(REGION)
    stage.refuses_sockets, stage.status = True, 503
    stage.sockets[0].close(code=1006)
    page.clock.run_for(15_000)
    stage.refuses_sockets, stage.status = False, 200
    page.clock.run_for(20_000)
    assert stage.eventually(lambda: len(stage.sockets) == 2)
    stage.hear("hello", 0)
    expect(page.locator("#live-news")).to_have_text("Live again")


def test_a_session_that_is_over_is_told_at_once(stage):
    page = stage.greeted(REGION)
    stage.status = 401
    stage.sockets[0].close(code=4401)
    expect(page.get_by_role("link", name="Sign in again")).to_be_visible()
