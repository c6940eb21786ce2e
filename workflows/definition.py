"""What a definition says, as values. ``reader.py`` makes them from YAML or JSON; the planner and the engine go by them.

The tasks of a run are named after their steps: ``pick`` is the step, ``pick[3]`` the fourth item of its fan-out, and
``pick.compensate`` or ``pick[3].compensate`` what undoes one of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from agents.granting import Line
from orchestra.kernel.retry import RetryPolicy

DEFAULT_TIMEOUT_S = 30.0
UNDO = ".compensate"
_UNDO_RETRY = RetryPolicy(attempts=5)


@dataclass(frozen=True, slots=True)
class HumanSpec:
    """A step that a person does: who may, what the answer must look like, and what happens without one."""

    role: str = "operator"
    title: str = ""
    form: Mapping[str, Any] | None = None
    timeout_s: float | None = None
    on_timeout: str = "fail"
    """``fail``, ``skip``, or ``escalate``: it goes on waiting, for an administrator."""


@dataclass(frozen=True, slots=True)
class ConcurrencySpec:
    """At most ``limit`` steps whose expression ``key`` gives the same text run at a time."""

    key: str
    limit: int = 1


@dataclass(frozen=True, slots=True)
class CompensateSpec:
    """What undoes a step that had succeeded, when its run fails or is cancelled later."""

    capabilities: tuple[str, ...]
    prefers: tuple[str, ...] = ()
    input: Any = None
    """Sees the run's input and outputs, and ``input`` and ``output`` of the step; without it, it is given those two."""
    timeout_s: float = DEFAULT_TIMEOUT_S
    retry: RetryPolicy = _UNDO_RETRY


@dataclass(frozen=True, slots=True)
class RepeatSpec:
    """The step is done again, ``delay_s`` after each success, until the condition holds."""

    until: str
    max: int = 100
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Branch:
    """One of the events of which the first wins: a signal, or the passing of time."""

    name: str
    signal: str = ""
    wait_s: float | None = None


@dataclass(frozen=True)
class StepSpec:
    """What a definition says of one step; durations in seconds."""

    name: str
    needs: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    prefers: tuple[str, ...] = ()
    input: Any = None
    when: str = ""
    timeout_s: float = DEFAULT_TIMEOUT_S
    critical: bool = True
    effects: bool = False
    retry: RetryPolicy = RetryPolicy()
    title: str = ""
    human: HumanSpec | None = None
    wait_s: float | None = None
    signal: str = ""
    workflow: str = ""
    first_of: tuple[Branch, ...] = ()
    end: str = ""
    for_each: str = ""
    item_name: str = "item"
    max_parallel: int = 10
    repeat: RepeatSpec | None = None
    compensate: CompensateSpec | None = None
    concurrency: ConcurrencySpec | None = None
    on_failure: str = "fail"
    """``fail``, ``skip``, or ``escalate``: a person takes over."""
    join: int = 0
    """So many of its needs must have succeeded before it begins, else it fails; 0: all must have ended."""
    cancels: tuple[str, ...] = ()
    """Steps that are withdrawn when this one has succeeded."""
    resources: tuple[Line, ...] = ()
    """What it holds while it runs."""
    actions: tuple[Mapping[str, Any], ...] = ()

    @property
    def kind(self) -> str:
        """``agent``, ``human``, ``wait``, ``signal``, ``workflow``, ``first_of`` or ``end``."""
        for kind in ("human", "signal", "workflow", "first_of", "end"):
            if getattr(self, kind):
                return kind
        return "wait" if self.wait_s is not None else "agent"


@dataclass(frozen=True)
class Definition:
    """A whole definition, its steps in an order in which each comes after what it needs."""

    name: str
    steps: tuple[StepSpec, ...]
    output: Mapping[str, str] = field(default_factory=dict)
    queue: str = "default"
    title: str = ""
    input_schema: Mapping[str, Any] | None = None
    serves: str = ""
    """The kind of object that its runs must serve: such a workflow is begun by that object's pages, not by itself."""
    deadline_s: float | None = None
    resources: tuple[Line, ...] = ()
    """What a run holds from its first step to its last."""

    def step(self, name: str) -> StepSpec:
        """The step that a task belongs to, by the task's name."""
        return self.by_name[step_of(name)]

    @cached_property
    def by_name(self) -> dict[str, StepSpec]:
        return {step.name: step for step in self.steps}

    @cached_property
    def undoes(self) -> bool:
        """Whether any of its steps can be undone."""
        return any(step.compensate for step in self.steps)

    @cached_property
    def withdraws(self) -> bool:
        """Whether the success of any of its steps withdraws others."""
        return any(step.cancels for step in self.steps)

    @cached_property
    def ends_early(self) -> bool:
        """Whether any of its steps ends the run."""
        return any(step.end for step in self.steps)

    @cached_property
    def reserves(self) -> bool:
        """Whether its runs, or any of its steps, hold resources."""
        return bool(self.resources) or any(step.resources for step in self.steps)

    @cached_property
    def at_once(self) -> tuple[Line, ...]:
        """What a run takes before its first step: if anything, then also what its steps need, as ``STEP.NAME``."""
        return held_at_once(self.resources, self.steps)

    @cached_property
    def fans_out(self) -> bool:
        return any(step.for_each for step in self.steps)

    @cached_property
    def takes_signals(self) -> bool:
        return any(step.signal or step.first_of for step in self.steps)


def held_at_once(resources: Sequence[Line], steps: Iterable[StepSpec]) -> tuple[Line, ...]:
    """What a run takes at its beginning, whose definition has ``resources`` and ``steps``.

    Who holds one thing and waits for another may wait for ever; so what steps need is taken with what the run does.
    """
    if not resources:
        return ()
    inner = [replace(line, name=f"{step.name}.{line.name}") for step in steps for line in step.resources]
    return (*resources, *inner)


def step_of(task: str) -> str:
    """The name of the step that the task ``task`` belongs to."""
    return task.removesuffix(UNDO).partition("[")[0]


def item(step: str, index: int) -> str:
    """The name of an item of a fan-out, counted from 0."""
    return f"{step}[{index}]"


def index_of(task: str) -> int | None:
    """Which item of a fan-out a task is, or undoes; None if it is none."""
    _, bracket, rest = task.removesuffix(UNDO).partition("[")
    return int(rest[:-1]) if bracket else None


def undo(task: str) -> str:
    """The name of the task that undoes ``task``."""
    return task + UNDO


def is_undo(task: str) -> bool:
    return task.endswith(UNDO)


def undone_by(task: str) -> str:
    """The task that ``task`` undoes."""
    return task.removesuffix(UNDO)
