"""What remote workers need from above: the tasks that are theirs to do. Filled in by the app that has tasks."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from agents.snapshot import AgentView
from orchestra.kernel.registry import Port

Abilities = frozenset[str]


@dataclass(frozen=True, slots=True)
class Work:
    """A claimed task, with all that a call has: see docs/agent-protocol.md."""

    task: int
    lease: int
    input: Any
    deadline: datetime
    key: str
    attempt: int
    correlation: str
    config: Mapping[str, Any]


class Tasks(Protocol):
    """Where remote workers claim. ``holder`` is the name of a registration, which is the claimer of what it holds."""

    def claim(self, worker: AgentView, most: int) -> list[Work]:
        """Claim up to ``most`` tasks for a worker, and ``remote.keep_registration`` in the same transaction."""

    def renew(self, holder: str, tasks: Collection[int] | None) -> list[int]:
        """Renew the leases of ``tasks``, or of all that ``holder`` holds; returns those that are no longer its own."""

    def release(self, holder: str, tasks: Collection[int] | None = None) -> int:
        """Give back at once what ``holder`` holds, or ``tasks``, which it was never told of; returns how many."""

    def waiting(self, able: Collection[Abilities]) -> Mapping[Abilities, int]:
        """What tasks that wait ask for and one of ``able`` can do, with how many ask for it; a bounded look."""

    def trial(self, agent: int, payload: Any, *, within_s: float) -> "Trial":
        """Have the worker do a task made of ``payload``, and wait for it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a trial: whether it was answered, and the answer or what went wrong."""

    output: Any
    error: str
    timed_out: bool = False


tasks: Port[Tasks] = Port("who has tasks for remote workers")
