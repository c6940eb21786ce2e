"""Plans against every possible plan, and what is said where there is none."""

import math
import random
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents import allocation_plan, allocation_solver
from agents.allocation_problem import Problem
from agents.allocation_solver import Found
from orchestra.kernel.errors import Invalid

SLOW = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
"""For problems with demands, each of which takes a process of its own."""


@st.composite
def problems(draw, *, demands, most=5):
    agents, tasks = draw(st.integers(1, 3)), draw(st.integers(1, most))
    price = st.none() | st.integers(-20, 20) | st.integers(-200, 200).map(lambda tenths: tenths / 10)
    whole = draw(st.booleans())
    table = st.lists(st.lists(st.none() | st.integers(-20, 20) if whole else price, min_size=tasks, max_size=tasks),
                     min_size=agents, max_size=agents)  # fmt: skip
    asked = st.lists(st.lists(st.integers(0, 5), min_size=tasks, max_size=tasks), min_size=agents, max_size=agents)
    return Problem(
        agents=[f"agent {number}" for number in range(agents)],
        capacity=draw(st.lists(st.integers(0, 8 if demands else 3), min_size=agents, max_size=agents)),
        tasks=[f"task {number}" for number in range(tasks)],
        cost=draw(table),
        demand=draw(asked) if demands else None,
        maximize=draw(st.booleans()),
    )


def holds(problem, chosen):
    """Whether ``chosen`` is a plan for all tasks; not the product's own judgement."""
    load = dict.fromkeys(range(len(problem.agents)), 0)
    for task, agent in enumerate(chosen):
        if agent is None or problem.cost[agent][task] is None:
            return False
        load[agent] += 1 if problem.demand is None else problem.demand[agent][task]
    return all(load[agent] <= problem.capacity[agent] for agent in load)


def best_total(problem):
    """The best total of all plans there are, or None if there is none."""
    plans = product(range(len(problem.agents)), repeat=len(problem.tasks))
    totals = [sum(problem.cost[a][t] for t, a in enumerate(plan)) for plan in plans if holds(problem, plan)]
    return (max if problem.maximize else min)(totals, default=None)


def check_against_every_plan(problem):
    plan, best = allocation_plan.solve(problem), best_total(problem)

    if best is None:
        assert (plan.status, plan.objective) == ("infeasible", None)
        assert plan.reasons
        return
    assert plan.status == "optimal"
    assert holds(problem, plan.chosen)
    assert plan.objective == pytest.approx(best, abs=1e-5)
    assert (plan.bound, plan.gap_percent) == (plan.objective, 0)
    if isinstance(best, int):
        assert isinstance(plan.objective, int)


@settings(deadline=None, max_examples=200)
@given(problems(demands=False))
def test_a_plan_where_every_task_takes_one_is_the_best_of_all(problem):
    check_against_every_plan(problem)


@SLOW
@given(problems(demands=True))
def test_a_plan_with_demands_is_the_best_of_all(problem):
    check_against_every_plan(problem)


@settings(deadline=None, max_examples=200)
@given(problems(demands=True) | problems(demands=False))
def test_the_greedy_plan_never_breaks_a_limit_and_says_what_it_leaves_out(problem):
    plan = allocation_plan.greedy(problem)
    placed = Problem(problem.agents, problem.capacity, problem.tasks, problem.cost, problem.demand)
    taken = [task for task, agent in enumerate(plan.chosen) if agent is not None]
    part = Problem(
        placed.agents,
        placed.capacity,
        [placed.tasks[task] for task in taken],
        [[row[task] for task in taken] for row in placed.cost],
        None if placed.demand is None else [[row[task] for task in taken] for row in placed.demand],
    )

    assert holds(part, [plan.chosen[task] for task in taken])
    assert (plan.status == "infeasible") == (None in plan.chosen) == bool(plan.reasons)


@settings(deadline=None, max_examples=200)
@given(problems(demands=True, most=4), st.data())
def test_a_plan_is_judged_without_looking_at_where_it_comes_from(problem, data):
    choice = st.none() | st.integers(0, len(problem.agents) - 1)
    chosen = data.draw(st.lists(choice, min_size=len(problem.tasks), max_size=len(problem.tasks)))

    assert (not allocation_plan.faults_of(problem, chosen)) == holds(problem, chosen)


