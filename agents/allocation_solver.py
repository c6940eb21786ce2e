"""The optimum of an allocation problem: scipy's assignment where every task takes 1, else HiGHS. Pure.

HiGHS works in a process of its own (``python -m agents.allocation_solver``: JSON in, JSON out): it keeps Python's lock
while it works, and only a process can be ended for certain when its time is up, and be kept to its share of memory.
"""

import json
import logging
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.allocation_problem import Number, Problem
from orchestra.kernel.errors import field_error

logger = logging.getLogger(__name__)

MOST_CELLS = 4_000_000
"""Of the table of tasks and slots that is solved at once in this process; about a second."""
MOST_PAIRS = 50_000
"""Agents times tasks with demands: HiGHS takes up to some 200 MB for them in ten seconds, 580 for twice as many."""
MOST_UNIT_PAIRS = 200_000
"""Likewise where every task takes 1."""
ADDRESSES = 1024**3
"""Bytes of addresses that its process may have; it maps several times what it uses."""
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
GRACE_S = 5.0
"""For the process to start, and for HiGHS to notice that its time is up."""
SMALLEST_EXCESS = 1e-6
"""What HiGHS lets an agent be over its capacity."""
LARGEST_COST = 1e4
"""Costs that are no whole numbers are brought to this size, since HiGHS stops at a gap of one millionth."""


@dataclass(frozen=True, slots=True)
class Found:
    """The agent of each task (None: none is left for it), and what the solver knows of the best possible total.

    ``excess`` is how much each agent is over its capacity where all of it together does not suffice; then
    ``is_optimal`` says that it is the least possible.
    """

    chosen: Sequence[int | None]
    is_optimal: bool
    bound: float | None = None
    excess: Sequence[float] = ()


def match(problem: Problem) -> Found | None:
    """The optimum where every task takes 1, with as few tasks left out as possible; None if it is too large for this.

    An agent's column is repeated for each task that it may take. What it cannot do, and a slot that does not exist,
    costs more than all tasks together, so that one is taken only where there is no other.
    """
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    cost = np.array(problem.cost, dtype=float)  # not a number where there is none
    able = ~np.isnan(cost)
    if problem.maximize:
        cost = -cost
    slots = np.minimum(np.array(problem.capacity), able.sum(axis=1)).astype(int)
    columns = np.repeat(np.arange(len(problem.agents)), slots)
    width = max(len(columns), len(problem.tasks))
    if len(problem.tasks) * width > MOST_CELLS:
        return None
    low = cost[able].min() if able.any() else 0.0
    span = cost[able].max() - low if able.any() else 0.0
    never = span * (len(problem.tasks) + 1) or 1.0
    table = np.full((len(problem.tasks), width), never)
    table[:, : len(columns)] = np.where(able, cost - low, never).T[:, columns]
    rows, taken = linear_sum_assignment(table)
    chosen: list[int | None] = [None] * len(problem.tasks)
    for row, column in zip(rows.tolist(), taken.tolist(), strict=True):
        if column < len(columns) and able[columns[column], row]:
            chosen[row] = int(columns[column])
    return Found(chosen, is_optimal=None not in chosen)


def generalised(problem: Problem, limit_s: float) -> Found | None:
    """The best that HiGHS finds within ``limit_s``, all told; None if that is nothing. Every task must fit some agent.

    Raises :class:`Invalid` if the problem is too large for it.
    """
    started = time.monotonic()
    _refuse_too_large(problem)
    usable = [[problem.can(agent, task) for task in range(len(problem.tasks))] for agent in range(len(problem.agents))]
    asked = {
        "cost": [list(row) for row in problem.cost],
        "usable": usable,
        "demand": None if problem.demand is None else [list(row) for row in problem.demand],
        "capacity": list(problem.capacity),
        "maximize": problem.maximize,
        "scale": _scale(problem),
        "addresses": ADDRESSES,
        "limit_s": limit_s - (time.monotonic() - started),
    }
    command = [sys.executable, "-m", "agents.allocation_solver"]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=max(0.0, limit_s) + GRACE_S,
            cwd=Path(__file__).resolve().parent.parent,
            env=os.environ | ONE_THREAD,
            check=True,
        )
    except subprocess.TimeoutExpired:
        return None
    except subprocess.CalledProcessError as error:
        logger.warning("The solver broke off (%s): %s", error.returncode, error.stderr.strip()[-500:])
        return None
    answer = json.loads(done.stdout)
    return None if answer is None else Found(**answer)


def _refuse_too_large(problem: Problem) -> None:
    agents, tasks = len(problem.agents), len(problem.tasks)
    most = MOST_UNIT_PAIRS if problem.demand is None else MOST_PAIRS
    if agents * tasks <= most:
        return
    why = "with such capacities" if problem.demand is None else "with demands"
    words = f"{agents:,} agents times {tasks:,} tasks are {agents * tasks:,} entries; {why} at most {most:,} are"
    raise field_error("cost" if problem.demand is None else "demand", f"{words} possible, so divide the problem.")


