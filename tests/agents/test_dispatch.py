from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agents import dispatch
from agents.dispatch import Demand
from agents.scoring import Weights
from agents.snapshot import Fleet
from tests.agents.views import WRITER

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(seconds=40), NOW - timedelta(seconds=1)
AGENT = WRITER
DRAFT = Demand(("draft",))


def choose(demands, *agents, in_use=None):
    fleet = Fleet(1, {agent.id: agent for agent in agents})
    return dispatch.choose(demands, fleet, in_use or {}, Weights(), NOW)


@pytest.mark.parametrize(
    ("change", "in_use", "obstacle"),
    [
        ({}, 1, ""),
        ({"capabilities": frozenset({"other"})}, 0, "lacks_capability"),
        ({"status": "draining"}, 0, "is_draining"),
        ({"status": "disabled"}, 0, "is_disabled"),
        ({"status": "offline"}, 0, "is_offline"),
        ({"circuit": "open", "probe_at": LATER}, 0, "breaker_open"),
        ({"circuit": "half_open", "probe_at": LATER}, 0, "breaker_open"),
        ({"circuit": "open", "probe_at": EARLIER}, 0, ""),
        ({}, 2, "busy"),
    ],
)
def test_hard_limits_exclude_an_agent_and_say_why(change, in_use, obstacle):
    choice = choose([DRAFT], replace(AGENT, **change), in_use={1: in_use})[0]

    assert (choice.agent is None) == bool(obstacle)
    assert choice.explanation["excluded"] == ({obstacle: 1} if obstacle else {})


def test_the_best_score_wins_and_every_candidate_is_kept_with_its_parts():
    slow = replace(AGENT, id=2, name="slow", response_s=5.0)

    choice = choose([DRAFT], slow, AGENT)[0]

    assert choice.agent == AGENT
    assert choice.explanation["chosen"] == "writer"
    assert choice.explanation["because"] == "best score"
    assert [(c["agent"], c["score"]) for c in choice.explanation["candidates"]] == [("writer", 1.0), ("slow", 0.9)]
    assert choice.explanation["candidates"][1]["parts"] == {
        "match": 0.4,
        "success": 0.3,
        "speed": 0.1,
        "availability": 0.1,
    }


def test_a_preferred_capability_moves_the_score_but_excludes_nobody():
    billing = replace(AGENT, id=2, name="billing-1", capabilities=frozenset({"draft", "billing"}), response_s=2.0)

    choices = choose([Demand(("draft",), ("billing",)), Demand(("draft",), ("travel",))], AGENT, billing)

    assert [choice.agent.name for choice in choices] == ["billing-1", "writer"]


def test_the_best_agent_is_not_spent_on_what_anyone_could_do():
    anyone = replace(AGENT, id=2, name="anyone", response_s=1.0, slots=1)
    rare = replace(AGENT, capabilities=frozenset({"draft", "law"}), slots=1)

    general, special = choose([DRAFT, Demand(("law",))], anyone, rare)

    assert (general.agent.name, general.explanation["because"]) == ("anyone", "best for the batch")
    assert (special.agent.name, special.explanation["because"]) == ("writer", "best score")


def test_where_slots_are_short_the_first_in_the_queue_get_them():
    choices = choose([DRAFT, DRAFT, DRAFT], AGENT)

    assert [choice.agent is not None for choice in choices] == [True, True, False]


def test_steps_that_nobody_can_do_take_no_place_from_others():
    nobody = Demand(("telepathy",))

    choices = choose([nobody, nobody, nobody, DRAFT], replace(AGENT, slots=1))

    assert [choice.agent is not None for choice in choices] == [False, False, False, True]


def test_an_open_breaker_whose_probe_is_due_lets_one_call_through_marked_as_the_probe():
    tried = replace(AGENT, circuit="open", probe_at=EARLIER, slots=10)

    choices = choose([DRAFT, DRAFT], tried)

    assert [(choice.agent is not None, choice.is_probe) for choice in choices] == [(True, True), (False, False)]


def test_those_who_could_but_for_an_obstacle_are_named_and_the_others_only_counted():
    resting = replace(AGENT, id=2, name="resting", circuit="open", probe_at=LATER)
    full = replace(AGENT, id=3, name="full")
    other = replace(AGENT, id=4, name="other", capabilities=frozenset())

    explanation = choose([DRAFT], resting, full, other, in_use={3: 2})[0].explanation

    assert explanation["excluded"] == {"breaker_open": 1, "busy": 1, "lacks_capability": 1}
    assert explanation["obstacles"] == [
        {"agent": "resting", "reason": "breaker_open", "until": LATER.isoformat()},
        {"agent": "full", "reason": "busy"},
    ]


def test_at_most_ten_candidates_and_five_obstacles_are_kept():
    crowd = [replace(AGENT, id=number, name=f"agent-{number}") for number in range(30)]
    drained = [replace(agent, id=agent.id + 100, status="draining") for agent in crowd]

    explanation = choose([DRAFT], *crowd, *drained)[0].explanation

    assert (len(explanation["candidates"]), len(explanation["obstacles"])) == (10, 5)
    assert explanation["excluded"] == {"is_draining": 30}
