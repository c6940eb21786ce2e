"""The planner: for any graph, any order of outcomes, any moment of a crash, the same end and nothing done twice."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workflows.simulator import AGAIN, Script, Simulation, decide, is_due, undo_all
from workflows.definition import CompensateSpec, Definition, HumanSpec, StepSpec, step_of
from workflows.planner import (
    CHUNK,
    FAILED,
    SETTLED,
    End,
    Fail,
    Fan,
    Finish,
    Join,
    Skip,
    Start,
    StartItems,
    Undo,
    Wait,
    Withdraw,
    WithdrawItems,
    plan,
    plan_undoing,
)

thoroughly = settings(deadline=None, max_examples=150, derandomize=True)
UNDO = CompensateSpec(("undo",))


@st.composite
def steps(draw: st.DrawFn, index: int, *, races: bool) -> StepSpec:
    earlier = [f"s{n}" for n in range(index)]
    needs = tuple(draw(st.lists(st.sampled_from(earlier), unique=True))) if earlier else ()
    kind = draw(st.sampled_from(["agent", "agent", "agent", "human", "fan", "end" if races else "agent"]))
    return StepSpec(
        name=f"s{index}",
        needs=needs,
        when=draw(st.sampled_from(["", "", "", "true", "false", "broken"])),
        critical=draw(st.booleans()),
        on_failure=draw(st.sampled_from(["fail", "fail", "skip"])),
        human=HumanSpec() if kind == "human" else None,
        for_each="lines" if kind == "fan" else "",
        max_parallel=draw(st.integers(1, 3)),
        end=draw(st.sampled_from(["succeeded", "failed", "cancelled"])) if kind == "end" else "",
        join=draw(st.integers(1, len(needs))) if needs and draw(st.booleans()) else 0,
        cancels=tuple(draw(st.lists(st.sampled_from(earlier), max_size=2, unique=True))) if races and earlier else (),
        compensate=UNDO if draw(st.booleans()) else None,
    )


@st.composite
def definitions(draw: st.DrawFn, *, races: bool = True) -> Definition:
    """Any graph of any kinds; without ``races`` none of those in which it matters what happens first."""
    return Definition("flow", tuple(draw(steps(index, races=races)) for index in range(draw(st.integers(1, 8)))))


OUTCOMES = st.lists(st.sampled_from([AGAIN, "succeeded", "succeeded", "succeeded", "failed", "dead"]), max_size=3)


@st.composite
def scripts(draw: st.DrawFn, definition: Definition) -> Script:
    totals = {step.name: draw(st.integers(0, 5)) for step in definition.steps if step.for_each}
    tasks = [step.name for step in definition.steps]
    tasks += [f"{name}[{index}]" for name, total in totals.items() for index in range(total)]
    return Script({task: [*draw(OUTCOMES), draw(st.sampled_from(["succeeded", "failed"]))] for task in tasks}, totals)


@given(st.data(), st.integers(), st.integers())
@thoroughly
def test_any_order_and_any_crash_leads_to_the_same_end(data: st.DataObject, one: int, other: int) -> None:
    definition = data.draw(definitions(races=False))
    script = data.draw(scripts(definition))
    first = Simulation(definition, script, random.Random(one))
    second = Simulation(definition, script, random.Random(other), crashes=0)
    assert first.run() == second.run()
    if first.verdict == "succeeded":
        assert (first.states, first.items) == (second.states, second.items)
        assert sorted(first.succeeded) == sorted(second.succeeded)


@given(st.data(), st.integers())
@thoroughly
def test_every_run_ends_and_nothing_of_it_is_left_open(data: st.DataObject, seed: int) -> None:
    definition = data.draw(definitions())
    run = Simulation(definition, data.draw(scripts(definition)), random.Random(seed))
    run.run()
    assert run.open() == []


@given(st.data(), st.integers())
@thoroughly
def test_a_run_fails_exactly_when_a_critical_step_or_its_end_says_so(data: st.DataObject, seed: int) -> None:
    definition = data.draw(definitions())
    run = Simulation(definition, data.draw(scripts(definition)), random.Random(seed))
    verdict = run.run()
    failed = {"failed" for step in definition.steps if step.critical and run.states.get(step.name) in FAILED}
    ends = {step.end for step in definition.steps if step.end and run.states.get(step.name) == "succeeded"}
    assert verdict in (failed | ends or {"succeeded"})


@given(st.data(), st.integers())
@thoroughly
def test_no_task_starts_twice_nor_succeeds_twice_nor_before_what_it_needs(data: st.DataObject, seed: int) -> None:
    definition = data.draw(definitions())
    run = Simulation(definition, data.draw(scripts(definition)), random.Random(seed))
    run.run()  # which asserts the first two
    for task, states in run.seen.items():
        step = definition.step(task)
        assert is_due(step, states)
        assert task == step.name or states[step.name] == "waiting", "items begin while their step fans out"


@given(st.data(), st.integers())
@thoroughly
def test_no_more_items_are_open_than_may_be(data: st.DataObject, seed: int) -> None:
    definition = data.draw(definitions())
    run = Simulation(definition, data.draw(scripts(definition)), random.Random(seed))
    while not run.verdict:
        run.ask()
        for name, fan in run.fans().items():
            assert fan.open <= definition.by_name[name].max_parallel
            assert fan.begun <= fan.total
        run.move_one()


@given(st.data(), st.integers())
@thoroughly
def test_asked_until_nothing_follows_it_stays_at_that(data: st.DataObject, seed: int) -> None:
    definition = data.draw(definitions())
    run = Simulation(definition, data.draw(scripts(definition)), random.Random(seed), crashes=0)
    while not run.verdict:
        while not run.verdict and run.ask():
            pass
        before = dict(run.states)
        assert run.verdict or (run.ask() == [] and run.states == before)
        run.move_one()
    assert all(isinstance(each, Finish | Withdraw) for each in plan(definition, run.states, decide, run.fans()))


@given(st.data(), st.integers())
@thoroughly
def test_what_had_succeeded_is_undone_once_each_the_last_first(data: st.DataObject, seed: int) -> None:
    definition = data.draw(definitions())
    chance = random.Random(seed)
    run = Simulation(definition, data.draw(scripts(definition)), chance)
    run.run()
    undoable = {step.name for step in definition.steps if step.compensate}
    done = [task for task in run.succeeded if step_of(task) in undoable and task not in run.items]
    broken = set(data.draw(st.lists(st.sampled_from(done), unique=True))) if done else set()
    undone, statuses, end = undo_all(done, broken, chance)
    assert undone == done[::-1]
    assert {task for task, status in statuses.items() if status == "dead"} == broken
    assert all(status == "compensated" for task, status in statuses.items() if task not in broken)
    assert end == "failed"


def sequence(*steps: StepSpec) -> Definition:
    return Definition("flow", steps)


def test_a_failed_critical_step_ends_the_run_and_names_itself() -> None:
    definition = sequence(StepSpec("pay"), StepSpec("ship", ("pay",)))
    assert plan(definition, {"pay": "failed"}, decide) == [Finish("failed", "The critical step pay failed.")]


def test_a_failed_step_that_is_not_critical_lets_the_run_go_on() -> None:
    thank = StepSpec("thank", ("survey",))
    definition = sequence(StepSpec("survey", critical=False), thank)
    assert plan(definition, {"survey": "failed"}, decide) == [Start(thank)]


def test_a_run_does_not_end_while_a_step_still_runs() -> None:
    definition = sequence(StepSpec("pay"), StepSpec("print"))
    assert plan(definition, {"pay": "failed", "print": "running"}, decide) == []


def test_what_is_not_in_flight_is_withdrawn_when_a_run_fails() -> None:
    definition = sequence(StepSpec("pay"), StepSpec("print"), StepSpec("ask", human=HumanSpec()))
    (withdraw,) = plan(definition, {"pay": "failed", "print": "running", "ask": "waiting"}, decide)
    assert withdraw == Withdraw(("ask",), "The critical step pay failed.", running=False)


def test_a_step_whose_condition_does_not_hold_is_skipped_and_the_next_begins() -> None:
    gift, ship = StepSpec("gift", when="false"), StepSpec("ship", ("gift",))
    assert plan(sequence(gift, ship), {}, decide) == [Skip(gift), Start(ship)]


def test_nothing_follows_a_condition_that_cannot_be_decided_before_it_is_known_what_that_comes_to() -> None:
    gift, ship = StepSpec("gift", when="broken", on_failure="skip"), StepSpec("ship", ("gift",))
    definition = sequence(gift, ship)
    assert plan(definition, {}, decide) == [Fail(gift, "nobody knows")]
    assert plan(definition, {"gift": "skipped"}, decide) == [Start(ship)]
    assert plan(definition, {"gift": "failed"}, decide) == [Finish("failed", "The critical step gift failed.")]


def test_nothing_follows_a_fan_out_before_it_is_known_what_its_items_come_to_together() -> None:
    pick, pack = StepSpec("pick", for_each="lines"), StepSpec("pack", ("pick",))
    commands = plan(sequence(pick, pack), {"pick": "waiting"}, decide, {"pick": Fan(2, {"succeeded": 2})})
    assert commands == [Join(pick, "succeeded")]


def test_a_human_step_waits() -> None:
    review = StepSpec("review", human=HumanSpec())
    assert plan(sequence(review), {}, decide) == [Wait(review)]


@pytest.mark.parametrize("total", [0, 3, CHUNK * 2])
def test_a_fan_out_begins_as_many_items_as_it_may(total: int) -> None:
    pick = StepSpec("pick", for_each="lines", max_parallel=10_000)
    definition = sequence(pick)
    commands = plan(definition, {"pick": "waiting"}, decide, {"pick": Fan(total)})
    assert commands == ([StartItems(pick, 0, min(total, CHUNK))] if total else [Join(pick, "succeeded")])


def test_a_failed_item_lets_no_other_begin_and_the_step_fails_when_those_begun_have_ended() -> None:
    pick = StepSpec("pick", for_each="lines", max_parallel=2)
    definition = sequence(pick)
    fan = Fan(9, {"failed": 1, "running": 1})
    assert plan(definition, {"pick": "waiting"}, decide, {"pick": fan}) == []
    fan.move("running", "succeeded")
    assert plan(definition, {"pick": "waiting"}, decide, {"pick": fan}) == [
        Join(pick, "failed", "1 of its 9 items failed.")
    ]


def test_an_item_of_a_withdrawn_step_that_is_to_be_tried_again_is_withdrawn_too() -> None:
    definition = sequence(StepSpec("pay"), StepSpec("pick", for_each="lines"))
    states, fan = {"pay": "failed", "pick": "cancelled"}, Fan(3, {"running": 1})
    assert plan(definition, states, decide, {"pick": fan}) == []
    fan.move("running", "ready")
    withdraw, finish = plan(definition, states, decide, {"pick": fan})
    assert withdraw == Withdraw(("pick",), "The critical step pay failed.", running=False)
    assert isinstance(finish, Finish)


def test_a_step_fails_once_too_few_of_its_needs_can_succeed() -> None:
    ship = StepSpec("ship", ("one", "other"), join=1)
    definition = sequence(StepSpec("one", critical=False), StepSpec("other", critical=False), ship)
    assert plan(definition, {"one": "failed", "other": "running"}, decide) == []
    assert plan(definition, {"one": "failed", "other": "succeeded"}, decide) == [Start(ship)]
    assert plan(definition, {"one": "failed", "other": "failed"}, decide) == [
        Fail(ship, "0 of the steps that it needs succeeded, and 1 must.")
    ]


def test_a_step_that_succeeded_withdraws_others_even_those_not_reached() -> None:
    first = StepSpec("first", cancels=("other", "later"))
    definition = sequence(first, StepSpec("other"), StepSpec("later", ("other",)))
    withdraw, finish = plan(definition, {"first": "succeeded", "other": "running"}, decide)
    assert isinstance(withdraw, Withdraw) and (withdraw.steps, withdraw.running) == (("other", "later"), True)
    assert finish == Finish("succeeded")


def test_a_step_that_ends_the_run_ends_it_at_once() -> None:
    stop = StepSpec("stop", end="failed")
    end, withdraw, finish = plan(sequence(StepSpec("work"), stop), {"work": "running"}, decide)
    assert (end, withdraw) == (End(stop), Withdraw(("work",), "The step stop ended it.", running=True))
    assert finish == Finish("failed", "The step stop ended it.")


def test_one_task_is_undone_at_a_time() -> None:
    assert plan_undoing([("a", "succeeded"), ("b", "succeeded")], "failed") == [Undo("b")]
    assert plan_undoing([("a", "succeeded"), ("b", "compensating")], "failed") == []


def test_one_that_cannot_be_undone_stops_no_other() -> None:
    assert plan_undoing([("a", "succeeded"), ("b", "dead")], "cancelled") == [Undo("a")]
    assert plan_undoing([("a", "compensated"), ("b", "dead")], "cancelled") == [Finish("cancelled")]


def test_every_status_that_settles_a_step_ends_it_for_the_planner() -> None:
    definition = sequence(StepSpec("one", critical=False), StepSpec("two", ("one",)))
    for status in SETTLED:
        assert plan(definition, {"one": status}, decide) == [Start(definition.steps[1])]


def test_a_failed_item_withdraws_those_that_are_ready_if_the_fan_out_is_critical() -> None:
    for critical, counts, is_withdrawn in (
        (True, {"failed": 1, "ready": 2, "running": 1}, True),
        (False, {"failed": 1, "ready": 2, "running": 1}, False),
        (True, {"failed": 1, "running": 1}, False),
        (True, {"dead": 1, "ready": 2}, False),  # it may be tried again
    ):
        pick = StepSpec("pick", for_each="lines", critical=critical)
        total = sum(counts.values())
        commands = plan(Definition("flow", (pick,)), {"pick": "waiting"}, decide, {"pick": Fan(total, dict(counts))})
        assert [isinstance(each, WithdrawItems) for each in commands] == [True] * is_withdrawn
