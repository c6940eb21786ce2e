"""Actions on many agents in one request, by choice or by filter; what could not be done is told."""

import pytest

from agents import fleet
from agents.models import Agent, AgentHealth, Circuit
from orchestra.kernel.models import Event
from tests.agents.conftest import SYSTEM
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
BULK = "/agents/bulk/"


def statuses():
    return dict(Agent.objects.values_list("name", "status"))


def chosen(*agents, action, **more):
    return {"ids": ",".join(str(agent.pk) for agent in agents), "action": action, **more}


def test_chosen_agents_are_drained_under_one_correlation(make_agent, as_, operator):
    first, second, _ = make_agent("one"), make_agent("two"), make_agent("three")

    shown = as_(operator).post(BULK, chosen(first, second, action="drain"), follow=True).content.decode()

    assert statuses() == {"one": "draining", "two": "draining", "three": "online"}
    assert "2 draining." in shown
    told = Event.objects.filter(action="AgentDrained")
    assert (told.count(), told.values("correlation").distinct().count()) == (2, 1)


def test_what_cannot_be_done_is_told_and_what_is_so_already_is_skipped(make_agent, as_, operator):
    online, draining, disabled = make_agent("one"), make_agent("two"), make_agent("three")
    fleet.set_status(draining.pk, "draining", by=SYSTEM)
    fleet.set_status(disabled.pk, "disabled", by=SYSTEM)

    shown = as_(operator).post(BULK, chosen(online, draining, disabled, action="drain"), follow=True).content.decode()

    assert statuses() == {"one": "draining", "two": "draining", "three": "disabled"}
    assert "1 draining, 1 skipped, 1 refused." in shown
    assert "This is disabled, from where it cannot become draining" in shown


def test_all_that_match_a_filter_are_disabled_with_a_reason(make_agent, as_, operator):
    for name in ("a1", "a2", "b1"):
        make_agent(name)

    as_(operator).post(BULK, {"all": "1", "query": "search=a", "action": "disable", "reason": "moving house"})

    assert statuses() == {"a1": "disabled", "a2": "disabled", "b1": "online"}
    assert Event.objects.filter(action="AgentDisabled", detail__reason="moving house").count() == 2


def test_breakers_are_reset_and_closed_ones_skipped(make_agent, as_, operator):
    broken, sound = make_agent("broken"), make_agent("sound")
    with arranged():
        AgentHealth.objects.filter(pk=broken.pk).update(circuit=Circuit.OPEN, probe_at="2026-01-01T00:00Z")

    shown = as_(operator).post(BULK, chosen(broken, sound, action="reset-circuit"), follow=True).content.decode()

    assert "1 reset, 1 skipped." in shown
    assert set(AgentHealth.objects.values_list("circuit", flat=True)) == {"closed"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"action": "explode"}, "Choose one of"),
        ({"action": "disable", "reason": " "}, "Say why"),
        ({"action": "drain", "ids": ""}, "Choose at least one row"),
        ({"action": "drain", "ids": "seven"}, "Choose at least one row"),
    ],
)
def test_what_makes_no_sense_changes_nothing(make_agent, as_, operator, asked, said):
    agent = make_agent("one")

    response = as_(operator).post(BULK, chosen(agent, action="drain") | asked)

    assert response.status_code == 422
    assert said in response.content.decode()
    assert statuses() == {"one": "online"}


def test_a_viewer_neither_sees_the_bar_nor_may_use_it(make_agent, as_, viewer, operator):
    agent = make_agent("one")

    assert "data-bulk" in as_(operator).get("/agents/").content.decode()
    assert "data-bulk" not in as_(viewer).get("/agents/").content.decode()
    assert as_(viewer).post(BULK, chosen(agent, action="drain")).status_code == 403
    assert statuses() == {"one": "online"}


def test_a_capability_filter_names_each_agent_once(make_agent, as_, operator):
    make_agent("one", ["draft", "send"])

    shown = as_(operator).post(BULK, {"all": "1", "query": "capability=draft", "action": "drain"}, follow=True)

    assert "1 draining." in shown.content.decode()
