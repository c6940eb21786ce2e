"""What is asked to be allocated: a problem of numbers, or tasks for the real fleet, which can be carried out.

Reads only. Without costs, what a task is worth on an agent is the score that the dispatcher gives it now.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from django.conf import settings
from django.utils import timezone

from agents import allocation_plan, allocation_problem, dispatch, snapshot
from agents.allocation_plan import Plan
from agents.allocation_problem import MOST_FAULTS, Number, Problem
from agents.dispatch import BUSY, Demand
from agents.scoring import Weights
from agents.snapshot import AgentView, Fleet
from orchestra.kernel import slots
from orchestra.kernel.errors import FieldError, Invalid, TooMany
from workflows import queue
from workflows.beginning import Terms
from workflows.tasks import MAX_TIMEOUT_S, MOST_CAPABILITIES

MOST_TASKS = 1000
"""That are carried out as one plan."""
LONGEST_NAME, LONGEST_REASON = 100, 1000
OF_TASK = ("id", "capabilities", "prefers", "input", "timeout")
OF_WORK = ("capabilities", "prefers", "input", "timeout")
TERMS = ("queue", "priority", "reason", "assignments")
"""What is asked for beside the problem."""
AT_ONCE = 2
"""Problems that are worked on at a time on this host: each takes a processor, and up to 300 MB."""


@dataclass(frozen=True, slots=True)
class Work:
    """A task that an agent of the fleet can do."""

    demand: Demand
    input: Any
    timeout_s: float | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A problem, and where its tasks are real: what they are, and the agents of its rows."""

    problem: Problem
    work: Sequence[Work] = ()
    agents: Sequence[AgentView] = ()


@dataclass(frozen=True, slots=True)
class Planned:
    """The best plan, and beside it what taking the best free agent for each task in turn comes to."""

    asked: Asked
    plan: Plan
    greedy: Plan

    @property
    def may_run(self) -> bool:
        """Whether it can be carried out: a plan for all tasks, which say what is to be done."""
        return bool(self.asked.work) and self.plan.is_complete


def plan(given: Any) -> Planned:
    """Read and solve what is asked for. Outside any transaction: it may take ``ALLOCATION_TIME_LIMIT_S``.

    Raises :class:`TooMany` while this host works on as many others as it may.
    """
    asked = read(given)
    problem = asked.problem
    wanted = given.get("assignments")
    chosen = None if wanted is None else _chosen(problem, wanted)
    with _slot():
        if chosen is None:
            found = allocation_plan.solve(problem, limit_s=settings.ALLOCATION_TIME_LIMIT_S)
        else:
            found = allocation_plan.judge(problem, chosen, limit_s=settings.ALLOCATION_TIME_LIMIT_S)
        return Planned(asked, found, allocation_plan.greedy(problem))


def read(given: Any) -> Asked:
    """The problem that ``given`` describes. Raises :class:`Invalid` naming each place."""
    if not isinstance(given, Mapping):
        return Asked(allocation_problem.read(given))
    asked = {name: value for name, value in given.items() if name not in TERMS}
    tasks = given.get("tasks")
    if not isinstance(tasks, list) or not any(isinstance(task, Mapping) and task.keys() & {*OF_WORK} for task in tasks):
        return Asked(allocation_problem.read(asked))
    work = _work(tasks)
    now, in_use = timezone.now(), queue.in_use()
    fleet = snapshot.read()
    agents = _agents_named(asked["agents"], fleet) if asked.get("agents") else _agents_able(work, fleet)
    asked["tasks"] = [{"id": task.get("id")} for task in tasks]
    asked["agents"] = [
        row
        if isinstance(row, Mapping) and "capacity" in row
        else {"id": _id(row, agent), "capacity": _free(agent, in_use)}
        for row, agent in zip(asked.get("agents") or agents, agents, strict=True)
    ]
    worth = [[_worth(agent, each.demand, in_use, now) for each in work] for agent in agents]
    if "cost" in asked:
        problem = allocation_problem.read(asked)
        able = zip(problem.cost, worth, strict=True)
        cost = [[None if score is None else price for price, score in zip(*row, strict=True)] for row in able]
        problem = _with_cost(problem, cost)
    else:
        problem = allocation_problem.read({**asked, "cost": worth, "maximize": True})
    return Asked(problem, work, agents)


def terms(given: Any) -> Terms:
    """What is asked for beside the problem. Raises :class:`Invalid` naming each place."""
    faults: list[FieldError] = []
    if not isinstance(given, Mapping):
        raise Invalid(errors=[{"path": "", "message": "Give an object with tasks."}])
    for name, kind, words in (("queue", str, "text"), ("priority", int, "a whole number"), ("reason", str, "text")):
        value = given.get(name)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            faults.append({"path": name, "message": f"Give {words}."})
    if faults:
        raise Invalid(errors=faults)
    reason = (given.get("reason") or "")[:LONGEST_REASON]
    return Terms(given.get("priority") or 0, given.get("queue") or "", reason=reason)


def _slot() -> IO[str]:
    slot = slots.take("solvers", AT_ONCE)
    if slot is None:
        wait_s = math.ceil(settings.ALLOCATION_TIME_LIMIT_S)
        words = f"{AT_ONCE} plans are being worked out already; try again in {wait_s} seconds."
        raise TooMany(words, retry_after_s=wait_s)
    return slot


