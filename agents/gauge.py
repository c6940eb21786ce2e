"""Measures processes with all that they started: memory, and processor time since the last look."""

import time
from collections.abc import Iterator, Mapping

import psutil

from agents.presence import Figures

Known = dict[tuple[int, float], float]
"""Processor seconds of processes, by number and the time of their creation, since numbers come back."""


class Gauge:
    """Remembers what it read, because a processor share is a difference. One thread at a time."""

    def __init__(self) -> None:
        self._before: dict[int, tuple[float, Known]] = {}

    def read(self, tethers: Mapping[int, int]) -> dict[int, Figures]:
        """What each agent's process uses, its tether left out; ``tethers`` are their numbers, by agent.

        The processor share is not known at the first look. An agent whose process is gone is left out.
        """
        children = _children()
        figures: dict[int, Figures] = {}
        known: dict[int, tuple[float, Known]] = {}
        for agent, tether in tethers.items():
            memory, spent = _sum(_below(children, tether))
            if not spent:
                continue
            now = time.monotonic()
            figures[agent] = Figures(memory, _share(self._before.get(agent), now, spent))
            known[agent] = (now, spent)
        self._before = known
        return figures


def _share(before: tuple[float, Known] | None, now: float, spent: Known) -> float | None:
    """Percent of one processor. Of a process that is new since, all of its time is new."""
    if before is None or not before[1].keys() & spent.keys():
        return None
    at, known = before
    seconds = sum(max(0.0, total - known.get(process, 0.0)) for process, total in spent.items())
    return round(100 * seconds / max(now - at, 0.001), 1)


def _sum(processes: Iterator[psutil.Process]) -> tuple[int, Known]:
    """Resident memory and processor time; pages that several of them share count for each."""
    memory, spent = 0, Known()
    for process in processes:
        try:
            with process.oneshot():
                times = process.cpu_times()
                memory += process.memory_info().rss
                spent[process.pid, process.create_time()] = times.user + times.system
        except psutil.Error:  # it has just ended
            continue
    return memory, spent


def _children() -> dict[int, list[psutil.Process]]:
    """All processes of this machine by their parents: one look serves any number of agents."""
    children: dict[int, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        try:
            children.setdefault(process.ppid(), []).append(process)
        except psutil.Error:
            continue
    return children


def _below(children: Mapping[int, list[psutil.Process]], root: int) -> Iterator[psutil.Process]:
    rest = [root]
    while rest:
        found = children.get(rest.pop(), [])
        yield from found
        rest += [process.pid for process in found]
