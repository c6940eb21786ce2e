"""An agent's charts in chromium, on the page of a running server: drawn, readable without seeing, alive."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from agents import fleet, measures
from agents.observation import Tally
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Role
from tests.acceptance.barriers import AXE, RULES
from tests.agents import functions  # noqa: F401  registers the functions
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LATEST_MS = 40_000  # without WebSockets, as here, the page asks every 5 s
PLOT = "#chart-response [data-chart-plot]"
DRAWN = f"() => document.querySelector('{PLOT}')?.shadowRoot?.querySelector('canvas')"


@pytest.fixture
def agent(db):
    values = {"name": "writer", "config": {"function": "test.echo"}}
    made = fleet.create("python", values, ["draft"], by=Actor.system("test"))
    for age in range(5, 50):
        called(made, *[0.2 + age / 100] * 3, ago=timedelta(minutes=age))
    return made


def called(agent, *seconds, ago=timedelta(0)):
    tally = Tally()
    for took in seconds:
        tally.count(took, None)
    tally.sample(60_000_000)
    measures.write({(agent.pk, int((timezone.now() - ago).timestamp() // 60)): tally})


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


@pytest.fixture
def page(chromium, live_server, make_user, agent, scheme):
    """Olga's browser on the agent's page; ``page.complaints`` gathers what the console says."""
    make_user("olga", Role.OPERATOR, first_name="Olga")
    with chromium.new_context(base_url=live_server.url, color_scheme=scheme, reduced_motion="reduce") as context:
        page = context.new_page()
        complaints = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"/login/?next=/agents/{agent.pk}/")
        page.fill("[name=username]", "olga")
        page.fill("[name=password]", PASSWORD)
        page.click("main button")
        page.wait_for_function(DRAWN)
        yield page
        assert [said for said in complaints if "WebSocket" not in said] == []  # the security policy complains here too


def test_charts_are_drawn_have_tables_and_pass_the_checks_of_accessibility(page):
    expect(page.locator("figure.chart")).to_have_count(5)
    page.locator("#chart-response summary").click()
    expect(page.locator("#chart-response tbody tr").first).to_have_text(re.compile(r"\d\d:\d\d\s*0\.7 s\s*0\.7 s"))

    page.evaluate(AXE)
    found = page.evaluate("rules => axe.run('#agent-figures', { runOnly: rules, preload: false })", RULES)
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in found["violations"]] == []


def test_new_figures_come_into_the_drawing_while_it_is_looked_at(page, agent):
    page.locator(PLOT).focus()
    page.keyboard.press("Home")
    before = page.locator("#chart-response [data-chart-value]").first.text_content()
    page.evaluate(f"document.querySelector('{PLOT}').shadowRoot.querySelector('canvas').dataset.same = 'yes'")

    called(agent, *[9.0] * 5)

    expect(page.locator("#chart-throughput tbody tr").last).to_have_text(
        re.compile(r"\d\d:\d\d\s*[1-9]"), timeout=LATEST_MS
    )
    expect(page.locator(PLOT)).to_be_focused()
    assert page.locator(f"{PLOT} canvas[data-same=yes]").count() == 1
    assert page.locator("#chart-response [data-chart-value]").first.text_content() == before
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_range_is_changed_by_a_link_and_kept_in_the_address(page):
    page.get_by_role("link", name="24 hours").click()

    page.wait_for_url("**?range=24h")
    page.wait_for_function(DRAWN)
    expect(page.get_by_role("link", name="24 hours")).to_have_attribute("aria-current", "true")