def _with_cost(problem: Problem, cost: Sequence[Sequence[Number | None]]) -> Problem:
    return Problem(problem.agents, problem.capacity, problem.tasks, cost, problem.demand, problem.maximize)


def _work(tasks: Sequence[Any]) -> list[Work]:
    faults: list[FieldError] = []
    if len(tasks) > MOST_TASKS:
        faults.append({"path": "tasks", "message": f"Give at most {MOST_TASKS:,} tasks at a time."})
    for index, task in enumerate(tasks[:MOST_TASKS]):
        faults += [{"path": f"tasks[{index}]{path}", "message": words} for path, words in _faults_of_task(task)]
    if faults:
        raise Invalid(errors=faults[:MOST_FAULTS])
    return [
        Work(
            Demand(tuple(sorted(task["capabilities"])), tuple(sorted(task.get("prefers") or ()))),
            task.get("input"),
            task.get("timeout"),
        )
        for task in tasks
    ]


def _faults_of_task(task: Any) -> list[tuple[str, str]]:
    if not isinstance(task, Mapping):
        return [("", 'Give an object: {"id": …, "capabilities": […]}.')]
    faults = [
        (f".{name}", f"There is no such field; known are {', '.join(OF_TASK)}.") for name in task.keys() - {*OF_TASK}
    ]
    for name, least in (("capabilities", 1), ("prefers", 0)):
        if not _are_names(task.get(name, [] if not least else None), least):
            faults.append((f".{name}", f"Give a list of {least} to {MOST_CAPABILITIES} names."))
    timeout = task.get("timeout")
    if timeout is not None and not (_is_number(timeout) and 0 < timeout <= MAX_TIMEOUT_S):
        faults.append((".timeout", "Give seconds, more than 0 and at most a day."))
    return faults


def _are_names(given: Any, least: int) -> bool:
    if not isinstance(given, list) or not least <= len(given) <= MOST_CAPABILITIES:
        return False
    return all(isinstance(name, str) and 0 < len(name) <= LONGEST_NAME for name in given)


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _agents_named(rows: Any, fleet: Fleet) -> list[AgentView]:
    """The agents of the fleet that ``rows`` name, by number or name."""
    known: dict[Any, AgentView] = {agent.name: agent for agent in fleet.agents.values()} | dict(fleet.agents)
    faults: list[FieldError] = []
    found = []
    for index, row in enumerate(rows if isinstance(rows, list) else []):
        name = row.get("id") if isinstance(row, Mapping) else None
        agent = known.get(name) if isinstance(name, str | int) else None
        if agent is None:
            message = f"There is no agent {name!r} that tasks could be given to; give its name or number."
            faults.append({"path": f"agents[{index}].id", "message": message})
        else:
            found.append(agent)
    if not isinstance(rows, list) or faults:
        raise Invalid(errors=faults[:MOST_FAULTS] or [{"path": "agents", "message": "Give a list, or leave it out."}])
    return found


def _agents_able(work: Sequence[Work], fleet: Fleet) -> list[AgentView]:
    """All that can do one of the tasks, whether or not they may at the moment."""
    needed = {each.demand.needs for each in work}
    found = [agent for agent in fleet.agents.values() if any(agent.capabilities.issuperset(needs) for needs in needed)]
    if not found:
        names = ", ".join(sorted({need for needs in needed for need in needs})[:MOST_FAULTS])
        raise Invalid(
            errors=[{"path": "tasks", "message": f"No agent can do any of them ({names}); add one that can."}]
        )
    return found


def _id(row: Any, agent: AgentView) -> Any:
    return row["id"] if isinstance(row, Mapping) else agent.name


def _free(agent: AgentView, in_use: Mapping[int, int]) -> int:
    return max(0, agent.slots - in_use.get(agent.id, 0))


def _worth(agent: AgentView, demand: Demand, in_use: Mapping[int, int], now: datetime) -> float | None:
    """The dispatcher's score; None if the agent may not take it, be it free or not."""
    used = in_use.get(agent.id, 0)
    if dispatch.obstacle_of(agent, demand, used, now) not in ("", BUSY):
        return None
    return round(dispatch.score(agent, demand, in_use, Weights(**settings.SCORE_WEIGHTS)).total, 6)


def _chosen(problem: Problem, given: Any) -> list[int | None]:
    """The plan that ``assignments`` name: the agent's id for each task's."""
    if not isinstance(given, Mapping):
        raise Invalid(errors=[{"path": "assignments", "message": "Give an object: the agent's id for each task's."}])
    agents = {str(name): index for index, name in enumerate(problem.agents)}
    tasks = {str(name): index for index, name in enumerate(problem.tasks)}
    faults: list[FieldError] = [
        {"path": f"assignments.{task}", "message": "There is no such task, or no such agent."}
        for task, agent in given.items()
        if task not in tasks or str(agent) not in agents
    ]
    if faults:
        raise Invalid(errors=faults[:MOST_FAULTS])
    chosen: list[int | None] = [None] * len(problem.tasks)
    for task, agent in given.items():
        chosen[tasks[task]] = agents[str(agent)]
    return chosen
