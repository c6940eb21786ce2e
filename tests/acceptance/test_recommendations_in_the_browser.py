"""Recommendations in chromium: for everyone, decided on in dialogs, tried before they are applied."""

import pytest
from playwright.sync_api import expect

from agents.models import Agent, AgentStatus, Pool
from monitoring.advice import recommendations
from monitoring.models import Recommendation
from tests.acceptance.barriers import barriers
from tests.monitoring.advice.conftest import (  # noqa: F401  used as fixtures
    OLGA,
    called,
    make_agent,
    make_pool,
    sampled,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SLOW_MS = 30_000


@pytest.fixture
def advised(make_agent, make_pool):  # noqa: F811
    """Advice about an agent that fails, and about a pool that is too small; one more was dismissed."""
    for name in ("well-1", "well-2"):
        called(make_agent(name, "draft"), well=30)
    called(make_agent("bad", "draft"), well=12, badly=18)
    called(make_agent("worse", "draft"), badly=30)
    sampled(make_pool("billing", max_size=1), in_use=2, slots=2, waiting=3, oldest_s=40.0)
    recommendations.refresh()
    recommendations.dismiss(of_agent("worse").pk, by=OLGA, reason="The supplier mends it tonight.")
    return Recommendation.objects


def of_agent(label):
    return Recommendation.objects.get(rule="failing_agent", subject_label=label)


def of_pool():
    return Recommendation.objects.get(rule="pool_too_small")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1440), ("light", 320), ("dark", 320)])
def test_every_page_is_for_everyone_and_fits(open_as_ada, advised, scheme, width):
    page = open_as_ada(scheme, width)
    pages = ("", "?status=dismissed", f"{of_agent('bad').pk}/", f"{of_pool().pk}/", f"{of_agent('bad').pk}/?do=dismiss")
    for address in (*(f"/recommendations/{path}" for path in pages), f"/agents/{of_agent('bad').subject_id}/"):
        page.goto(address)

        assert barriers(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{address} is wider than the page"


def test_an_empty_list_is_for_everyone(open_as_ada, db):
    page = open_as_ada()
    page.goto("/recommendations/")

    expect(page.locator(".empty-note")).to_contain_text("Nothing to recommend")
    assert barriers(page) == []


def test_it_is_applied_from_the_list_in_a_dialog_that_says_what_happens(open_as_ada, advised):
    page = open_as_ada()
    page.goto("/recommendations/")
    page.get_by_role("link", name="Drain it: apply").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("bad begins no more calls; those in flight end as usual.")
    dialog.locator("[name=reason]").fill("Before the rush")
    dialog.get_by_role("button", name="Apply").click()

    expect(page.locator("#recommendation-head")).to_contain_text("applied")
    assert Agent.objects.get(name="bad").status == AgentStatus.DRAINING

    page.get_by_role("button", name="Undo").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("bad takes calls again at once.")
    dialog.locator("[name=reason]").fill("Mended")
    dialog.get_by_role("button", name="Undo").click()
    expect(page.locator("#recommendation-head")).to_contain_text("dismissed")
    assert Agent.objects.get(name="bad").status == AgentStatus.ONLINE


def test_it_is_tried_then_applied_by_keyboard(open_as_ada, advised):
    page = open_as_ada()
    page.goto(f"/recommendations/{of_pool().pk}/")
    page.get_by_role("button", name="Try it over the last week").click()
    expect(page.locator("#recommendation-tried")).to_contain_text("Agent-hours", timeout=SLOW_MS)
    assert barriers(page) == []

    page.keyboard.press("a")
    page.locator("dialog[open]").get_by_role("button", name="Apply").click()
    expect(page.locator("#recommendation-head")).to_contain_text("applied")
    assert Pool.objects.get().max_size == 2


def test_a_list_that_is_looked_at_follows_what_is_decided_elsewhere(open_as_ada, advised):
    page = open_as_ada()
    page.goto(f"/recommendations/{of_agent('bad').pk}/")
    recommendations.dismiss(of_agent("bad").pk, by=OLGA, reason="A drill.")

    expect(page.locator("#recommendation-head")).to_contain_text("dismissed", timeout=SLOW_MS)
