from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import allocation
from agents.allocation import Assigned, Scores, Slots

Problem = tuple[list[Scores], dict[int, Slots]]
Plan = Sequence[int | None]


@st.composite
def problems(draw: st.DrawFn, *, most: int) -> Problem:
    """Up to ``most`` tasks over up to 4 agents; some tasks alike, some that nobody can do, some agents full."""
    agents = range(draw(st.integers(1, 4)))
    scores = st.dictionaries(st.sampled_from(agents), st.integers(0, 100).map(lambda hundredths: hundredths / 100))
    kinds = draw(st.lists(scores, min_size=1, max_size=4))
    tasks = draw(st.lists(st.sampled_from(kinds), max_size=most))
    costs = st.sampled_from([0.0, 0.05, 0.1])
    return tasks, {agent: Slots(draw(st.integers(0, 3)), draw(costs)) for agent in agents}


def plan_of(tasks: Sequence[Scores], slots: Mapping[int, Slots]) -> Plan:
    return [assigned.agent if assigned else None for assigned in allocation.assign(tasks, slots)]


def is_feasible(plan: Plan, tasks: Sequence[Scores], slots: Mapping[int, Slots]) -> bool:
    able = all(agent is None or agent in task for agent, task in zip(plan, tasks, strict=True))
    return able and all(plan.count(agent) <= slot.free for agent, slot in slots.items())


def worth(plan: Plan, tasks: Sequence[Scores], slots: Mapping[int, Slots]) -> tuple[list[bool], float]:
    """What a plan is worth: first that earlier tasks are served, then the total score. Compared in this order."""
    total = sum(task[agent] for agent, task in zip(plan, tasks, strict=True) if agent is not None)
    total -= sum(slot.slot_cost * sum(range(plan.count(agent))) for agent, slot in slots.items())
    return [agent is not None for agent in plan], round(total, 6)


def served_and_total(plan: Plan, tasks: Sequence[Scores], slots: Mapping[int, Slots]) -> tuple[int, float]:
    """A plan is better if it serves more, or as many with a greater total."""
    served, total = worth(plan, tasks, slots)
    return sum(served), total


def greedy(tasks: Sequence[Scores], slots: Mapping[int, Slots]) -> Plan:
    """Each task in turn takes the best agent that is still free: what a simple dispatcher does."""
    plan: list[int | None] = []
    for task in tasks:
        free = [agent for agent in task if plan.count(agent) < slots[agent].free]
        plan.append(max(free, key=lambda a: task[a] - slots[a].slot_cost * plan.count(a), default=None))
    return plan


def every_plan(tasks: Sequence[Scores], slots: Mapping[int, Slots]) -> Iterator[Plan]:
    for plan in product([None, *slots], repeat=len(tasks)):
        if is_feasible(plan, tasks, slots):
            yield plan


@settings(deadline=None)
@given(problems(most=12))
def test_no_agent_gets_more_than_it_has_slots_nor_what_it_cannot_do(problem):
    tasks, slots = problem

    assert is_feasible(plan_of(tasks, slots), tasks, slots)


@settings(deadline=None)
@given(problems(most=12))
def test_it_is_never_worse_than_taking_the_best_free_agent_in_turn(problem):
    tasks, slots = problem

    assert served_and_total(plan_of(tasks, slots), tasks, slots) >= served_and_total(greedy(tasks, slots), tasks, slots)


@settings(deadline=None)
@given(problems(most=12))
def test_a_task_goes_without_only_if_tasks_before_it_hold_all_that_it_could_use(problem):
    tasks, slots = problem
    plan = plan_of(tasks, slots)

    for index, task in enumerate(tasks):
        if plan[index] is None:
            assert all(plan[:index].count(agent) == slots[agent].free for agent in task)


@settings(deadline=None)
@given(problems(most=5))
def test_it_serves_as_many_as_possible_and_no_plan_for_the_first_of_them_has_a_greater_total(problem):
    tasks, slots = problem
    plans = list(every_plan(tasks, slots))
    plan = plan_of(tasks, slots)

    first = max(plans, key=lambda plan: worth(plan, tasks, slots))
    assert plan.count(None) == min(plan.count(None) for plan in plans)
    assert worth(plan, tasks, slots)[1] >= worth(first, tasks, slots)[1]


@settings(deadline=None)
@given(problems(most=5))
def test_it_finds_the_best_of_all_plans_where_all_tasks_can_be_served(problem):
    tasks, slots = problem
    plan = plan_of(tasks, slots)

    if None not in plan:
        best = max(worth(plan, tasks, slots) for plan in every_plan(tasks, slots))
        assert worth(plan, tasks, slots) == best


def test_serving_the_earlier_never_costs_more_than_it_is_worth():
    """To keep slot 2 for the second task would cost the first one nearly all; the second is served when it is first."""
    tasks = [{1: 0.1, 2: 0.9}, {2: 0.9}, {1: 0.9}]

    assert plan_of(tasks, {1: Slots(1), 2: Slots(1)}) == [2, None, 1]
    assert plan_of(tasks[1:], {1: Slots(1), 2: Slots(1)}) == [2, 1]


def test_rounds_are_never_worse_than_greed(monkeypatch):
    """The first round takes what is best for it, though the second could use it better."""
    monkeypatch.setattr(allocation, "ROUND", 2)
    chance = Random(6)
    for _ in range(200):
        tasks = [{agent: chance.random() for agent in range(5) if chance.random() < 0.7} for _ in range(9)]
        slots = {agent: Slots(2, 0.05) for agent in range(5)}
        mine, theirs = (served_and_total(plan(tasks, slots), tasks, slots) for plan in (plan_of, greedy))
        assert mine >= theirs


def test_the_best_agent_is_kept_for_the_task_that_only_it_can_do():
    anyone, specialist = {1: 0.9, 2: 0.8}, {1: 0.7}

    assert allocation.assign([anyone, specialist], {1: Slots(1), 2: Slots(1)}) == [
        Assigned(2, is_best=False),
        Assigned(1, is_best=True),
    ]


def test_an_earlier_task_gets_the_last_slot_though_a_later_one_would_score_more():
    assert plan_of([{1: 0.2}, {1: 0.9, 2: 0.1}], {1: Slots(1), 2: Slots(0)}) == [1, None]


def test_tasks_that_nobody_can_do_take_no_slot_from_others():
    assert plan_of([{}, {}, {1: 0.5}], {1: Slots(1)}) == [None, None, 1]


def test_equal_agents_share_equal_work():
    task = {1: 0.8, 2: 0.8}

    plan = plan_of([task] * 4, {1: Slots(4, 0.1), 2: Slots(4, 0.1)})

    assert sorted(plan) == [1, 1, 2, 2]


@pytest.mark.parametrize("tasks", [[], [{}]])
def test_nothing_to_assign_is_no_error(tasks):
    assert plan_of(tasks, {1: Slots(1)}) == [None] * len(tasks)