@pytest.mark.parametrize(("chosen", "status", "gap"), [([1, 0], "optimal", 0), ([0, 1], "feasible", 60)])
def test_a_plan_of_somebody_else_is_told_how_far_it_is_from_the_best(chosen, status, gap):
    plan = allocation_plan.judge(Problem("ab", [1, 1], range(2), [[1, 2], [2, 9]]), chosen)

    assert (plan.status, plan.gap_percent, plan.bound, plan.chosen) == (status, gap, 4, chosen)


def test_a_thousand_tasks_over_a_thousand_agents_are_no_more_expensive_than_any_swap_of_two():
    chance, size = random.Random(4), 1000
    cost = [[chance.randint(1, 10_000) for _ in range(size)] for _ in range(size)]
    plan = allocation_plan.solve(Problem(range(size), [1] * size, range(size), cost))

    assert plan.status == "optimal"
    assert sorted(plan.chosen) == list(range(size))
    assert plan.objective < allocation_plan.greedy(Problem(range(size), [1] * size, range(size), cost)).objective
    for first, second in zip(range(0, size, 2), range(1, size, 2), strict=True):
        one, other = plan.chosen[first], plan.chosen[second]
        assert cost[one][first] + cost[other][second] <= cost[other][first] + cost[one][second]


def test_a_table_too_large_to_repeat_columns_for_is_solved_all_the_same(monkeypatch):
    monkeypatch.setattr(allocation_solver, "MOST_CELLS", 10)
    problem = Problem("ab", [4, 4], range(5), [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]])

    assert allocation_plan.solve(problem).objective == 9


def test_a_task_that_nobody_can_do_is_named():
    plan = allocation_plan.solve(Problem(["ada", "ben"], [1, 1], ["t1", "t2"], [[1, None], [2, None]]))

    assert plan.reasons == ["No agent can do task t2."]


def test_a_task_that_is_too_large_for_everyone_is_named_with_what_is_missing():
    problem = Problem(["ada", "ben"], [5, 9], ["t1", "t2"], [[1, 1], [None, 1]], [[8, 1], [1, 1]])

    told = "Task t1 is too large for every agent that can do it: even ada lacks 3 of capacity for it."
    assert allocation_plan.solve(problem).reasons == [told]


def test_tasks_that_share_too_few_agents_are_named_with_these_and_no_others():
    free = [9, 9, 9, 9, 1]
    cost = [[1, 2, 3, None, None], [2, 1, None, None, None], free]
    problem = Problem(["ada", "ben", "cat"], [1, 1, 5], ["a", "b", "c", "d", "e"], cost)
    assert allocation_plan.solve(problem).status == "optimal"

    cost[2] = [None, None, None, 9, 1]
    told = "The 3 tasks a, b, c have only ada, ben, which together take 2: 1 more of capacity would be needed."
    assert allocation_plan.solve(problem).reasons == [told]


def test_capacity_that_is_missing_for_all_demands_together_is_named_with_the_agents():
    problem = Problem(["ada", "ben"], [5, 5], range(4), [[1] * 4, [1] * 4], [[3] * 4, [3] * 4])
    (reason,) = allocation_plan.solve(problem).reasons

    assert reason.startswith("At least 2 of capacity is missing for all tasks together: ")
    assert "would be used 6 of 5, 1 too much" in reason


def test_whole_costs_make_an_exact_total_and_a_whole_bound():
    chance = random.Random(1)
    cost = [[chance.randint(10, 50) for _ in range(12)] for _ in range(3)]
    demand = [[chance.randint(5, 25) for _ in range(12)] for _ in range(3)]
    plan = allocation_plan.solve(Problem(range(3), [70] * 3, range(12), cost, demand))

    assert (plan.status, plan.gap_percent) == ("optimal", 0)
    assert isinstance(plan.objective, int)


def hard(agents=20, tasks=300):
    """A problem that HiGHS does not finish in a fraction of a second: dear where it is small, as in OR-Library's d."""
    chance = random.Random(2)
    demand = [[chance.randint(1, 100) for _ in range(tasks)] for _ in range(agents)]
    cost = [[111 - entry + chance.randint(-10, 10) for entry in row] for row in demand]
    capacity = [int(0.8 * sum(row) / agents) for row in demand]
    return Problem(range(agents), capacity, range(tasks), cost, demand)


def test_when_time_is_up_the_best_so_far_comes_with_its_distance_from_the_bound():
    problem = hard()
    plan = allocation_plan.solve(problem, limit_s=3)

    assert plan.seconds < 60
    assert plan.status in ("feasible", "time_limit")
    if plan.status == "feasible":
        assert holds(problem, plan.chosen)
        if plan.bound is not None:
            assert plan.gap_percent == pytest.approx(100 * (plan.objective - plan.bound) / plan.objective, abs=1e-3)


