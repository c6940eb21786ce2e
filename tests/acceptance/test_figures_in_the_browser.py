"""The page of figures in chromium: drawn, used by keyboard, readable without seeing, brought up to date by time."""

import re
import time
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from monitoring.models import Gauge, GaugeSample, Span, Threshold, Tick
from tests.acceptance.barriers import barriers
from workflows.models import TaskQueue

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PLOT = "#figure-queue_waiting [data-chart-plot]"
DRAWN = f"() => document.querySelector('{PLOT}')?.shadowRoot?.querySelector('canvas')"
ASKED = "/figures/?kind=queue&subject=billing&metric=queue_waiting&range=1h"


def sample(queue, at, value):
    gauge, _ = Gauge.objects.get_or_create(metric="queue_waiting", kind="queue", subject=queue)
    GaugeSample.objects.create(gauge=gauge, span=Span.TICK, at=at, total=value, least=value, most=value)


@pytest.fixture
def measured(db):
    """Two queues in the last hour and a week before, with a gap of the collector, and a threshold."""
    now = int(timezone.now().timestamp()) // 60 * 60
    TaskQueue.objects.bulk_create([TaskQueue(name="billing"), TaskQueue(name="mail")])
    moments = [at for at in range(now - 3_600, now, 60) if not now - 1_800 < at < now - 1_200]
    for at in moments:
        Tick.objects.bulk_create([Tick(at=at, holder="test"), Tick(at=at + 30, holder="test")])
        sample("billing", at, 10 + at % 7)
        sample("mail", at, 3)
        sample("billing", at - int(timedelta(days=7).total_seconds()), 8)
    Threshold.objects.create(name="Flood", metric="queue_waiting", value=15, recovery_value=10, severity="critical")
    return now


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_drawn_and_passes_the_checks_of_accessibility(open_as_ada, measured, scheme):
    page = open_as_ada(scheme)
    page.goto(f"{ASKED}&compare=week")
    page.wait_for_function(DRAWN)

    expect(page.locator("#figure-queue_waiting .chart-legend")).to_contain_text("Waiting a week before 8")
    expect(page.locator("#figure-queue_waiting .chart-legend")).to_contain_text("Flood: 15")
    expect(page.get_by_text("The collector did not run from")).to_be_visible()
    page.locator("#figure-queue_waiting summary").click()
    expect(page.locator("#figure-queue_waiting tbody tr").first).to_have_text(re.compile(r"\d\d:\d\d\s*\d+\s*8"))
    assert barriers(page) == []


@pytest.mark.parametrize("address", [f"{ASKED}&compare=week", "/figures/?range=own&since=soon", "/figures/system/"])
def test_it_fits_a_telephone_and_passes_there_too(open_as_ada, measured, address):
    page = open_as_ada("light", 320)
    page.goto(address)

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    cut = "nodes => nodes.filter(node => node.getBoundingClientRect().right > innerWidth).map(node => node.outerHTML)"
    assert page.eval_on_selector_all("main .chip", cut) == []
    assert barriers(page) == []


def test_a_queue_is_added_and_taken_away_by_keyboard_and_the_address_says_so(open_as_ada, measured):
    page = open_as_ada()
    page.goto(ASKED)

    page.get_by_label("Name of another queue").fill("mail")
    page.keyboard.press("Enter")
    page.wait_for_url("**subject=billing&**add=mail")
    expect(page.locator("#figure-queue_waiting .chart-legend")).to_contain_text("mail 3")

    page.get_by_label("Take billing away").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"\?kind=queue&subject=mail&metric=queue_waiting&range=1h$"))
    page.get_by_role("link", name="7 days").click()
    page.wait_for_url(re.compile(r"subject=mail&metric=queue_waiting&range=7d$"))


def test_new_figures_come_by_the_clock_unless_updates_are_paused(open_as_ada, measured):
    page = open_as_ada()
    page.clock.install()
    page.goto(ASKED)
    page.wait_for_function(DRAWN)
    latest = page.locator("#figure-queue_waiting [data-chart-value]").first

    sample("billing", int(time.time()) // 60 * 60, 44)
    page.clock.run_for(31_000)
    expect(latest).to_have_text("44")

    page.get_by_role("button", name="Live").or_(page.locator("#live-state")).first.click()
    GaugeSample.objects.filter(total=44).update(total=55)
    page.clock.run_for(61_000)
    expect(latest).to_have_text("44")
