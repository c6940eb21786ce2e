"""Channels, routes and notifications in chromium: for everyone, with rows that come as they are needed, by keyboard."""

import pytest
from playwright.sync_api import expect

from monitoring.models import Channel, Route
from monitoring.notification import channels, defaults, inhibitions, routes
from orchestra.kernel.access import Actor
from tests.acceptance.barriers import barriers
from tests.monitoring import alerts_made

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SYSTEM = Actor.system("test")


@pytest.fixture
def addresses(db):
    """The pages of two channels, two routes, an inhibition and two notifications."""
    defaults.install(SYSTEM)
    mail = channels.create("email", {"name": "Mail", "config": {"recipients": "ops@example.com"}}, by=SYSTEM)
    quiet = {"timezone": "Europe/Berlin", "blocks": [{"from": "22:00", "to": "07:00"}]}
    nights = routes.create(
        {"name": "Nights", "channels": [mail.pk], "quiet": quiet, "severities": ["critical"]}, by=SYSTEM
    )
    alert = alerts_made.alert()
    failed = alerts_made.notification(
        alert,
        "Mail",
        channel_id=mail.pk,
        status="failed",
        error="The mail server cannot be reached: Connection refused",
        why=["Route “Nights” takes it: it is for critical.", "It is news."],
        tries=[{"at": "2026-11-23T09:00:00+00:00", "took_s": 0.2, "error": "The mail server cannot be reached"}],
        body="It is slow.",
    )
    alerts_made.notification(alert, "In the browser", status="suppressed", why=["Silence #3 by Olga hides it."])
    rule = inhibitions.Inhibition.objects.get()
    return [
        "/alerts/channels/",
        f"/alerts/channels/{mail.pk}/",
        "/alerts/channels/add/?kind=webhook",
        "/alerts/routes/?severity=critical&agent=billing-1",
        f"/alerts/routes/{nights.pk}/",
        f"/alerts/inhibitions/{rule.pk}/",
        "/alerts/notifications/",
        f"/alerts/notifications/{failed.pk}/",
    ]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1440), ("light", 320)])
def test_every_page_is_for_everyone_and_fits(open_as_ada, addresses, scheme, width):
    page = open_as_ada(scheme, width)
    for address in addresses:
        page.goto(address)

        assert barriers(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{address} is wider than the page"


def test_a_channel_is_added_tested_and_named_in_a_route(open_as_ada, db):
    page = open_as_ada()
    page.goto("/alerts/channels/")
    page.get_by_role("link", name="Add the first channel").click()
    page.get_by_label("Name").fill("Operations")
    page.get_by_label("Recipients").fill("nobody")
    page.get_by_label("Reason").focus()
    expect(page.locator("[data-field='config.recipients'] .field-error")).to_have_text("nobody is no e-mail address.")
    page.get_by_label("Recipients").fill("ops@example.com")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("#channel-head")).to_contain_text("by Ada")

    page.goto("/alerts/routes/add/")
    page.get_by_label("Name").fill("Billing")
    page.get_by_label("Label of condition 1").select_option("agent")
    page.get_by_label("Operator of condition 1").select_option(label="starts with")
    page.get_by_label("Value of condition 1").fill("billing")
    page.get_by_role("group", name="Tells").get_by_label("Operations").check()
    page.get_by_role("button", name="Add").click()

    expect(page.locator("#routes")).to_contain_text("agent starts with billing")
    assert [channel.name for channel in Route.objects.get().channels.all()] == ["Operations"]
    assert Channel.objects.get().test_passed is True


def test_routes_are_moved_by_keyboard(open_as_ada, addresses):
    page = open_as_ada()
    page.goto("/alerts/routes/")
    page.get_by_role("button", name="Ask Nights earlier").press("Enter")
    expect(page.locator("#routes tbody tr").first).to_contain_text("1. Nights")
    expect(page.get_by_role("button", name="Ask Nights earlier")).to_be_disabled()