def test_a_solver_that_hangs_is_ended_and_the_greedy_plan_stands_in(monkeypatch):
    monkeypatch.setattr(allocation_solver, "GRACE_S", 0.0)
    problem = Problem("ab", [3, 3], range(2), [[1, 2], [2, 1]], [[2, 2], [2, 2]])
    plan = allocation_plan.solve(problem, limit_s=0.001)

    assert (plan.status, plan.chosen, plan.bound) == ("feasible", [0, 1], None)


def test_without_any_plan_in_time_it_says_so(monkeypatch):
    monkeypatch.setattr(allocation_solver, "generalised", lambda *_: None)
    problem = Problem("ab", [3, 3], range(3), [[1, 3, 1], [2, 4, None]], [[2, 2, 3], [3, 3, 3]])
    assert allocation_plan.greedy(problem).status == "infeasible"
    plan = allocation_plan.solve(problem)

    assert (plan.status, plan.objective, plan.gap_percent) == ("time_limit", None, None)
    assert "No plan was found in time" in plan.reasons[0]


@pytest.mark.parametrize("chosen", [[1, 1], [None, 0], [0, 0]])
def test_an_answer_of_the_solver_that_does_not_hold_is_not_believed(monkeypatch, chosen):
    monkeypatch.setattr(allocation_solver, "generalised", lambda *_: Found(chosen, is_optimal=True, bound=0.0))
    problem = Problem("ab", [2, 2], range(2), [[1, 3], [None, 4]], [[2, 2], [2, 2]])

    assert allocation_plan.solve(problem).chosen == [0, 1]


def test_the_gap_is_measured_on_the_whole_bound(monkeypatch):
    monkeypatch.setattr(allocation_solver, "generalised", lambda *_: Found([0, 0], is_optimal=False, bound=3.2))
    problem = Problem("a", [9], range(2), [[2, 3]], [[2, 2]])
    plan = allocation_plan.solve(problem)

    assert (plan.status, plan.objective, plan.bound, plan.gap_percent) == ("feasible", 5, 4.0, 20.0)
    assert math.isclose(plan.bound, 4)


def table(agents, tasks, number):
    return [[number] * tasks for _ in range(agents)]


@pytest.mark.parametrize(("demand", "path", "most"), [(True, "demand", "50,000"), (False, "cost", "200,000")])
def test_what_would_take_too_much_memory_is_refused(demand, path, most):
    agents, tasks = (51, 1000) if demand else (201, 1000)
    demands = table(agents, tasks, 2) if demand else None
    problem = Problem(range(agents), [1000] * agents, range(tasks), table(agents, tasks, 1), demands)
    with pytest.raises(Invalid) as refusal:
        allocation_plan.solve(problem)

    (fault,) = refusal.value.errors
    assert fault["path"] == path
    assert f"at most {most} are possible" in fault["message"]


def test_a_solver_that_wants_more_memory_than_it_may_have_is_ended_and_the_greedy_plan_stands_in(monkeypatch, caplog):
    monkeypatch.setattr(allocation_solver, "ADDRESSES", 1)
    problem = Problem("ab", [3, 3], range(2), [[1, 2], [2, 1]], [[2, 2], [2, 2]])
    plan = allocation_plan.solve(problem)

    assert (plan.status, plan.chosen) == ("feasible", [0, 1])
    assert "The solver broke off" in caplog.text


def test_time_that_is_up_before_the_solver_begins_is_not_given_to_it():
    problem = Problem("ab", [3, 3], range(2), [[1, 2], [2, 1]], [[2, 2], [2, 2]])

    assert allocation_solver.generalised(problem, -1.0) is None  # not even what it would find at once


def test_tasks_beyond_what_many_agents_take_are_named_without_looking_at_each_again_for_each(monkeypatch):
    asked = []
    real = Problem.can
    monkeypatch.setattr(Problem, "can", lambda self, agent, task: asked.append(1) or real(self, agent, task))
    agents, tasks = 20, 60
    cost = [[1 if task % agents == agent else None for task in range(tasks)] for agent in range(agents)]
    plan = allocation_plan.solve(Problem(range(agents), [1] * agents, range(tasks), cost))

    assert plan.status == "infeasible"
    assert len(plan.reasons) == 11
    assert len(asked) <= 2 * agents * tasks
