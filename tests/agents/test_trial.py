"""Tests by hand: of every kind of agent but a person, with the input offered again, and what it took."""

import pytest

from agents import fleet
from agents.kinds import KINDS
from agents.models import AgentKind
from orchestra.kernel.access import Actor
from tests.agents.kinds import chat
from tests.agents.kinds.serving import send, serving
from tests.audit import last_event

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("test")


def text(response):
    return response.content.decode()


async def double(request, writer):
    send(writer, {"output": request.json()["input"]["number"] * 2})


@pytest.fixture
def service(settings):
    """``service(answer)``: an agent behind a real server."""
    settings.OUTGOING_ALLOWED = ["127.0.0.1"]

    def make(server, **values):
        return fleet.create("http", {"name": "service", "config": {"url": server.url}} | values, [], by=SYSTEM)

    return make


def test_a_service_is_called_from_its_page(service, as_, operator):
    with serving(double) as server:
        agent = service(server)
        shown = as_(operator).post(f"/agents/{agent.pk}/test/", {"input": '{"number": 21}'})

    assert shown.context["trial"].output == 42
    assert "succeeded" in text(shown)
    assert (last_event().action, last_event().outcome) == ("AgentTested", "succeeded")


def test_a_service_is_called_over_the_api_with_any_json(service, api, operator):
    async def echo(request, writer):
        send(writer, {"output": request.json()["input"]})

    with serving(echo) as server:
        agent = service(server)
        answers = [
            api(operator).post(f"/api/v1/agents/{agent.pk}/test/", {"input": given}).json() for given in ([1], "a", 7)
        ]

    assert [answer["output"] for answer in answers] == [[1], "a", 7]
    assert answers[0]["usage"] is None


def test_a_failure_is_shown_in_words(service, as_, operator):
    async def busy(request, writer):
        send(writer, {"error": "Out of paper."}, "503 Busy")

    with serving(busy) as server:
        agent = service(server)
        shown = as_(operator).post(f"/agents/{agent.pk}/test/", {"input": "{}"})

    assert shown.context["trial"].outcome == "failed"
    assert "It answered with 503 Busy: Out of paper." in text(shown)


def test_an_answer_that_comes_later_is_said_to_be_awaited(service, as_, operator):
    async def later(request, writer):
        send(writer, {"pending": "the night run"})

    with serving(later) as server:
        agent = service(server)
        shown = as_(operator).post(f"/agents/{agent.pk}/test/", {"input": "{}"})

    assert "It is accepted and waits for the night run." in text(shown)


def test_the_input_of_the_last_test_is_offered_again(service, as_, operator):
    with serving(double) as server:
        agent, browser = service(server), as_(operator)
        assert browser.get(f"/agents/{agent.pk}/test/").context["form"]["input"].value() == "{}"

        browser.post(f"/agents/{agent.pk}/test/", {"input": '{"number": 21}'})
        browser.post(f"/agents/{agent.pk}/test/", {"input": '{"number": 22}'})

    assert '"number": 22' in browser.get(f"/agents/{agent.pk}/test/").context["form"]["input"].value()


def test_an_input_with_a_secret_is_not(make_agent, as_, operator):
    agent, browser = make_agent("writer"), as_(operator)

    browser.post(f"/agents/{agent.pk}/test/", {"input": '{"token": "t0p"}'})

    assert browser.get(f"/agents/{agent.pk}/test/").context["form"]["input"].value() == "{}"


def test_what_a_model_took_is_shown(make_agent, settings, as_, api, operator):
    settings.OUTGOING_ALLOWED = ["127.0.0.1"]

    async def model(request, writer):
        send(writer, chat.completion("Hello", counted=chat.usage(1200, 34)))

    with serving(model) as server:
        prices = {"price_in": 1.5, "price_out": 2.0, "stream": False}
        agent = make_agent("writer", kind="llm", config={"base_url": f"{server.url}/v1", "model": "small", **prices})
        shown = text(as_(operator).post(f"/agents/{agent.pk}/test/", {"input": "{}"}))
        usage = api(operator).post(f"/api/v1/agents/{agent.pk}/test/", {}).json()["usage"]

    assert all(figure in shown for figure in ("1,200", "34", "0.001868", chat.MODEL))
    assert usage == {"tokens_in": 1200, "tokens_out": 34, "cost": 0.001868, "model": chat.MODEL}


def test_a_program_is_tried_in_a_process_of_its_own(make_agent, as_, operator):
    agent = make_agent("program", kind="process", config=configured("process"))

    shown = as_(operator).post(f"/agents/{agent.pk}/test/", {"input": '{"order": 7}'})

    assert shown.context["trial"].output["echo"] == {"order": 7}


def test_a_worker_elsewhere_that_is_not_there_is_said(make_agent, as_, operator):
    agent = make_agent("far", kind="remote", config={})

    shown = as_(operator).post(f"/agents/{agent.pk}/test/", {"input": "{}"})

    assert "Its worker is not there to be asked" in text(shown)
    assert last_event().outcome == "failed"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != AgentKind.HUMAN])
def test_every_agent_but_a_person_offers_a_test(make_agent, as_, operator, kind):
    agent = make_agent("one", kind=kind, config=configured(kind))

    assert f"/agents/{agent.pk}/test/" in text(as_(operator).get(f"/agents/{agent.pk}/"))
    assert as_(operator).get(f"/agents/{agent.pk}/test/").status_code == 200


def test_a_person_is_not_tested(make_agent, as_, operator):
    agent = make_agent("support", kind="human")

    assert f"/agents/{agent.pk}/test/" not in text(as_(operator).get(f"/agents/{agent.pk}/"))
    shown = as_(operator).post(f"/agents/{agent.pk}/test/", {"input": "{}"})
    assert shown.status_code == 409


def configured(kind):
    """A configuration that is faultless."""
    first = KINDS[kind].schema["properties"].get("command", {}).get("enum", [""])[0]
    return {
        "python": {"function": "test.echo"},
        "http": {"url": "https://agent.example/"},
        "llm": {"base_url": "https://llm.example/v1", "model": "small"},
        "process": {"command": first},
    }.get(kind, {})
