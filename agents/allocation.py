"""Which agent does which task: the assignment with the greatest total score under the agents' free slots. Pure.

Tasks come in order of priority: where slots are short, a task goes without only if tasks before it hold every slot that
it could use. As many tasks as possible are served, the earlier before the later; among the assignments that serve those
tasks, the one with the greatest total score is taken. A task's worth on an agent is its score there; each further slot
of one agent is worth ``slot_cost`` less than the one before it (its availability falls as it fills), so that equal
agents share the work.

Where nothing competes, the optimum is read off directly; else scipy's ``linear_sum_assignment`` (Jonker-Volgenant)
finds it, with a column for every slot, for at most :data:`ROUND` tasks at a time. Serving the earlier, or dividing the
tasks into rounds, may cost more in total than taking the best free agent for one task after the other: then that plan
is taken, if it serves as many, for it keeps the order just as well. So the total is never less than that of greed.
"""

import heapq
import math
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ROUND = 100
"""Tasks solved at a time: five rounds of 100 over 5 agents take 13 ms, one of 500 takes 52."""
FORBIDDEN = -1e6

Scores = Mapping[int, float]
"""What a task is worth on each agent that can do it, by the agent's id."""


@dataclass(frozen=True, slots=True)
class Slots:
    """An agent's free calls, and what each further one of them is worth less than the first."""

    free: int
    slot_cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Assigned:
    """The agent of one task, and whether it was that task's own best or the best for the batch."""

    agent: int
    is_best: bool


def assign(tasks: Sequence[Scores], slots: Mapping[int, Slots]) -> list[Assigned | None]:
    """For each task its agent, or None where no slot is left for it. Like tasks are best passed as one mapping."""
    chosen: list[Assigned | None] = [None] * len(tasks)
    for rivals in _rivals(tasks, slots):
        for index, assigned in zip(rivals, _among([tasks[index] for index in rivals], slots), strict=True):
            chosen[index] = assigned
    return chosen


def greedy(tasks: Sequence[Scores], slots: Mapping[int, Slots]) -> list[int | None]:
    """What taking the best agent that is still free for one task after the other comes to, to compare with."""
    taken: Counter[int] = Counter()
    chosen: list[int | None] = []
    for task in tasks:
        free = (agent for agent in task if taken[agent] < slots[agent].free)
        agent = max(free, key=lambda agent: (task[agent] - taken[agent] * slots[agent].slot_cost, -agent), default=None)
        if agent is not None:
            taken[agent] += 1
        chosen.append(agent)
    return chosen


def total(chosen: Sequence[int | None], tasks: Sequence[Scores], slots: Mapping[int, Slots]) -> float:
    """The total score of a plan, which gives each task an agent or None."""
    taken = Counter(agent for agent in chosen if agent is not None)
    score = math.fsum(task[agent] for agent, task in zip(chosen, tasks, strict=True) if agent is not None)
    return score - math.fsum(slots[agent].slot_cost * count * (count - 1) / 2 for agent, count in taken.items())


def _rivals(tasks: Sequence[Scores], slots: Mapping[int, Slots]) -> list[list[int]]:
    """The tasks that compete with each other, directly or through others; those no free agent can do are in none."""
    leader: dict[int, int] = {}

    def leader_of(agent: int) -> int:
        while leader[agent] != agent:
            agent = leader[agent]
        return agent

    able = {id(task): [agent for agent in task if slots[agent].free > 0] for task in tasks}
    for agents in able.values():
        for agent in agents:
            leader.setdefault(agent, agent)
            leader[leader_of(agent)] = leader_of(agents[0])
    groups: dict[int, list[int]] = defaultdict(list)
    for index, task in enumerate(tasks):
        if able[id(task)]:
            groups[leader_of(able[id(task)][0])].append(index)
    return list(groups.values())


def _among(tasks: Sequence[Scores], slots: Mapping[int, Slots]) -> list[Assigned | None]:
    if all(task is tasks[0] for task in tasks):
        return _fill(tasks[0], len(tasks), slots)
    best = [_best(task, slots) for task in tasks]
    if all(_is_uncontested(slots[agent], count) for agent, count in Counter(best).items()):
        return [Assigned(agent, True) for agent in best]
    return _in_rounds(tasks, slots, best)


def _is_uncontested(slot: Slots, demand: int) -> bool:
    return demand <= slot.free and (demand == 1 or not slot.slot_cost)


def _best(task: Scores, slots: Mapping[int, Slots]) -> int:
    return max((agent for agent in task if slots[agent].free > 0), key=lambda agent: (task[agent], -agent))


