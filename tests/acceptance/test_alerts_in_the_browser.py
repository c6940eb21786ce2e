"""The pages of alerts and silences in chromium: for everyone, live, conditions that grow, a preview as one types."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from monitoring.alerting import alerts
from monitoring.models import Alert, Silence
from orchestra.kernel.access import Actor
from tests.acceptance.barriers import barriers
from tests.monitoring.alerts_made import alert, condition, notification, silence

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SYSTEM = Actor.system("test")
SLOW_MS = 30_000


@pytest.fixture
def some(db):
    """Alerts of every status and flag, a silence that ends soon, one that is over."""
    now = timezone.now()
    rows = [
        alert(f"{status}-agent", subject_id=str(number), status=status, flapping=number == 1)
        for number, status in enumerate(("firing", "no_data", "recovering", "pending", "resolved"))
    ]
    alerts.acknowledge(rows[1].pk, by=SYSTEM, note="Known")
    notification(rows[0], "ops mail", status="failed", error="The server said 550.", why=["Route “all” fits."])
    silence(condition("agent", "=", "firing-agent"), ends_at=now + timedelta(minutes=9))
    silence(condition("agent", "=", "x"), starts_at=now - timedelta(hours=2), ends_at=now - timedelta(hours=1))
    return rows


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1440), ("light", 320)])
def test_every_page_is_for_everyone_and_fits(open_as_ada, some, scheme, width):
    page, first = open_as_ada(scheme, width), Silence.objects.earliest("pk").pk
    over = Silence.objects.latest("pk").pk
    for address in (
        "/alerts/",
        "/alerts/?status=resolved",
        "/alerts/?severity=critical",
        *(f"/alerts/{row.pk}/" for row in some),
        "/alerts/silences/",
        "/alerts/silences/?state=ended",
        f"/alerts/silences/add/?alert={some[0].pk}",
        f"/alerts/silences/{first}/",
        f"/alerts/silences/{over}/",
    ):
        page.goto(address)

        assert barriers(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{address} is wider than the page"


@pytest.mark.parametrize("name", ["acknowledge", "assign", "resolve"])
def test_every_dialog_is_for_everyone(open_as_ada, some, name):
    page = open_as_ada()
    page.goto(f"/alerts/{some[0].pk}/")
    page.click(f"#open-{name}")

    expect(page.locator(f"#{name}")).to_be_visible()
    assert barriers(page) == []


def test_an_alert_is_acknowledged_by_keyboard(open_as_ada, some):
    page = open_as_ada()
    page.goto(f"/alerts/{some[0].pk}/")
    page.keyboard.press("a")
    page.locator("#acknowledge select").select_option("1d")
    page.locator("#acknowledge textarea").fill("I look at it")
    page.keyboard.press("Tab")
    page.locator("#acknowledge .btn-primary").press("Enter")

    expect(page.locator("#alert-head")).to_contain_text("acknowledged by Ada", timeout=SLOW_MS)
    assert Alert.objects.get(pk=some[0].pk).note == "I look at it"


def test_conditions_grow_and_the_preview_follows_what_is_typed(open_as_ada, some):
    page = open_as_ada()
    page.goto("/alerts/silences/add/")
    preview = page.locator("#silence-preview")
    expect(page.locator("[data-row]")).to_have_count(2)

    for row, (label, operator, value) in enumerate(
        (("agent", "contains", "agent"), ("severity", "in", "warning, info"))
    ):
        page.locator("[name=matchers_label]").nth(row).select_option(label)
        page.locator("[name=matchers_operator]").nth(row).select_option(operator)
        page.locator("[name=matchers_value]").nth(row).fill(value)
    expect(preview).to_contain_text("4 open alerts fit", timeout=SLOW_MS)
    expect(page.locator("[data-row]")).to_have_count(3)
    expect(page.get_by_label("Value of condition 3")).to_have_value("")

    page.locator("[name=matchers_value]").nth(0).fill("firing")
    expect(preview).to_contain_text("1 open alert fits", timeout=SLOW_MS)
    page.fill("[name=reason]", "New server")
    page.get_by_role("button", name="Silence", exact=True).click()

    expect(page.locator("#silence-hides")).to_contain_text("firing-agent", timeout=SLOW_MS)
    made = Silence.objects.latest("pk")
    assert made.matchers == [condition("agent", "contains", "firing"), condition("severity", "in", ["warning", "info"])]


def test_a_bad_end_is_told_as_the_field_is_left(open_as_ada, some):
    page = open_as_ada()
    page.goto(f"/alerts/silences/add/?alert={some[0].pk}")
    page.fill("[name=reason]", "New server")
    page.fill("[name=ends_at]", "2020-01-01T08:00")
    page.locator("[name=reason]").focus()

    expect(page.locator("[data-field=ends_at] .field-error")).to_contain_text("in the past", timeout=SLOW_MS)


def test_many_are_chosen_and_acknowledged_in_one_go(open_as_ada, some):
    page = open_as_ada()
    page.goto("/alerts/?status=firing,recovering")
    page.get_by_label("Select every row of this page").check()
    page.get_by_role("button", name="Acknowledge…").click()
    page.fill("#bulk-reason", "All known")
    page.locator("[data-bulk-go]").click()

    expect(page.locator("#toasts")).to_contain_text("2 acknowledged", timeout=SLOW_MS)
    assert Alert.objects.filter(note="All known").count() == 2


def test_errors_of_a_dialog_stand_in_it(open_as_ada, some):
    page = open_as_ada()
    page.goto(f"/alerts/{some[0].pk}/")
    page.keyboard.press("a")
    page.fill("#acknowledge [name=until]", "2020-01-01T08:00")
    page.locator("#acknowledge .btn-primary").click()

    expect(page.locator("#acknowledge")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("#acknowledge")).to_contain_text("This is in the past")
    assert barriers(page) == []
