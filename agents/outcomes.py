"""What a call can come to: a small vocabulary that every kind of agent answers in."""

from collections.abc import Callable
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


def _unheard(text: str) -> None:
    """Nobody watches."""


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
    agent: int = 0
    """The number of the agent; 0 where it is called by hand."""
    task: int = 0
    lease: int = 0
    """By these two whoever answers later completes the task over the API; 0 where it is called by hand."""
    report: Callable[[str], None] = field(default=_unheard, repr=False)
    """Takes all of the text that has been written so far; whoever watches the run reads it while the call goes on."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call to a model took: tokens in and out, and their price in the currency of the agent's configuration."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    model: str = ""
    is_estimated: bool = False
    """Whether the server did not count the tokens."""


@dataclass(frozen=True, slots=True)
class Done:
    output: Any
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """``message`` is a sentence for an operator."""

    message: str
    retryable: bool = True
    fault: Fault = Fault.AGENT
    retry_after_s: float | None = None
    """Not sooner than this, where the agent said so; the step's own delay counts if it is longer."""
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """Somebody else will answer later: a person, or a worker elsewhere. Within so many seconds, where it says so."""

    waits_for: str
    within_s: float | None = None


Outcome = Done | Failed | Pending


class AgentError(Exception):
    """Raised by an agent's function to fail with a sentence and a word on whether a retry helps."""

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = True,
        fault: Fault = Fault.AGENT,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.fault = fault
        self.retry_after_s = retry_after_s
        self.usage = usage
