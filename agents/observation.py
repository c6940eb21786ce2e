"""What calls took, gathered in memory until somebody writes it down: the cost of a call's measurement is one append.

Any thread may observe; one drains at a time. Pure: it knows no database.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.outcomes import Fault
from orchestra.kernel.series import MINUTE_S, Histogram

MOST_HELD = 200_000
"""Calls that nobody has drained yet; of more the oldest are forgotten, as in a process whose heart has stopped."""

Minute = tuple[int, int]
"""An agent, and the minute in which its calls ended, as whole minutes since 1970."""


@dataclass(slots=True)
class Tally:
    """What is known of one agent in one minute."""

    calls: int = 0
    failures: dict[Fault, int] = field(default_factory=dict)
    took: Histogram = field(default_factory=Histogram)
    cpu_s: float = 0.0
    cpu_calls: int = 0
    memory_bytes: int = 0
    samples: int = 0
    cpu_percent: float = 0.0
    cpu_samples: int = 0
    is_within: bool = False
    """Whether calls of it were made within this process, whose memory is theirs then."""

    def count(self, seconds: float, fault: Fault | None) -> None:
        """One call that ended; how long one took that was lost with its worker, nobody knows."""
        self.calls += 1
        if fault is not None:
            self.failures[fault] = self.failures.get(fault, 0) + 1
        if fault != Fault.LOST:
            self.took.add(seconds)

    def spend(self, cpu_s: float) -> None:
        self.cpu_s += cpu_s
        self.cpu_calls += 1

    def sample(self, memory_bytes: int | None, cpu_percent: float | None = None) -> None:
        """What a process used at a moment; None where it could not be measured."""
        if memory_bytes is not None:
            self.memory_bytes += memory_bytes
            self.samples += 1
        if cpu_percent is not None:
            self.cpu_percent += cpu_percent
            self.cpu_samples += 1

    def merge(self, other: "Tally") -> None:
        """Add what ``other`` has counted."""
        self.calls += other.calls
        for fault, count in other.failures.items():
            self.failures[fault] = self.failures.get(fault, 0) + count
        self.took.merge(other.took)
        self.cpu_s += other.cpu_s
        self.cpu_calls += other.cpu_calls
        self.memory_bytes += other.memory_bytes
        self.samples += other.samples
        self.cpu_percent += other.cpu_percent
        self.cpu_samples += other.cpu_samples


class Observations:
    """Calls that ended, and processor time that their threads spent, since the last time somebody drained them."""

    def __init__(self, most: int = MOST_HELD) -> None:
        self._ended: deque[tuple[int, float, float, Fault | None, bool]] = deque(maxlen=most)
        self._spent: deque[tuple[int, float, float]] = deque(maxlen=most)
        self._kept: dict[Minute, Tally] = {}
        self._draining = threading.Lock()

    def observe(self, agent: int, seconds: float, fault: Fault | None = None, *, within: bool = False) -> None:
        """A call of ``agent`` ended now, after ``seconds``; ``fault`` says whose it was that it failed.

        ``within``: the agent is a function of this very process.
        """
        self._ended.append((agent, time.time(), seconds, fault, within))

    def spend(self, agent: int, cpu_s: float) -> None:
        """The thread of a call of ``agent`` used so much processor time, whatever became of the call."""
        self._spent.append((agent, time.time(), cpu_s))

    def drain(self) -> dict[Minute, Tally]:
        """All that was observed since, by agent and minute."""
        with self._draining:
            tallies, self._kept = self._kept, {}
            for _ in range(len(self._ended)):
                agent, at, seconds, fault, within = self._ended.popleft()
                tally = _of(tallies, agent, at)
                tally.count(seconds, fault)
                tally.is_within |= within
            for _ in range(len(self._spent)):
                agent, at, cpu_s = self._spent.popleft()
                _of(tallies, agent, at).spend(cpu_s)
            return tallies

    def keep(self, tallies: Mapping[Minute, Tally]) -> None:
        """Take back what could not be written: the next :meth:`drain` has it too."""
        with self._draining:
            for key, tally in tallies.items():
                self._kept.setdefault(key, Tally()).merge(tally)


def _of(tallies: dict[Minute, Tally], agent: int, at: float) -> Tally:
    key = (agent, int(at // MINUTE_S))
    tally = tallies.get(key)
    if tally is None:
        tally = tallies[key] = Tally()
    return tally


CALLS = Observations()
"""Those of this process."""
