"""What the engine tells the apps above it, in the transaction in which it happens.

An app whose objects are served by runs registers an observer for their kind. It is called once a group with all changes
of its kind, must not query per change, and writes only its own tables.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from orchestra.kernel.registry import Port


@dataclass(frozen=True, slots=True)
class StepChange:
    """A step of a run that serves ``serves_id`` has settled, failed an attempt for good, or begun to wait for a person.

    ``status`` is the step's new status; ``output`` and ``error`` are what it ended with; ``agent`` is the agent's name.
    """

    serves_id: str
    run: int
    step: int
    name: str
    status: str
    output: Any
    error: str
    agent: str
    input: Any


@dataclass(frozen=True, slots=True)
class RunChange:
    """A run that serves ``serves_id`` has ended, or goes on after that since it is retried: it is ``running`` again."""

    serves_id: str
    run: int
    status: str
    output: Any
    error: str


Change = StepChange | RunChange
Observer = Callable[[Sequence[Change]], None]

observers: Port[Observer] = Port("apps whose objects are served by runs, by kind of object")

settlers: Port[Callable[[Any], None]] = Port("what is carried out of what a group has gathered, before it is saved")
"""Given the group; asked only if a run of it holds resources, asks for some or gives some back."""

retries: Port[Callable[[str], str]] = Port("why a run that serves an object may not be retried, by kind of object")
"""Given the object's id: a sentence that says what to do instead, or nothing."""
