"""Plans: which agent does which task, how good that is and how good it could be at best, or why there is none. Pure.

``solve`` finds the best plan, ``greedy`` what taking the best free agent for one task after the other comes to;
``faults_of`` judges a plan without looking at where it comes from, and no plan leaves here that it finds fault with.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents import allocation_shortfall, allocation_solver
from agents.allocation_problem import Id, Number, Problem
from agents.allocation_solver import Found

OPTIMAL, FEASIBLE, INFEASIBLE, TIME_LIMIT = "optimal", "feasible", "infeasible", "time_limit"
"""``feasible``: a plan whose distance to the optimum is at most its gap; ``time_limit``: none was found in time."""
LIMIT_S = 10.0
CLOSE = 1e-6
"""Loads of numbers that are not whole may be over by this share, and HiGHS stops at a gap of this size."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``chosen`` holds the agent of each task by its place in the problem, None where it has none.

    ``bound`` is the best total that could be possible, ``gap_percent`` the distance to it in percent of the objective.
    ``reasons`` say in sentences why there is no plan for all tasks; the objective is then that of those placed.
    """

    chosen: Sequence[int | None]
    status: str
    objective: Number | None
    bound: float | None = None
    gap_percent: float | None = None
    seconds: float = 0.0
    reasons: Sequence[str] = ()

    @property
    def is_complete(self) -> bool:
        return None not in self.chosen


def solve(problem: Problem, *, limit_s: float = LIMIT_S) -> Plan:
    """The best plan for all tasks; of a problem with demands the best that is found within ``limit_s`` seconds."""
    started = time.perf_counter()
    plan = _solved(problem, limit_s)
    return replace(plan, seconds=round(time.perf_counter() - started, 4))


def greedy(problem: Problem) -> Plan:
    """Each task in its order goes to the agent that is best for it among those it still fits."""
    started = time.perf_counter()
    left = list(problem.capacity)
    sign = -1 if problem.maximize else 1
    chosen: list[int | None] = []
    for task in range(len(problem.tasks)):
        fitting = (
            (sign * price, agent)
            for agent, room in enumerate(left)
            if (price := problem.cost[agent][task]) is not None and problem.takes(agent, task) <= room
        )
        _, taken = min(fitting, default=(0, None))
        if taken is not None:
            left[taken] -= problem.takes(taken, task)
        chosen.append(taken)
    status = INFEASIBLE if None in chosen else FEASIBLE
    reasons = allocation_shortfall.left_over(problem, chosen)
    seconds = round(time.perf_counter() - started, 4)
    return Plan(chosen, status, total(problem, chosen), seconds=seconds, reasons=reasons)


def judge(problem: Problem, chosen: Sequence[int | None], *, limit_s: float = LIMIT_S) -> Plan:
    """A plan that somebody else made, and how far it is from the best; the reasons if it is at fault."""
    if reasons := faults_of(problem, chosen):
        return Plan(chosen, INFEASIBLE, total(problem, chosen), reasons=reasons)
    started = time.perf_counter()
    best, mine = _solved(problem, limit_s), total(problem, chosen)
    is_optimal = best.status == OPTIMAL and math.isclose(mine, best.objective or 0, rel_tol=1e-9)
    plan = _rated(problem, chosen, Found(chosen, is_optimal, best.bound))
    return replace(plan, seconds=round(time.perf_counter() - started, 4))


def faults_of(problem: Problem, chosen: Sequence[int | None]) -> list[str]:
    """What keeps ``chosen`` from being a plan for all tasks: sentences, none if it is one."""
    faults = []
    load: list[Number] = [0] * len(problem.agents)
    for task, agent in enumerate(chosen):
        if agent is None:
            faults.append(f"Task {problem.tasks[task]} has no agent.")
        elif problem.cost[agent][task] is None:
            faults.append(f"{problem.agents[agent]} cannot do task {problem.tasks[task]}.")
        else:
            load[agent] += problem.takes(agent, task)
    for agent, used in enumerate(load):
        capacity = problem.capacity[agent]
        if used > capacity + (0 if isinstance(used + capacity, int) else CLOSE * max(1.0, capacity)):
            faults.append(f"{problem.agents[agent]} would be used {used:g} of {capacity:g}.")
    return faults


def total(problem: Problem, chosen: Sequence[int | None]) -> Number:
    """The cost of all that is placed; exact where all costs are whole."""
    costs = [problem.cost[agent][task] for task, agent in enumerate(chosen) if agent is not None]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if all(isinstance(cost, int) for cost in known) else math.fsum(known)


def moved(plan: Plan, other: Plan) -> list[int]:
    """The tasks, by their place, that the two plans give to different agents."""
    pairs = enumerate(zip(plan.chosen, other.chosen, strict=True))
    return [task for task, (mine, theirs) in pairs if mine != theirs]


def assignments(problem: Problem, plan: Plan) -> dict[Id, Id]:
    """The agent's id for each task's id, of those that have one."""
    return {problem.tasks[task]: problem.agents[agent] for task, agent in enumerate(plan.chosen) if agent is not None}


def _solved(problem: Problem, limit_s: float) -> Plan:
    until = time.monotonic() + limit_s
    if reasons := allocation_shortfall.of_misfits(problem):
        return _infeasible(problem, [None] * len(problem.tasks), reasons)
    found = allocation_solver.match(problem) if problem.demand is None else None
    if found is not None and not found.is_optimal:
        return _infeasible(problem, found.chosen, allocation_shortfall.of_slots(problem, found.chosen))
    if found is None:
        found = allocation_solver.generalised(problem, until - time.monotonic())
    if found is not None and any(found.excess):
        return _infeasible(problem, [None] * len(problem.tasks), allocation_shortfall.of_excess(problem, found))
    return _best_of(problem, found)


def _best_of(problem: Problem, found: Found | None) -> Plan:
    """The solver's plan, unless it has none that holds, or the greedy one is better: HiGHS may have run out of time."""
    plans = [] if found is None or faults_of(problem, found.chosen) else [found.chosen]
    if found is None or not found.is_optimal or not plans:
        simple = greedy(problem)
        plans += [simple.chosen] if simple.is_complete else []
    if not plans:
        words = "No plan was found in time, nor is it sure that there is none: divide them, or add capacity."
        return Plan([None] * len(problem.tasks), TIME_LIMIT, None, reasons=[words])
    sign = -1 if problem.maximize else 1
    chosen = min(plans, key=lambda each: sign * total(problem, each))
    return _rated(problem, chosen, found)


def _rated(problem: Problem, chosen: Sequence[int | None], found: Found | None) -> Plan:
    objective = total(problem, chosen)
    if found is not None and found.is_optimal:
        return Plan(chosen, OPTIMAL, objective, float(objective), 0.0)
    if found is None or found.bound is None:
        return Plan(chosen, FEASIBLE, objective)
    bound = _whole_bound(problem, found.bound)
    gap = 100 * abs(objective - bound) / abs(objective) if objective else 100.0 * (bound != objective)
    return Plan(chosen, OPTIMAL if bound == objective else FEASIBLE, objective, bound, round(gap, 4))


def _whole_bound(problem: Problem, bound: float) -> float:
    """Totals of whole costs are whole, so the bound may be rounded towards the objective."""
    if not all(entry is None or isinstance(entry, int) for row in problem.cost for entry in row):
        return bound
    return float(math.floor(bound + CLOSE) if problem.maximize else math.ceil(bound - CLOSE))


def _infeasible(problem: Problem, chosen: Sequence[int | None], reasons: Sequence[str]) -> Plan:
    return Plan(chosen, INFEASIBLE, None, reasons=reasons)
