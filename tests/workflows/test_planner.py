"""The planner: for any graph, any order of outcomes, any moment of a crash, the same end and nothing done twice."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.definition import Definition, StepSpec
from workflows.planner import FAILED, SETTLED, Fail, Finish, Skip, Start, Undecidable, Wait, plan

RESULTS = {Start: "ready", Wait: "waiting", Skip: "skipped", Fail: "failed"}


def decide(condition: str, statuses: object) -> bool:
    """Conditions of these tests are the words they come out as."""
    if condition == "broken":
        raise Undecidable("nobody knows")
    return condition == "true"


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    size = draw(st.integers(1, 8))
    steps = []
    for index in range(size):
        earlier = [f"s{n}" for n in range(index)]
        steps.append(
            StepSpec(
                name=f"s{index}",
                needs=tuple(draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else ()),
                when=draw(st.sampled_from(["", "", "", "true", "false", "broken"])),
                critical=draw(st.booleans()),
                human={} if draw(st.integers(0, 5)) == 0 else None,
            )
        )
    return Definition("flow", tuple(steps))


def drive(
    definition: Definition, outcomes: dict[str, str], order: random.Random
) -> tuple[dict[str, str], str, list[str]]:
    """Run to the end, finishing open steps in a random order and asking the planner needlessly often."""
    statuses: dict[str, str] = {}
    started: list[str] = []
    while True:
        for command in plan(definition, statuses, decide):
            if isinstance(command, Finish):
                return statuses, command.status, started
            statuses[command.step.name] = RESULTS[type(command)]
            started += [command.step.name] if isinstance(command, Start | Wait) else []
            if order.random() < 0.2:
                break  # the process died here: what was applied is kept, the rest is planned again
        open_ = sorted(name for name, status in statuses.items() if status not in SETTLED)
        if open_ and order.random() < 0.7:
            name = order.choice(open_)
            statuses[name] = outcomes[name]


@given(definitions(), st.data(), st.integers(), st.integers())
def test_any_order_and_any_crash_leads_to_the_same_end(
    definition: Definition, data: st.DataObject, one: int, other: int
) -> None:
    outcomes = {
        step.name: data.draw(st.sampled_from(["succeeded", "succeeded", "failed", "dead"])) for step in definition.steps
    }
    critical_fails = any(step.critical and outcomes[step.name] in FAILED for step in definition.steps)
    first = drive(definition, outcomes, random.Random(one))
    second = drive(definition, outcomes, random.Random(other))
    assert first[1] == second[1]
    if not critical_fails and not any(step.critical and step.when == "broken" for step in definition.steps):
        assert first[0] == second[0], "without a failure that ends the run, every step comes out the same"
        assert first[1] == "succeeded"


@given(definitions(), st.data(), st.integers())
def test_no_step_starts_twice_nor_before_what_it_needs(definition: Definition, data: st.DataObject, seed: int) -> None:
    outcomes = {step.name: data.draw(st.sampled_from(["succeeded", "failed"])) for step in definition.steps}
    statuses, _, started = drive(definition, outcomes, random.Random(seed))
    assert len(started) == len(set(started))
    for name in statuses:
        assert all(need in statuses for need in definition.step(name).needs)


@given(definitions(), st.data(), st.integers())
def test_asking_again_gives_nothing_new(definition: Definition, data: st.DataObject, seed: int) -> None:
    outcomes = {step.name: data.draw(st.sampled_from(["succeeded", "failed"])) for step in definition.steps}
    statuses, verdict, _ = drive(definition, outcomes, random.Random(seed))
    assert [command for command in plan(definition, statuses, decide) if not isinstance(command, Finish)] == []
    failed = [step for step in definition.steps if step.critical and statuses.get(step.name) in FAILED]
    assert (verdict == "failed") == bool(failed)


def sequence(*steps: StepSpec) -> Definition:
    return Definition("flow", steps)


def test_a_failed_critical_step_ends_the_run_and_names_itself() -> None:
    definition = sequence(StepSpec("pay", ()), StepSpec("ship", ("pay",)))
    assert plan(definition, {"pay": "failed"}, decide) == [Finish("failed", "The critical step pay failed.")]


def test_a_failed_step_that_is_not_critical_lets_the_run_go_on() -> None:
    thank = StepSpec("thank", ("survey",))
    definition = sequence(StepSpec("survey", (), critical=False), thank)
    assert plan(definition, {"survey": "failed"}, decide) == [Start(thank)]


def test_a_run_does_not_end_while_a_step_still_runs() -> None:
    definition = sequence(StepSpec("pay", ()), StepSpec("print", ()))
    assert plan(definition, {"pay": "failed", "print": "running"}, decide) == []


def test_a_step_whose_condition_does_not_hold_is_skipped_and_the_next_begins() -> None:
    gift, ship = StepSpec("gift", (), when="false"), StepSpec("ship", ("gift",))
    assert plan(sequence(gift, ship), {}, decide) == [Skip(gift), Start(ship)]


@pytest.mark.parametrize("critical", [True, False])
def test_a_condition_that_cannot_be_decided_fails_its_step(critical: bool) -> None:
    step = StepSpec("gift", (), when="broken", critical=critical)
    commands = plan(sequence(step), {}, decide)
    assert commands[0] == Fail(step, "nobody knows")
    assert isinstance(commands[1], Finish) and commands[1].status == ("failed" if critical else "succeeded")


def test_a_human_step_waits() -> None:
    review = StepSpec("review", (), human={"role": "operator"})
    assert plan(sequence(review), {}, decide) == [Wait(review)]
