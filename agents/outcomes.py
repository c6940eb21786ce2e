"""What a call can come to: a small vocabulary that every kind of agent answers in."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Fault(StrEnum):
    """Whose fault a failure was. Only the agent's own faults and its silence count against it."""

    AGENT = "agent"
    CALLER = "caller"
    TIMEOUT = "timeout"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Call:
    """What an agent is asked: the input of the step, the agent's own configuration, and where the call belongs.

    ``key`` stays the same over all attempts of a step: use it to make side effects idempotent.
    """

    input: Any
    config: dict[str, Any]
    key: str
    attempt: int
    deadline: datetime
    correlation: str
    secrets: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Done:
    output: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """``message`` is a sentence for an operator."""

    message: str
    retryable: bool = True
    fault: Fault = Fault.AGENT


@dataclass(frozen=True, slots=True)
class Pending:
    """Somebody else will answer later: a person, or a worker elsewhere."""

    waits_for: str


Outcome = Done | Failed | Pending


class AgentError(Exception):
    """Raised by an agent's function to fail with a sentence and a word on whether a retry helps."""

    def __init__(self, message: str, *, retryable: bool = True, fault: Fault = Fault.AGENT) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.fault = fault
