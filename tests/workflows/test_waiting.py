import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agents.snapshot import Fleet
from tests.agents.views import WRITER
from workflows import waiting
from workflows.models import Run, Step
from workflows.waiting import Reason, Situation

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=70)


def situation(*agents, in_use=None, executors=1):
    return Situation(NOW, Fleet(1, {agent.id: agent for agent in agents}), in_use or {}, executors)


def ready(*needs, **more):
    return Step(status="ready", demand=json.dumps([list(needs), []]), available_at=NOW, **more)


def reason(step, *agents, run=None, **more):
    return waiting.of_step(step, run or Run(), situation(*agents, **more))


def test_a_step_that_was_not_reached_needs_those_before_it_that_have_not_ended():
    statuses = {"a": "succeeded", "b": "running", "c": "skipped"}

    assert waiting.of_unreached(["a", "b", "c", "d"], statuses) == Reason("needs", "It needs b and d to end first.")


def test_a_step_whose_needs_have_ended_is_about_to_be_decided_on():
    assert waiting.of_unreached(["a"], {"a": "failed"}).code == "next"


@pytest.mark.parametrize("status", ["running", "succeeded", "failed", "skipped", "cancelled", "dead"])
def test_a_step_that_runs_or_has_ended_does_not_wait(status):
    assert reason(Step(status=status), WRITER) is None


def test_a_retry_says_when_it_is_due_and_after_what():
    step = ready("draft", error="The shop is closed.")
    step.available_at = LATER

    assert reason(step, WRITER).code == "retry"
    assert reason(step, WRITER).detail.endswith("12:01:10, after this: The shop is closed.")


def test_a_human_step_waits_for_a_person_at_what_its_run_serves():
    found = reason(Step(status="waiting"), run=Run(serves_kind="inquiry", serves_id="7"))

    assert (found.code, found.detail) == ("person", "It waits for a person to decide at inquiry 7.")


def test_without_executors_nothing_is_taken_whoever_is_free():
    assert reason(ready("draft"), WRITER, executors=0).code == "no_executor"


def test_a_free_agent_means_that_its_turn_comes():
    assert reason(ready("draft"), WRITER) == Reason(
        "queued", "writer could take it; an executor will, when its turn comes."
    )


def test_busy_agents_are_named_with_their_slots_and_linked():
    second = replace(WRITER, id=2, name="poet")
    busy = {1: 2, 2: 2}

    assert reason(ready("draft"), WRITER, in_use=busy) == Reason(
        "busy", "writer is busy: all 2 slots are in use.", "/agents/1/"
    )
    assert reason(ready("draft"), WRITER, second, in_use=busy) == Reason(
        "busy", "writer and poet are busy: all 4 slots are in use.", "/agents/?capability=draft"
    )


def test_an_open_breaker_says_until_when():
    resting = replace(WRITER, circuit="open", probe_at=LATER)

    assert reason(ready("draft"), resting) == Reason(
        "breaker_open", "writer has an open breaker; one call may try again at 12:01:10.", "/agents/1/"
    )


def test_agents_that_take_no_calls_are_named_with_their_status():
    drained = replace(WRITER, status="draining")
    disabled = replace(WRITER, id=2, name="poet", status="disabled")

    assert reason(ready("draft"), drained, disabled).detail == "writer is draining and poet is disabled; enable one."


def test_a_capability_that_nobody_has_is_named():
    assert reason(ready("draft", "law"), WRITER) == Reason(
        "no_capability", "No agent can do law; add one that can.", "/agents/"
    )


def test_capabilities_that_no_single_agent_has_together_are_named():
    lawyer = replace(WRITER, id=2, name="lawyer", capabilities=frozenset({"law"}))

    assert reason(ready("draft", "law"), WRITER, lawyer).detail == (
        "No single agent can do draft and law together; give one of them the others."
    )


@pytest.mark.parametrize(
    ("second", "code"),
    [
        ({"status": "disabled"}, "busy"),
        ({"circuit": "open", "probe_at": LATER}, "busy"),
        ({}, "queued"),
    ],
)
def test_of_several_obstacles_the_one_that_ends_first_is_told(second, code):
    other = replace(WRITER, id=2, name="poet", **second)

    assert reason(ready("draft"), WRITER, other, in_use={1: 2}).code == code


def test_many_names_are_cut_short():
    crowd = [replace(WRITER, id=number, name=f"w{number}") for number in range(1, 8)]

    assert reason(ready("draft"), *crowd, in_use=dict.fromkeys(range(1, 8), 2)).detail.startswith(
        "w1, w2, w3 and 4 more are busy"
    )


def test_a_run_waits_for_the_reason_of_its_first_open_step():
    person = Reason("person", "It waits for a person to decide.", "/desk/")

    assert waiting.of_run(Run(status="waiting"), {"review": person}) == Reason(
        "person", "review: It waits for a person to decide.", "/desk/"
    )


@pytest.mark.parametrize(
    ("status", "reasons"),
    [
        ("running", {"draft": None, "review": Reason("person", "…")}),
        ("succeeded", {}),
        ("failed", {"review": Reason("person", "…")}),
    ],
)
def test_a_run_of_which_something_moves_or_that_has_ended_does_not_wait(status, reasons):
    assert waiting.of_run(Run(status=status), reasons) is None