def _scale(problem: Problem) -> float:
    costs = [entry for row in problem.cost for entry in row if entry is not None]
    if all(isinstance(entry, int) for entry in costs):
        return 1.0
    return LARGEST_COST / (max(map(abs, costs)) or 1.0)


def _work(asked: dict[str, Any]) -> dict[str, Any] | None:
    """What :func:`generalised` asks, in its process: all but its start counts as time."""
    until = time.monotonic() + asked["limit_s"]
    resource.setrlimit(resource.RLIMIT_AS, (asked["addresses"], asked["addresses"]))
    import numpy as np

    able = np.array(asked["usable"], dtype=bool)
    pairs = np.argwhere(able)
    sign = -1.0 if asked["maximize"] else 1.0
    cost = np.array(asked["cost"], dtype=float)[able] * sign * asked["scale"]
    takes_one = asked["demand"] is None
    demand = np.ones(able.shape) if takes_one else np.array(asked["demand"], dtype=float)
    tables = _Tables(pairs, demand[able], np.array(asked["capacity"], dtype=float), able.shape[1], takes_one)
    result = _milp(cost, tables, until)
    if result is not None and result.status == 2:
        return _least_excess(tables, until)
    if result is None or result.x is None:
        return None
    bound = result.mip_dual_bound
    return {
        "chosen": _chosen(result.x, tables),
        "is_optimal": result.status == 0,
        "bound": None if bound is None or not np.isfinite(bound) else float(bound) * sign / asked["scale"],
    }


@dataclass(frozen=True, slots=True)
class _Tables:
    """The pairs (agent, task) that may be chosen, one column each, what they take, and what agents have.

    Where every task takes 1, each corner of what is possible is whole, so HiGHS need not be told to keep to whole ones.
    """

    pairs: Any
    demand: Any
    capacity: Any
    tasks: int
    takes_one: bool


def _milp(cost: Any, tables: _Tables, until: float, *, with_excess: bool = False) -> Any:
    """Each task once, no agent over its capacity; ``with_excess`` adds a column an agent for what it lacks.

    None if no time is left.
    """
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array, csr_array, eye_array, hstack

    count, agents = len(tables.pairs), len(tables.capacity)
    columns = np.arange(count)
    once = coo_array((np.ones(count), (tables.pairs[:, 1], columns)), shape=(tables.tasks, count)).tocsr()
    load = coo_array((tables.demand, (tables.pairs[:, 0], columns)), shape=(agents, count)).tocsr()
    upper, whole = np.ones(count), np.full(count, 0 if tables.takes_one else 1)
    if with_excess:
        once = csr_array(hstack([once, coo_array((tables.tasks, agents))]))
        load = csr_array(hstack([load, -eye_array(agents)]))
        upper, whole = np.append(upper, np.full(agents, np.inf)), np.append(whole, np.zeros(agents, dtype=int))
    left_s = until - time.monotonic()
    if left_s <= 0:
        return None
    return milp(
        cost,
        integrality=whole,
        bounds=Bounds(0, upper),
        constraints=[LinearConstraint(once, 1, 1), LinearConstraint(load, -np.inf, tables.capacity)],
        options={"time_limit": left_s, "mip_rel_gap": 0.0},
    )


def _least_excess(tables: _Tables, until: float) -> dict[str, Any] | None:
    """Where all does not fit: the plan that needs the least more capacity, and of which agents."""
    import numpy as np

    cost = np.append(np.zeros(len(tables.pairs)), np.ones(len(tables.capacity)))
    result = _milp(cost, tables, until, with_excess=True)
    if result is None or result.x is None:
        return None
    chosen = _chosen(result.x[: len(tables.pairs)], tables)
    loads: list[Number] = [0.0] * len(tables.capacity)
    for column in np.flatnonzero(result.x[: len(tables.pairs)] > 0.5):
        loads[tables.pairs[column][0]] += float(tables.demand[column])
    over = [load - float(limit) for load, limit in zip(loads, tables.capacity, strict=True)]
    excess = [each if each > SMALLEST_EXCESS else 0.0 for each in over]
    return {"chosen": chosen, "is_optimal": result.status == 0, "excess": excess}


def _chosen(values: Any, tables: _Tables) -> list[int | None]:
    chosen: list[int | None] = [None] * tables.tasks
    for (agent, task), value in zip(tables.pairs.tolist(), values, strict=True):
        if value > 0.5:
            chosen[task] = agent
    return chosen


if __name__ == "__main__":
    import scipy.optimize  # noqa: F401  before the clock begins to run

    json.dump(_work(json.load(sys.stdin)), sys.stdout)
