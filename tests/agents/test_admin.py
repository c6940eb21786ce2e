import pytest
from django.utils import timezone

from agents import fleet, measures
from agents.models import Agent, AgentMeasure, AgentProcess
from tests.agents.conftest import SYSTEM
from tests.audit import last_event

pytestmark = pytest.mark.django_db
AGENTS = "/admin/agents/agent/"


def test_an_action_goes_through_the_verb_and_says_what_it_could_not_do(make_agent, as_, admin_user):
    writer, poet = make_agent("writer"), make_agent("poet")
    fleet.set_status(poet.pk, "disabled", by=SYSTEM)
    chosen = {"action": "drain", "_selected_action": [writer.pk, poet.pk]}

    shown = as_(admin_user).post(AGENTS, chosen, follow=True).content.decode()

    assert set(Agent.objects.values_list("name", "status")) == {("writer", "draining"), ("poet", "disabled")}
    assert "1 draining." in shown
    assert "This is disabled, from where it cannot become draining" in shown


def test_neither_configuration_nor_secrets_are_shown_as_they_are(make_agent, as_, admin_user):
    agent = make_agent("writer", config={"function": "test.keeper", "api_key": "sk-1"}, secrets={"key": "s3cret"})

    shown = as_(admin_user).get(f"{AGENTS}{agent.pk}/change/").content.decode()

    assert "••••" in shown
    assert "sk-1" not in shown
    assert "s3cret" not in shown


def test_agents_are_not_changed_past_the_verbs(make_agent, as_, admin_user):
    agent = make_agent("writer")
    number = last_event().number

    assert as_(admin_user).post(f"{AGENTS}{agent.pk}/change/", {"name": "poet"}).status_code == 403

    assert Agent.objects.get().name == "writer"
    assert last_event().number > number


@pytest.mark.parametrize("table", ["agenthealth", "agentprocess", "agentmeasure"])
def test_breakers_processes_and_measures_are_only_looked_at(make_agent, as_, admin_user, table):
    agent, now = make_agent("writer"), timezone.now()
    AgentProcess.objects.create(agent=agent, holder="executor:oak:7", lease_expires_at=now)
    measures.observe(agent.pk, 0.2)
    measure = AgentMeasure.objects.get()
    row = {"agenthealth": agent.health, "agentprocess": agent.process, "agentmeasure": measure}[table]
    browser, page = as_(admin_user), f"/admin/agents/{table}/"

    assert "writer" in browser.get(page).content.decode()
    assert browser.get(f"{page}{row.pk}/change/").status_code == 200
    assert browser.get(f"{page}add/").status_code == 403
    assert browser.post(f"{page}{row.pk}/change/", {}).status_code == 403
    assert browser.post(f"{page}{row.pk}/delete/", {"post": "yes"}).status_code == 403
