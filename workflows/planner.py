"""What happens next in a run: (definition, states of its steps) → commands. Pure: no clock, no database, no chance.

Given the same states it gives the same commands, and applying them and asking again gives none, so it may be asked as
often as one likes: after an outcome, after a crash, by two workers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.definition import Definition, StepSpec

SETTLED = frozenset({"succeeded", "failed", "skipped", "cancelled", "dead", "compensated"})
FAILED = frozenset({"failed", "cancelled", "dead"})
_MISSING = "pending"


@dataclass(frozen=True, slots=True)
class Start:
    """Make the step ready for an agent."""

    step: StepSpec


@dataclass(frozen=True, slots=True)
class Wait:
    """Let the step wait for a person."""

    step: StepSpec


@dataclass(frozen=True, slots=True)
class Skip:
    """Leave the step out: its condition does not hold."""

    step: StepSpec


@dataclass(frozen=True, slots=True)
class Fail:
    """The step cannot even begin: its condition cannot be decided."""

    step: StepSpec
    reason: str


@dataclass(frozen=True, slots=True)
class Finish:
    """End the run."""

    status: str
    error: str = ""


Command = Start | Wait | Skip | Fail | Finish
Decide = Callable[[str, Mapping[str, str]], bool]
"""Whether a condition holds, given the statuses so far; may raise Undecidable."""


class Undecidable(Exception):
    """A condition cannot be decided; the message says why."""


def plan(definition: Definition, statuses: Mapping[str, str], decide: Decide) -> list[Command]:
    """The commands that follow from ``statuses`` (of the steps reached so far), in the order of the definition."""
    after = dict(statuses)
    commands: list[Command] = []
    broken = _broken_by(definition, after)
    if not broken:
        for step in definition.steps:
            if after.get(step.name, _MISSING) == _MISSING and _is_due(step, after):
                command = _command(step, after, decide)
                commands.append(command)
                after[step.name] = _RESULT[type(command)]
        broken = _broken_by(definition, after)
    if broken and _nothing_runs(after):
        commands.append(Finish("failed", f"The critical step {broken} failed."))
    elif not broken and all(after.get(step.name) in SETTLED for step in definition.steps):
        commands.append(Finish("succeeded"))
    return commands


_RESULT: dict[type[Any], str] = {Start: "ready", Wait: "waiting", Skip: "skipped", Fail: "failed"}


def _broken_by(definition: Definition, statuses: Mapping[str, str]) -> str:
    """The first critical step that failed, or nothing."""
    return next((step.name for step in definition.steps if step.critical and statuses.get(step.name) in FAILED), "")


def _is_due(step: StepSpec, statuses: Mapping[str, str]) -> bool:
    return all(statuses.get(need) in SETTLED for need in step.needs)


def _nothing_runs(statuses: Mapping[str, str]) -> bool:
    return all(status in SETTLED or status == _MISSING for status in statuses.values())


def _command(step: StepSpec, statuses: Mapping[str, str], decide: Decide) -> Command:
    try:
        if step.when and not decide(step.when, statuses):
            return Skip(step)
    except Undecidable as error:
        return Fail(step, str(error))
    return Wait(step) if step.human is not None else Start(step)
