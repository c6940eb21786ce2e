"""Why a step was given to its agent, and who was left out, in words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agents import dispatch
from agents.dispatch import Demand
from agents.scoring import Weights
from agents.snapshot import Fleet
from tests.agents.views import WRITER
from workflows import chosen
from workflows.chosen import LeftOut, Named

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


def choice(*agents, in_use=None, caller=""):
    fleet = Fleet(1, {agent.id: agent for agent in agents})
    (found,) = dispatch.choose([Demand(("draft",))], fleet, in_use or {}, Weights(), NOW, caller=caller)
    return found.explanation


def agents(count, **changes):
    return [replace(WRITER, id=pk, name=f"writer-{pk}", **changes) for pk in range(2, 2 + count)]


def test_the_only_one_says_so_and_the_best_of_several_too():
    assert chosen.because(choice(WRITER)) == "It was the only one that could take the step."
    slower = agents(1, response_s=5.0)
    assert chosen.because(choice(WRITER, *slower)) == "It scored best of 2 that could take the step."


def test_a_worker_elsewhere_was_not_compared_with_others():
    far = replace(WRITER, kind="remote", holder="remote:1")
    assert chosen.because(choice(far, caller="remote:1")).startswith("Its own worker asked for work")


def test_a_probe_says_what_it_was_for():
    assert chosen.because(choice(WRITER) | {"probe": True}).endswith("by which its open breaker was tried.")


def test_where_nobody_was_chosen_nothing_is_said():
    assert chosen.because(choice()) == ""
    assert chosen.left_out({}) == []


def test_who_was_left_out_is_counted_and_named_with_those_first_who_may_come_back():
    broken = replace(WRITER, id=30, name="poet", circuit="open", probe_at=LATER)
    others = [replace(WRITER, id=40 + n, name=f"singer-{n}", capabilities=frozenset({"sing"})) for n in range(3)]

    found = chosen.left_out(choice(WRITER, broken, *others, *agents(2, status="draining")))

    assert found == [
        LeftOut("is_draining", "draining", 2, (Named("writer-2"), Named("writer-3"))),
        LeftOut("breaker_open", "with an open breaker", 1, (Named("poet", LATER),)),
        LeftOut("lacks_capability", "without the capability", 3),
    ]


def test_of_many_only_the_first_are_named_and_the_rest_counted():
    (busy,) = chosen.left_out(choice(*agents(9), in_use=dict.fromkeys(range(2, 11), 2)))

    assert (busy.words, busy.count, len(busy.agents), busy.unnamed) == ("without a free slot", 9, 5, 4)


@pytest.mark.parametrize("status", ["draining", "offline", "disabled", "starting"])
def test_every_reason_reads_as_words(status):
    assert chosen.crowd(f"is_{status}") == status


@pytest.mark.parametrize("code", ["held_elsewhere", "not_running", "not_the_chosen", "busy"])
def test_every_code_of_the_dispatcher_has_words_of_its_own(code):
    assert chosen.crowd(code) != code
    assert "_" not in chosen.crowd(code)
