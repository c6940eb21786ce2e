"""An allocation problem: agents with a capacity, tasks, what each task costs on each agent and how much of it it takes.

Pure. :func:`read` takes the form of the API and of pages and names the place of every fault.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from orchestra.kernel.errors import FieldError, Invalid

Id = str | int
Number = int | float

MOST_ENTRIES = 2_000_000
"""Agents times tasks."""
MOST_FAULTS = 20
LARGEST = 10**9
"""Of a cost, a demand or a capacity: sums of them stay exact."""
LONGEST_ID = 100
FIELDS = ("agents", "tasks", "cost", "demand", "maximize")


@dataclass(frozen=True, slots=True)
class Problem:
    """``cost`` and ``demand`` are read ``[agent][task]``; a cost of None: that agent cannot do it.

    Without ``demand`` every task takes 1 of its agent's capacity.
    """

    agents: Sequence[Id]
    capacity: Sequence[Number]
    tasks: Sequence[Id]
    cost: Sequence[Sequence[Number | None]]
    demand: Sequence[Sequence[Number]] | None = None
    maximize: bool = False

    def takes(self, agent: int, task: int) -> Number:
        """How much of the agent's capacity the task takes."""
        return 1 if self.demand is None else self.demand[agent][task]

    def can(self, agent: int, task: int) -> bool:
        """Whether the agent could do the task, were it to do nothing else."""
        return self.cost[agent][task] is not None and self.takes(agent, task) <= self.capacity[agent]


def read(given: Any) -> Problem:
    """The problem that ``given`` describes, as JSON has it. Raises :class:`Invalid` naming each place, up to 20."""
    if not isinstance(given, Mapping):
        raise _invalid([_fault("", "Give an object with agents, tasks and cost.")])
    faults = [_fault(name, f"There is no such field; known are {', '.join(FIELDS)}.") for name in given.keys() - FIELDS]
    faults += _faults_of_parties(given)
    if faults:
        raise _invalid(faults)
    agents, tasks, demand = given["agents"], given["tasks"], given.get("demand")
    faults += islice(_faults_in_table(given.get("cost"), "cost", len(agents), len(tasks)), MOST_FAULTS)
    if demand is not None:
        faults += islice(_faults_in_table(demand, "demand", len(agents), len(tasks), least=0), MOST_FAULTS)
    if faults:
        raise _invalid(faults)
    cost = given["cost"]
    return Problem(
        agents=[agent["id"] for agent in agents],
        capacity=[agent.get("capacity", 1) for agent in agents],
        tasks=[task["id"] for task in tasks],
        cost=cost,
        demand=None if demand is None else _filled(demand, cost),
        maximize=bool(given.get("maximize")),
    )


def _faults_of_parties(given: Mapping[str, Any]) -> list[FieldError]:
    faults = [*_faults_of_ids(given.get("agents"), "agents"), *_faults_of_ids(given.get("tasks"), "tasks")]
    if faults:
        return faults
    whole = given.get("demand") is None
    faults += _faults_of_capacity(given["agents"], whole)
    if given.get("maximize") not in (None, True, False):
        faults.append(_fault("maximize", "Give true or false."))
    entries = len(given["agents"]) * len(given["tasks"])
    if entries > MOST_ENTRIES:
        words = f"{len(given['agents']):,} agents times {len(given['tasks']):,} tasks are {entries:,} entries"
        faults.append(_fault("cost", f"{words}; at most {MOST_ENTRIES:,} are possible, so divide the problem."))
    return faults


def _faults_of_ids(rows: Any, name: str) -> list[FieldError]:
    if not isinstance(rows, list) or not rows:
        return [_fault(name, 'Give a list of at least one, each as {"id": …}.')]
    known = {"id", "capacity"} if name == "agents" else {"id"}
    faults, seen = [], set()
    for index, row in enumerate(rows):
        path = f"{name}[{index}]"
        if not isinstance(row, Mapping):
            faults.append(_fault(path, 'Give an object: {"id": …}.'))
        elif unknown := sorted(row.keys() - known):
            faults.append(
                _fault(f"{path}.{unknown[0]}", f"There is no such field; known are {', '.join(sorted(known))}.")
            )
        elif message := _fault_of_id(row.get("id")):
            faults.append(_fault(f"{path}.id", message))
        elif str(row["id"]) in seen:
            faults.append(_fault(f"{path}.id", f"{row['id']} is there twice; give each an id of its own."))
        else:
            seen.add(str(row["id"]))
        if len(faults) == MOST_FAULTS:
            break
    return faults


def _fault_of_id(given: Any) -> str:
    if isinstance(given, int) and not isinstance(given, bool):
        return ""
    if isinstance(given, str) and given.strip() and len(given) <= LONGEST_ID:
        return ""
    return f"Give an id: a whole number, or text of 1 to {LONGEST_ID} characters."


def _faults_of_capacity(agents: Sequence[Mapping[str, Any]], whole: bool) -> list[FieldError]:
    faults = []
    for index, agent in enumerate(agents):
        capacity = agent.get("capacity", 1)
        path = f"agents[{index}].capacity"
        if message := _fault_of_number(capacity, least=0):
            faults.append(_fault(path, message))
        elif whole and capacity != int(capacity):
            faults.append(_fault(path, "Without demands it counts tasks: give a whole number."))
    return faults[:MOST_FAULTS]


def _faults_in_table(
    table: Any, name: str, height: int, width: int, *, least: Number = -LARGEST
) -> Iterator[FieldError]:
    """What is wrong with ``table``; null is allowed everywhere, and where it must not be is told by :func:`_filled`."""
    if not isinstance(table, list) or len(table) != height:
        held = f", not {len(table)}" if isinstance(table, list) else ""
        yield _fault(name, f"Give a list of {height} rows, one for each agent{held}.")
        return
    for row, entries in enumerate(table):
        if not isinstance(entries, list) or len(entries) != width:
            held = f", not {len(entries)}" if isinstance(entries, list) else ""
            yield _fault(f"{name}[{row}]", f"Give {width} entries, one for each task{held}.")
            continue
        for column, entry in enumerate(entries):
            if entry is not None and (message := _fault_of_number(entry, least=least)):
                yield _fault(f"{name}[{row}][{column}]", message)


def _fault_of_number(given: Any, *, least: Number) -> str:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        return "Give a number."
    if given < least:
        return f"Give at least {least:,}."
    return f"Give at most {LARGEST:,}." if given > LARGEST else ""


def _filled(demand: list[list[Number | None]], cost: Sequence[Sequence[Number | None]]) -> list[list[Number]]:
    """The demands with nothing where the agent cannot do the task; elsewhere one must be given."""
    missing = (
        (row, column)
        for row, (entries, costs) in enumerate(zip(demand, cost, strict=True))
        for column, (entry, price) in enumerate(zip(entries, costs, strict=True))
        if entry is None and price is not None
    )
    faults = [
        _fault(f"demand[{row}][{column}]", "Give how much of the agent the task takes; it has a cost there.")
        for row, column in islice(missing, MOST_FAULTS)
    ]
    if faults:
        raise _invalid(faults)
    return [[entry or 0 for entry in entries] for entries in demand]


def _fault(path: str, message: str) -> FieldError:
    return {"path": path, "message": message}


def _invalid(faults: Sequence[FieldError]) -> Invalid:
    return Invalid(errors=list(faults[:MOST_FAULTS]))
