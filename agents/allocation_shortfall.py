"""Why not every task finds an agent, in sentences that name the tasks, or the capacity that is missing. Pure."""

from collections import deque
from collections.abc import Sequence

from agents.allocation_problem import Id, Problem
from agents.allocation_solver import Found

MOST_NAMES = 5
MOST_REASONS = 10


def of_misfits(problem: Problem) -> list[str]:
    """The tasks that no agent could do even if it did nothing else."""
    reasons = []
    agents = range(len(problem.agents))
    for task, name in enumerate(problem.tasks):
        if any(problem.can(agent, task) for agent in agents):
            continue
        able = [agent for agent in agents if problem.cost[agent][task] is not None]
        if not able:
            reasons.append(f"No agent can do task {name}.")
            continue
        lacking, nearest = min((problem.takes(agent, task) - problem.capacity[agent], agent) for agent in able)
        who = f"even {problem.agents[nearest]} lacks {lacking:g} of capacity for it"
        reasons.append(f"Task {name} is too large for every agent that can do it: {who}.")
    return _shortened(reasons)


def of_slots(problem: Problem, chosen: Sequence[int | None]) -> list[str]:
    """Where every task takes 1: groups of tasks that can only be done by agents which are all full.

    ``chosen`` leaves out as few tasks as possible, so what one that was left out could displace, directly or through
    others, is full, and is all that these tasks have (Hall's condition).
    """
    held: dict[int, list[int]] = {}
    for task, agent in enumerate(chosen):
        if agent is not None:
            held.setdefault(agent, []).append(task)
    able = [_able(problem, task) for task in range(len(problem.tasks))]
    reasons, told = [], set[int]()
    for task, agent in enumerate(chosen):
        if agent is None and task not in told:
            rivals, agents = _reach(able, task, held)
            # Others that were left out belong here if these agents are all they have.
            rivals |= {other for other, own in enumerate(chosen) if own is None and able[other] <= agents}
            told |= rivals
            reasons.append(_of_group(problem, rivals, agents))
    return _shortened(reasons)


def of_excess(problem: Problem, found: Found) -> list[str]:
    """Where tasks have demands: which agents would be over their capacity if as little as possible were missing."""
    over = [(agent, excess) for agent, excess in enumerate(found.excess) if excess]
    missing = sum(excess for _, excess in over)
    most = "At least" if found.is_optimal else "As far as could be found in time,"
    words = [
        f"{problem.agents[agent]} would be used {problem.capacity[agent] + excess:g} of {problem.capacity[agent]:g}, "
        f"{excess:g} too much"
        for agent, excess in over[:MOST_NAMES]
    ]
    return [f"{most} {missing:g} of capacity is missing for all tasks together: {'; '.join(words)}."]


def left_over(problem: Problem, chosen: Sequence[int | None]) -> list[str]:
    """The tasks without an agent, where nobody looked for the cause."""
    names = [problem.tasks[task] for task, agent in enumerate(chosen) if agent is None]
    if not names:
        return []
    return [f"{'Task' if len(names) == 1 else 'Tasks'} {_listed(names)} found no free agent."]


def _reach(able: Sequence[set[int]], start: int, held: dict[int, list[int]]) -> tuple[set[int], set[int]]:
    """The tasks that compete with ``start``, and all agents that these could go to."""
    tasks, agents, queue = {start}, set[int](), deque([start])
    while queue:
        for agent in able[queue.popleft()] - agents:
            agents.add(agent)
            fresh = [task for task in held.get(agent, ()) if task not in tasks]
            tasks.update(fresh)
            queue.extend(fresh)
    return tasks, agents


def _of_group(problem: Problem, tasks: set[int], agents: set[int]) -> str:
    names, who = _listed([problem.tasks[task] for task in sorted(tasks)]), _of_agents(problem, agents)
    room = int(sum(problem.capacity[agent] for agent in agents))
    short = len(tasks) - room
    group = f"Task {names} has" if len(tasks) == 1 else f"The {len(tasks)} tasks {names} have"
    takes = "which takes" if len(agents) == 1 else "which together take"
    return f"{group} only {who}, {takes} {room}: {short} more of capacity would be needed."


def _able(problem: Problem, task: int) -> set[int]:
    return {agent for agent in range(len(problem.agents)) if problem.can(agent, task)}


def _of_agents(problem: Problem, agents: set[int]) -> str:
    return _listed([problem.agents[agent] for agent in sorted(agents)])


def _listed(names: Sequence[Id]) -> str:
    shown = ", ".join(str(name) for name in names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES} more"


def _shortened(reasons: Sequence[str]) -> list[str]:
    if len(reasons) <= MOST_REASONS:
        return list(reasons)
    return [*reasons[:MOST_REASONS], f"And {len(reasons) - MOST_REASONS} more like these."]
