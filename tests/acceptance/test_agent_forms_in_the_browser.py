"""The forms of agents and their test in chromium: readable by everyone, checked as one types, usable by keyboard."""

import pytest
from playwright.sync_api import expect

from agents import fleet
from agents.kinds import KINDS
from agents.models import Agent
from orchestra.kernel.access import Actor
from tests.acceptance.barriers import barriers
from tests.agents import functions  # noqa: F401  registers the functions
from tests.agents.kinds.serving import send, serving

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SYSTEM = Actor.system("test")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1440), ("light", 320)])
def test_the_form_of_every_kind_is_for_everyone_and_fits(open_as_ada, scheme, width):
    page = open_as_ada(scheme, width)
    for kind in KINDS:
        page.goto(f"/agents/add/?kind={kind}")

        assert barriers(page) == [], kind
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{kind} is wider than the page"


def test_a_service_is_added_by_keyboard_and_its_faults_are_told_as_it_is_typed(open_as_ada):
    page = open_as_ada()
    page.goto("/agents/add/?kind=http")
    page.fill("[name=name]", "geo")
    page.fill("[name='config.url']", "http://127.0.0.1/")
    page.keyboard.press("Tab")
    expect(page.locator("[data-field='config.url'] .field-error")).to_contain_text("is not a public address")

    page.fill("[name='config.url']", "https://agent.example/call")
    page.keyboard.press("Tab")
    expect(page.locator("[data-field='config.url'] .field-error")).to_be_hidden()
    page.fill("[name='secrets.signing_key']", "t0p")
    page.keyboard.press("Enter")

    expect(page.locator("h1")).to_contain_text("geo")
    assert (Agent.objects.get().config, Agent.objects.get().secrets) == (
        {"url": "https://agent.example/call"},
        {"signing_key": "t0p"},
    )


def test_faults_are_summed_up_and_lead_to_their_fields(open_as_ada):
    page = open_as_ada()
    page.goto("/agents/add/?kind=http")
    page.fill("[name=name]", "geo")
    page.fill("[name='config.url']", "https://agent.example/")
    page.fill("[name='config.headers']", '{"Host": "a"}')
    page.focus("[name=name]")
    page.keyboard.press("Enter")

    summary = page.locator(".error-summary")
    expect(summary).to_be_focused()
    assert barriers(page) == []
    summary.get_by_role("link", name="Headers").click()
    expect(page.locator("[name='config.headers']")).to_be_focused()


def test_an_agent_is_tested_and_its_answer_shown(open_as_ada, settings):
    settings.OUTGOING_ALLOWED = ["127.0.0.1"]

    async def double(request, writer):
        send(writer, {"output": {"doubled": request.json()["input"]["number"] * 2}})

    page = open_as_ada()
    with serving(double) as server:
        agent = fleet.create("http", {"name": "doubler", "config": {"url": server.url}}, [], by=SYSTEM)
        page.goto(f"/agents/{agent.pk}/test/")
        page.fill("[name=input]", '{"number": 21}')
        page.keyboard.press("Control+Enter")

        expect(page.get_by_role("status").filter(has_text="doubled")).to_contain_text("42")
    assert barriers(page) == []
