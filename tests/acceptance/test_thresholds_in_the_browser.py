"""The editor of thresholds in chromium: for everyone, its line dragged or typed, shaded as one changes it, saved."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from agents import fleet
from monitoring.alerting import thresholds
from monitoring.models import AgentSample, Span, Threshold, Tick
from orchestra.kernel.access import Actor
from tests.acceptance.barriers import barriers
from tests.agents import functions  # noqa: F401  registers the functions
from tests.silent_writes import arranged

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SYSTEM = Actor.system("test")
SLOW_MS = 30_000
SHADES = "() => JSON.parse(document.querySelector('#threshold-tried [data-chart]').dataset.chart).shades[0].length"


@pytest.fixture
def slow(db):
    """A threshold at 5 s, with an agent that took 3 s all the last day, and 8 s for ten minutes twice."""
    agent = fleet.create("python", {"name": "kim", "config": {"function": "test.echo"}}, [], by=SYSTEM)
    now = int(timezone.now().timestamp()) // 30 * 30
    ticks = range(now - 86_400, now + 1, 30)
    slow_from = (now - 60_000, now - 20_010)
    took = {at: 8 if any(since <= at < since + 600 for since in slow_from) else 3 for at in ticks}
    with arranged():
        Tick.objects.bulk_create([Tick(at=at, holder="test", evaluated=True) for at in ticks])
        AgentSample.objects.bulk_create(
            [AgentSample(agent=agent, span=Span.TICK, at=at, calls=1, timed=1, seconds=took[at]) for at in ticks]
        )
    values = {"name": "Slow", "metric": "response_time", "value": 5, "recovery_value": 4}
    return thresholds.create(values, by=SYSTEM)


def opened(page: Page, address: str) -> Page:
    page.goto(address)
    expect(page.locator("html[data-charts]")).to_have_count(1, timeout=SLOW_MS)
    expect(page.locator("#grip-0")).to_be_visible(timeout=SLOW_MS)
    return page


def place(page: Page, number: int) -> tuple[float, float]:
    """Where the grip of a line is."""
    box = page.locator(f"#grip-{number}").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, number: int, down: int) -> None:
    """Take a line by its grip and pull it so many pixels down."""
    x, y = place(page, number)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + down, steps=5)
    page.mouse.up()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1440), ("light", 320)])
def test_every_page_is_for_everyone_and_fits(open_as_ada, slow, scheme, width):
    thresholds.change(slow.pk, {"value": 6}, by=SYSTEM)
    page = open_as_ada(scheme, width)
    pages = ("", f"{slow.pk}/", f"{slow.pk}/versions/?from=2&to=1", "add/", "add/?metric=error_rate")
    for address in (f"/alerts/thresholds/{part}" for part in pages):
        opened(page, address) if address.endswith(f"/{slow.pk}/") else page.goto(address)

        assert barriers(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{address} is wider than the page"


def test_the_line_is_dragged_and_what_it_would_have_done_follows(open_as_ada, slow):
    page = opened(open_as_ada(), f"/alerts/thresholds/{slow.pk}/")
    tried = page.locator("#threshold-tried")
    expect(tried).to_contain_text("would have fired 2 times", timeout=SLOW_MS)
    assert page.evaluate(SHADES) == 2

    drag(page, 0, down=60)  # below the 3 s that it always takes; what it recovers at comes along

    value, recovery = (float(page.input_value(f"[name={name}]")) for name in ("value", "recovery_value"))
    assert 2 < value < 5
    assert recovery == pytest.approx(value - 1, abs=0.06)
    drag(page, 0, down=40)
    expect(tried).to_contain_text("would have fired once", timeout=SLOW_MS)
    assert page.evaluate(SHADES) == 1


def test_who_does_not_drag_types_and_the_line_follows(open_as_ada, slow):
    page = opened(open_as_ada(), f"/alerts/thresholds/{slow.pk}/")
    before = place(page, 0)[1]
    field = page.locator("[name=value]")

    field.focus()
    for _ in range(10):
        page.keyboard.press("ArrowUp")

    assert field.input_value() == "6"
    assert place(page, 0)[1] < before
    field.fill("9")
    expect(page.locator("#threshold-tried")).to_contain_text("would not have fired", timeout=SLOW_MS)
    assert page.evaluate(SHADES) == 0
    page.keyboard.press("Control+Enter")
    expect(page.locator(".toast, [role=status]").filter(has_text="Slow was changed")).to_be_visible()
    assert Threshold.objects.get().value == 9


def test_another_one_is_chosen_and_its_course_is_drawn(open_as_ada, slow):
    other = fleet.create("python", {"name": "lee", "config": {"function": "test.echo"}}, [], by=SYSTEM)
    now = int(timezone.now().timestamp()) // 30 * 30
    AgentSample.objects.create(agent=other, span=Span.TICK, at=now, calls=1, timed=1, seconds=2)
    page = opened(open_as_ada(), f"/alerts/thresholds/{slow.pk}/")
    expect(page.locator("#threshold-course")).to_contain_text("Response time, kim", timeout=SLOW_MS)

    page.select_option("#tried-subject", label="lee")

    expect(page.locator("#threshold-course")).to_contain_text("Response time, lee", timeout=SLOW_MS)
    assert page.evaluate(SHADES) == 0
    for name, typed in (("recovery_value", "1"), ("value", "1"), ("for_s", "0")):
        page.fill(f"[name={name}]", typed)
    expect(page.locator("#threshold-tried")).to_contain_text("for 2 of them", timeout=SLOW_MS)
    expect(page.locator("#threshold-course")).to_contain_text("Response time, lee")


def test_a_fault_leaves_the_chart_and_is_said_beside_its_field(open_as_ada, slow):
    page = opened(open_as_ada(), f"/alerts/thresholds/{slow.pk}/")

    page.fill("[name=recovery_value]", "6")
    page.keyboard.press("Tab")

    expect(page.locator("[data-field=recovery_value] .field-error")).to_contain_text("beyond the limit of 5 s")
    expect(page.locator("#threshold-tried")).to_contain_text("With what is marked corrected", timeout=SLOW_MS)
    assert place(page, 1)[1] < place(page, 0)[1]


def test_of_two_browsers_the_second_is_shown_the_difference_and_keeps_what_it_typed(open_as_ada, slow):
    page = opened(open_as_ada(), f"/alerts/thresholds/{slow.pk}/")
    page.fill("[name=value]", "9")
    thresholds.change(slow.pk, {"value": 7}, by=SYSTEM)

    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("alert")).to_contain_text("test has changed Slow meanwhile")
    assert page.input_value("[name=value]") == "9"
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast, [role=status]").filter(has_text="Slow was changed")).to_be_visible()
    assert (Threshold.objects.get().value, Threshold.objects.get().version) == (9, 3)


def test_it_is_switched_off_in_a_dialog_that_asks_why(open_as_ada, slow):
    page = open_as_ada()
    page.goto(f"/alerts/thresholds/{slow.pk}/")
    page.get_by_role("button", name="Disable…").click()
    dialog = page.locator("dialog[open]")
    dialog.get_by_role("button", name="Disable").click()
    expect(dialog).to_be_visible()  # without a reason nothing is sent
    dialog.locator("[name=reason]").fill("The agent moves")
    dialog.get_by_role("button", name="Disable").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("disabled")
    assert Threshold.objects.get().versions.first().reason == "The agent moves"