def _fill(task: Scores, count: int, slots: Mapping[int, Slots]) -> list[Assigned | None]:
    """Like tasks: each takes the slot worth most. Optimal, since slots of an agent only fall in worth."""
    heap = [(-score, agent, 1) for agent, score in task.items() if slots[agent].free > 0]
    heapq.heapify(heap)
    first = heap[0][1]
    chosen: list[Assigned | None] = []
    while heap and len(chosen) < count:
        worth, agent, used = heapq.heappop(heap)
        chosen.append(Assigned(agent, agent == first))
        if used < slots[agent].free:
            heapq.heappush(heap, (worth + slots[agent].slot_cost, agent, used + 1))
    return chosen + [None] * (count - len(chosen))


def _in_rounds(tasks: Sequence[Scores], slots: Mapping[int, Slots], best: Sequence[int]) -> list[Assigned | None]:
    taken: Counter[int] = Counter()
    chosen: list[int | None] = []
    for start in range(0, len(tasks), ROUND):
        found = _solve(tasks[start : start + ROUND], slots, taken)
        taken.update(agent for agent in found if agent is not None)
        chosen += found
    if None in chosen or len(tasks) > ROUND:  # else it is the optimum
        chosen = _better(chosen, greedy(tasks, slots), tasks, slots)
    return [None if agent is None else Assigned(agent, agent == own) for agent, own in zip(chosen, best, strict=True)]


def _better(
    chosen: list[int | None], other: list[int | None], tasks: Sequence[Scores], slots: Mapping[int, Slots]
) -> list[int | None]:
    """``other`` if it serves as many tasks, which is as many as possible, with a greater total."""
    serves_fewer = other.count(None) > chosen.count(None)
    return chosen if serves_fewer or total(other, tasks, slots) <= total(chosen, tasks, slots) else other


def _solve(tasks: Sequence[Scores], slots: Mapping[int, Slots], taken: Mapping[int, int]) -> list[int | None]:
    """The best agents for one round, when ``taken`` slots of each agent went to the rounds before."""
    from scipy.optimize import linear_sum_assignment

    free = {agent: slot.free - taken[agent] for agent, slot in slots.items()}
    admitted = _admit(tasks, free)
    able = Counter(agent for index in admitted for agent in tasks[index])
    columns = [(agent, taken[agent] + used) for agent in able for used in range(min(free[agent], able[agent]))]
    worth = {
        id(task): [task.get(agent, FORBIDDEN) - used * slots[agent].slot_cost for agent, used in columns]
        for task in {id(task): task for task in tasks}.values()
    }
    chosen: list[int | None] = [None] * len(tasks)
    rows = [worth[id(tasks[index])] for index in admitted]
    for row, column in zip(*linear_sum_assignment(rows, maximize=True), strict=True) if rows else ():
        chosen[admitted[row]] = columns[column][0]
    return chosen


def _admit(tasks: Sequence[Scores], free: Mapping[int, int]) -> list[int]:
    """The tasks that get a slot, the earlier before the later: a maximum matching grown by augmenting paths."""
    places = _Places(tasks, free)
    full: set[int] = set()
    for index, task in enumerate(tasks):
        if id(task) not in full and not places.add(index):
            full.add(id(task))  # what no slot could be cleared for now, none will be cleared for later
    return sorted(places.place)


class _Places:
    """A slot for each task, where earlier tasks may be moved between agents to make room, but never lose theirs."""

    def __init__(self, tasks: Sequence[Scores], free: Mapping[int, int]) -> None:
        self.tasks = tasks
        self.free = free
        self.place: dict[int, int] = {}
        self.held: dict[int, set[int]] = defaultdict(set)

    def add(self, task: int) -> bool:
        """Find a slot for ``task``, moving others if need be; False if there is none."""
        wanted_by: dict[int, int] = {}
        queue = deque([task])
        while queue:
            mover = queue.popleft()
            for agent in self.tasks[mover].keys() - wanted_by.keys():
                wanted_by[agent] = mover
                if len(self.held[agent]) < self.free[agent]:
                    self._shift(agent, wanted_by)
                    return True
                queue.extend(self.held[agent])
        return False

    def _shift(self, agent: int | None, wanted_by: Mapping[int, int]) -> None:
        """Move along the path that ends at ``agent``: each task on it leaves its place to the one before it."""
        while agent is not None:
            task = wanted_by[agent]
            left = self.place.get(task)
            if left is not None:
                self.held[left].discard(task)
            self.place[task] = agent
            self.held[agent].add(task)
            agent = left
