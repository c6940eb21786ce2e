"""The critical path of runs: the chain of steps, each waiting for the one before, that a run's end waited for. Pure.

The classic critical path method (Kelley and Walker, 1959): the longest path through a graph without cycles, its nodes
weighted by how long each took.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter


@dataclass(frozen=True, slots=True)
class Path:
    """Steps in their order, and the sum of their weights."""

    steps: tuple[str, ...]
    length: float


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds that a step waited for its turn, and that it then took."""

    waited_s: float
    worked_s: float

    @property
    def all_s(self) -> float:
        return self.waited_s + self.worked_s


@dataclass(frozen=True, slots=True)
class Hold:
    """How much a step held up runs: seconds a run on the critical path, on average over all runs, and their share."""

    step: str
    seconds: float
    share: float
    waited_s: float
    on_path: float
    """In which share of the runs it lay on the critical path."""


def longest(weights: Mapping[str, float], needs: Mapping[str, Collection[str]]) -> Path:
    """The longest path; ``needs`` says which steps each one waits for.

    Steps without a weight did not take place: they count nothing, and paths lead on through them. Of paths equally
    long it is the same one every time. Raises ``graphlib.CycleError`` if the steps wait for one another.
    """
    graph = {step: sorted(needs.get(step, ())) for step in sorted({*weights, *needs})}
    best: dict[str, tuple[float, str]] = {}
    for step in TopologicalSorter(graph).static_order():
        before = [(best[need][0], need) for need in graph.get(step, ())]
        length, need = max(before, default=(0.0, ""))
        best[step] = (length + weights.get(step, 0.0), need)
    if not best:
        return Path((), 0.0)
    last = max(sorted(best), key=lambda step: best[step][0])
    steps, at = [], last
    while at:
        steps.append(at)
        at = best[at][1]
    return Path(tuple(step for step in reversed(steps) if step in weights), best[last][0])


def holds(runs: Iterable[Mapping[str, Took]], needs: Mapping[str, Collection[str]]) -> list[Hold]:
    """What held up ``runs``, which say of each step that took place how long it took; the worst step first."""
    seconds: dict[str, float] = {}
    waited: dict[str, float] = {}
    times: dict[str, int] = {}
    count, total = 0, 0.0
    for run in runs:
        path = longest({step: took.all_s for step, took in run.items()}, needs)
        count += 1
        total += path.length
        for step in path.steps:
            seconds[step] = seconds.get(step, 0.0) + run[step].all_s
            waited[step] = waited.get(step, 0.0) + run[step].waited_s
            times[step] = times.get(step, 0) + 1
    worst = sorted(seconds, key=lambda step: (-seconds[step], step))
    return [
        Hold(
            step,
            seconds[step] / count,
            seconds[step] / total if total else 0.0,
            waited[step] / count,
            times[step] / count,
        )
        for step in worst
    ]
