"""Why steps and runs wait: a test for each code, and one that no open step is without a reason."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agents.snapshot import Fleet
from tests.agents.views import WRITER
from workflows import waiting
from workflows.definition import Branch, HumanSpec, StepSpec
from workflows.models import Run, Step, StepStatus, WaitsFor
from workflows.planner import Fan
from workflows.reasons import Reason
from workflows.shortage import Bounds
from workflows.waiting import Situation

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=70)
SPEC = StepSpec("one", capabilities=("draft",))


def situation(*agents, in_use=None, executors=1, **more):
    return Situation(NOW, Fleet(1, {agent.id: agent for agent in agents}), in_use or {}, executors, **more)


def ready(*needs, **more):
    return Step(status="ready", demand=json.dumps([list(needs), []]), available_at=NOW, **more)


def waits(waits_for, **more):
    return Step(status="waiting", name="one", waits_for=waits_for, **more)


def reason(step, *agents, run=None, spec=SPEC, **more):
    return waiting.of_step(step, run or Run(pk=5), spec, situation(*agents, **more))


def test_a_step_that_was_not_reached_needs_those_before_it_that_have_not_ended():
    statuses = {"a": "succeeded", "b": "running", "c": "skipped"}

    spec = StepSpec("e", needs=("a", "b", "c", "d"))

    assert waiting.of_unreached(spec, statuses) == Reason("needs", "It needs b and d to end first.")


def test_a_step_that_needs_some_of_several_says_how_many():
    spec = StepSpec("e", needs=("a", "b", "c"), join=2)

    found = waiting.of_unreached(spec, {"a": "succeeded"})

    assert found == Reason("needs", "It needs 1 of b and c to succeed first.")


def test_a_step_whose_needs_have_ended_is_about_to_be_decided_on():
    assert waiting.of_unreached(StepSpec("b", needs=("a",)), {"a": "failed"}).code == "next"


@pytest.mark.parametrize("status", ["running", "succeeded", "failed", "skipped", "cancelled", "dead"])
def test_a_step_that_runs_or_has_ended_does_not_wait(status):
    assert reason(Step(status=status), WRITER) is None


def test_a_retry_says_when_it_is_due_and_after_what():
    step = ready("draft", error="The shop is closed.")
    step.available_at = LATER

    assert reason(step, WRITER).code == "retry"
    assert reason(step, WRITER).detail.endswith("12:01:10, after this: The shop is closed.")


def test_a_round_that_is_due_later_says_when():
    step = ready("draft", round=2)
    step.available_at = LATER

    assert reason(step, WRITER) == Reason("repeat", "It is done again at 12:01:10, for the 3. time.")


def test_a_step_of_a_paused_run_says_so_before_anything_else():
    assert reason(ready("draft", held=True), executors=0).code == "paused"


def test_a_call_whose_lease_has_expired_goes_back_in_a_moment():
    held = Step(status="running", lease_expires_at=NOW - timedelta(seconds=1))

    assert reason(held).code == "lease_expired"
    held.lease_expires_at = LATER
    assert reason(held) is None


@pytest.mark.parametrize(
    ("human", "wake_at", "round_", "detail"),
    [
        (HumanSpec(), None, 0, "It waits for a person to decide at inquiry 7."),
        (HumanSpec(role="admin"), None, 0, "It waits for an administrator to decide at inquiry 7."),
        (HumanSpec(), LATER, 0, "It waits for a person to decide at inquiry 7; at 12:01:10 it fails."),
        (
            HumanSpec(on_timeout="escalate"),
            LATER,
            0,
            "It waits for a person to decide at inquiry 7; at 12:01:10 an administrator must.",
        ),
        (HumanSpec(on_timeout="escalate"), None, 1, "It waits for an administrator to decide at inquiry 7."),
    ],
)
def test_a_human_step_waits_for_a_person_and_says_until_when(human, wake_at, round_, detail):
    step = waits(WaitsFor.PERSON, wake_at=wake_at, round=round_)
    run = Run(pk=5, serves_kind="inquiry", serves_id="7")

    found = reason(step, run=run, spec=StepSpec("one", human=human))

    assert (found.code, found.detail) == ("person", detail)


def test_a_failure_that_was_handed_over_waits_for_a_person_too():
    assert reason(waits(WaitsFor.PERSON)) == Reason("person", "It waits for a person to decide.", "/runs/5/?step=one")


def test_a_timer_says_until_when():
    found = reason(waits(WaitsFor.TIMER, wake_at=LATER), spec=StepSpec("one", wait_s=70))

    assert (found.code, found.detail) == ("timer", "It waits until 12:01:10, then it goes on by itself.")


def test_a_signal_is_named_with_since_and_until_when():
    step = waits(WaitsFor.SIGNAL, started_at=NOW, wake_at=LATER)

    found = reason(step, spec=StepSpec("one", signal="paid"))

    assert found == Reason(
        "signal",
        "It waits since 12:00:00 for the signal paid; without it, it fails at 12:01:10.",
        "/runs/5/?step=one",
    )


def test_the_first_of_several_events_names_them_all():
    spec = StepSpec("one", first_of=(Branch("paid", "paid"), Branch("wait", wait_s=70)))

    found = reason(waits(WaitsFor.FIRST, wake_at=LATER), spec=spec)

    assert (found.code, found.detail) == (
        "first_of",
        "It waits for the signal paid or 12:01:10, whichever comes first.",
    )


@pytest.mark.parametrize(
    ("wake_at", "children", "code", "detail"),
    [
        (NOW, {}, "child", "A run of other is about to begin for it."),
        (LATER, {}, "repeat", "Its run begins again at 12:01:10."),
        (None, {}, "child", "It waits for its run of other."),
        (None, {3: Run(pk=9, status="paused")}, "child", "It waits for its run #9 of other, which is paused."),
    ],
)
def test_a_step_that_is_a_workflow_waits_for_its_run(wake_at, children, code, detail):
    step = waits(WaitsFor.CHILD, pk=3, wake_at=wake_at)

    found = reason(step, spec=StepSpec("one", workflow="other"), children=children)

    assert (found.code, found.detail) == (code, detail)
    assert found.link == ("/runs/9/" if children else "")


def test_a_fan_out_counts_its_items():
    fan = Fan(12, {"succeeded": 2, "failed": 1, "running": 3, "ready": 4})
    step = waits(WaitsFor.ITEMS, run_id=5, total=12)

    found = reason(step, spec=StepSpec("one", for_each="lines"), fans={(5, "one"): fan})

    assert (found.code, found.detail) == (
        "items",
        "3 of its 12 items have ended, 1 of them badly, 4 ready, 3 running.",
    )


def test_an_agent_that_answers_later_is_named():
    found = reason(waits(WaitsFor.AGENT, agent_id=WRITER.id), WRITER)

    assert found == Reason("agent", "It waits for the answer of writer, which took it on.", "/agents/1/")


def test_a_step_that_is_being_undone_names_what_undoes_it():
    found = reason(Step(status="compensating", name="one"))

    assert (found.code, found.link) == ("compensating", "/runs/5/?step=one.compensate")


OPEN = [
    Step(status="ready", name="one", available_at=NOW),
    Step(status="compensating", name="one"),
    *(waits(waits_for, pk=1, run_id=5) for waits_for in WaitsFor.values),
]
KINDS = [
    SPEC,
    StepSpec("one", human=HumanSpec()),
    StepSpec("one", wait_s=5),
    StepSpec("one", signal="paid"),
    StepSpec("one", workflow="other"),
    StepSpec("one", first_of=(Branch("paid", "paid"), Branch("late", "late"))),
    StepSpec("one", for_each="lines", capabilities=("draft",)),
]


@pytest.mark.parametrize("step", OPEN, ids=lambda step: f"{step.status} {step.waits_for}".strip())
@pytest.mark.parametrize("spec", KINDS, ids=lambda spec: "fan_out" if spec.for_each else spec.kind)
def test_no_open_step_of_any_kind_is_without_a_reason(step, spec):
    found = reason(step, spec=spec)

    assert found is not None
    assert found.code
    assert found.detail.endswith(".")


def test_every_status_is_open_or_has_ended():
    ended = {"succeeded", "failed", "skipped", "cancelled", "compensated", "dead"}

    assert {step.status for step in OPEN} | ended | {"running", "pending"} == set(StepStatus.values)


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


def of_run(run, reasons, paused="", **more):
    return waiting.of_run(run, reasons, situation(**more), paused)


PERSON = Reason("person", "It waits for a person to decide.", "/desk/")


def test_a_run_waits_for_the_reason_of_its_first_open_step():
    assert of_run(Run(status="waiting"), {"review": PERSON}) == Reason(
        "person", "review: It waits for a person to decide.", "/desk/"
    )


@pytest.mark.parametrize(
    ("status", "reasons"),
    [
        ("running", {"draft": None, "review": PERSON}),
        ("succeeded", {}),
        ("failed", {"review": PERSON}),
    ],
)
def test_a_run_of_which_something_moves_or_that_has_ended_does_not_wait(status, reasons):
    assert of_run(Run(status=status), reasons) is None


def test_a_run_of_which_an_item_moves_does_not_wait():
    items = {"pick": Reason("items", "0 of its 2 items have ended.")}
    run = Run(pk=5, status="running")

    assert of_run(run, items, fans={(5, "pick"): Fan(2, {"running": 1})}) is None
    assert of_run(run, items, fans={(5, "pick"): Fan(2, {"ready": 2})}).code == "items"


def test_a_paused_run_says_by_whom_and_why():
    assert of_run(Run(status="paused"), {"a": None}, "Olga paused it: strike.") == Reason(
        "paused", "Olga paused it: strike."
    )
    assert of_run(Run(status="paused"), {}).code == "paused"


def test_a_run_that_is_to_begin_later_says_when():
    assert of_run(Run(status="queued", start_at=LATER), {}) == Reason("starts_at", "It begins at 12:01:10.")


def test_a_run_that_is_being_undone_says_what_undoes_it_and_what_keeps_that():
    busy = Reason("busy", "refunds is busy: all 2 slots are in use.", "/agents/1/")

    assert of_run(Run(status="compensating"), {"pay.compensate": busy}) == Reason(
        "compensating",
        "What had succeeded is undone, now by pay.compensate. refunds is busy: all 2 slots are in use.",
        "/agents/1/",
    )
    assert of_run(Run(status="compensating"), {}).code == "compensating"


def test_an_open_run_without_open_steps_is_decided_on_in_a_moment():
    assert of_run(Run(status="running"), {}).code == "next"


FAR = replace(WRITER, kind="remote", holder="remote:1:1:a")


def test_what_a_worker_elsewhere_can_do_waits_for_its_next_claim_and_for_no_executor():
    found = reason(ready("draft"), FAR, executors=0)

    assert (found.code, found.link) == ("queued", "/agents/1/")
    assert found.detail == "writer could take it; its worker will, with the next claim."


def test_what_runs_as_a_process_waits_for_the_executor_that_has_it():
    held = replace(WRITER, kind="process", holder="executor:a:1:1")

    assert reason(ready("draft"), held).detail == "writer could take it; the executor that runs its process will."


@pytest.mark.parametrize(
    ("changes", "code", "detail"),
    [
        (
            {"status": "offline", "holder": "nobody", "silent_since": NOW - timedelta(minutes=5)},
            "worker_offline",
            "The worker of writer is offline since 11:55:00; start one, or wait until it is back.",
        ),
        (
            {"status": "offline", "holder": "nobody"},
            "worker_offline",
            "No worker runs as writer; start one, or wait until it is back.",
        ),
        (
            {"kind": "process", "status": "online", "holder": "nobody"},
            "not_running",
            "The process of writer is not running; an executor starts it, unless it has just failed.",
        ),
        (
            {"kind": "process", "status": "starting", "holder": "nobody"},
            "starting",
            "writer is starting; it can take steps as soon as it runs.",
        ),
    ],
)
def test_an_agent_with_a_process_of_its_own_says_where_that_is(changes, code, detail):
    assert reason(ready("draft"), replace(FAR, **changes)) == Reason(code, detail, "/agents/1/")


@pytest.mark.parametrize(("most", "room"), [(5, "may grow to 5"), (2, "may not grow further")])
def test_a_full_pool_is_named_with_its_room_and_linked(most, room):
    members = [replace(WRITER, id=pk, name=f"writer-{pk}", pool=3) for pk in (1, 2)]
    pools = {3: Bounds("writers", 2, most)}

    found = reason(ready("draft"), *members, in_use={1: 2, 2: 2}, pools=pools)

    assert found.code == "pool_full"
    assert found.detail == f"The pool writers is full: all 4 slots of its 2 members are in use; it {room}."
    assert found.link == "/pools/3/"


def test_an_open_breaker_beside_others_that_fit_is_named_after_them():
    """The step does not wait for the breaker, but it explains why the others have so much to do."""
    broken = replace(WRITER, id=2, name="poet", circuit="open", probe_at=LATER)

    found = reason(ready("draft"), WRITER, broken, in_use={1: 2})

    assert found.code == "busy"
    assert found.detail == "writer is busy: all 2 slots are in use. poet has an open breaker."


def test_an_answer_that_is_to_come_later_has_a_time_limit():
    found = reason(waits("agent", agent_id=1, wake_at=LATER), WRITER)

    who = "It waits for the answer of writer, which took it on"
    assert found.detail == f"{who}; without it, that try fails at 12:01:10."
