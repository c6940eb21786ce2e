"""What happens next in a run: (definition, states of its tasks) → commands. Pure: no clock, no database, no chance.

Given the same states it gives the same commands, and what was applied is not commanded again, so it may be asked as
often as one likes: after an outcome, after a crash, by two workers. It is asked until no command comes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workflows.definition import Definition, StepSpec

SETTLED = frozenset({"succeeded", "failed", "skipped", "cancelled", "dead", "compensating", "compensated"})
FAILED = frozenset({"failed", "dead"})
CHUNK = 500
"""Items of a fan-out begun at once."""
_MISSING = "pending"


@dataclass(slots=True)
class Fan:
    """A fan-out: how many items it has, and how many of those begun are in which status."""

    total: int
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def begun(self) -> int:
        """Items that are pending are left of an earlier try and will be begun again."""
        return sum(count for status, count in self.counts.items() if status != _MISSING)

    @property
    def open(self) -> int:
        return sum(count for status, count in self.counts.items() if status not in (*SETTLED, _MISSING))

    @property
    def idle(self) -> int:
        """Items under way that no call is in flight for."""
        return self.open - self.counts.get("running", 0)

    @property
    def failed(self) -> int:
        return sum(self.counts.get(status, 0) for status in FAILED)

    def move(self, before: str | None, after: str) -> None:
        """Count an item that went from ``before`` (None: it is new) to ``after``."""
        if before is not None:
            self.counts[before] -= 1
        self.counts[after] = self.counts.get(after, 0) + 1


@dataclass(frozen=True, slots=True)
class Start:
    """Make the step ready for an agent."""

    step: StepSpec


@dataclass(frozen=True, slots=True)
class Wait:
    """Let the step wait for what its kind says: a person, the time, a signal, another run, the items of its list."""

    step: StepSpec


@dataclass(frozen=True, slots=True)
class StartItems:
    """Begin ``count`` items of a fan-out, the first of them being number ``first``."""

    step: StepSpec
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class WithdrawItems:
    """Cancel the items of a fan-out that are ready; calls in flight end by themselves."""

    step: StepSpec
    reason: str


@dataclass(frozen=True, slots=True)
class Join:
    """End a fan-out: all of its items have ended that ever will."""

    step: StepSpec
    status: str
    error: str = ""


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
class End:
    """The step is reached that ends its run."""

    step: StepSpec


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Cancel steps with their items; ``running`` says whether calls in flight are given up too."""

    steps: tuple[str, ...]
    reason: str
    running: bool


@dataclass(frozen=True, slots=True)
class Undo:
    """Make what undoes a task ready for an agent."""

    task: str


@dataclass(frozen=True, slots=True)
class Finish:
    """End the run; what had succeeded is undone first, unless it ends well."""

    status: str
    error: str = ""


Command = Start | Wait | StartItems | WithdrawItems | Join | Skip | Fail | End | Withdraw | Finish
Decide = Callable[[str, Mapping[str, str]], bool]
"""Whether a condition holds, given the statuses so far; may raise Undecidable."""


class Undecidable(Exception):
    """A condition cannot be decided; the message says why."""


def plan(
    definition: Definition, statuses: Mapping[str, str], decide: Decide, fans: Mapping[str, Fan] | None = None
) -> list[Command]:
    """The commands that follow from ``statuses`` (of the steps reached so far), in the order of the definition.

    ``fans`` tells of those steps that fan out; the items themselves are not among ``statuses``.
    """
    after, fans = dict(statuses), fans or {}
    ending = _ending(definition, after)
    commands: list[Command] = []
    if ending is None or not ending.at_once:  # else everything is withdrawn anyway
        commands += _withdrawals(definition, after)
    if ending is None:
        for step in definition.steps:
            status = after.get(step.name, _MISSING)
            if status != _MISSING and step.name not in fans:
                continue  # it is under way or has ended, as most have most of the time
            for command in _commands(step, after, fans, decide):
                commands.append(command)
                after[step.name] = _RESULT.get(type(command), status)
        ending = _ending(definition, after)
    if ending is not None:
        commands += _end(ending, after, fans)
    elif len(after) >= len(definition.steps) and all(after.get(step.name) in SETTLED for step in definition.steps):
        commands.append(Finish("succeeded"))
    return commands


def plan_undoing(done: Sequence[tuple[str, str]], ends_as: str) -> list[Undo | Finish]:
    """What follows in a run that is being undone: one task at a time, the last to succeed first.

    ``done`` names the tasks that can be undone, in the order in which they had succeeded, with their statuses.
    """
    if any(status == "compensating" for _, status in done):
        return []
    left = [task for task, status in done if status == "succeeded"]
    return [Undo(left[-1])] if left else [Finish(ends_as)]


_RESULT: dict[type[Any], str] = {
    Start: "ready",
    Wait: "waiting",
    StartItems: "waiting",
    Skip: "skipped",
    End: "succeeded",
}
"""What a step is after a command. What Fail and Join come to is the step's ``on_failure`` to say, and seen when asked
again: nothing may follow from them before."""


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a run is to end before all of its steps have: calls in flight may end by themselves, unless ``at_once``."""

    status: str
    error: str
    at_once: bool = False


def _ending(definition: Definition, statuses: Mapping[str, str]) -> _Ending | None:
    if not definition.ends_early and FAILED.isdisjoint(statuses.values()):
        return None
    for step in definition.steps:
        status = statuses.get(step.name)
        if step.critical and status in FAILED:
            return _Ending("failed", f"The critical step {step.name} failed.")
        if step.end and status == "succeeded":
            return _Ending(step.end, "" if step.end == "succeeded" else f"The step {step.name} ended it.", at_once=True)
    return None


def _end(ending: _Ending, statuses: dict[str, str], fans: Mapping[str, Fan]) -> Iterator[Command]:
    leave = () if ending.at_once else ("running",)
    open_ = tuple(name for name, status in statuses.items() if status not in (*SETTLED, *leave, _MISSING))
    open_ += tuple(  # an item that was in flight when its step was withdrawn, and is to be tried again
        name for name, fan in fans.items() if name not in open_ and (fan.open if ending.at_once else fan.idle)
    )
    if open_:
        yield Withdraw(open_, ending.error or "The run ended.", running=ending.at_once)
    if ending.at_once or (
        "running" not in statuses.values() and not any(fan.counts.get("running") for fan in fans.values())
    ):
        yield Finish(ending.status, ending.error)


def _withdrawals(definition: Definition, statuses: dict[str, str]) -> Iterator[Withdraw]:
    for step in definition.steps if definition.withdraws else ():
        if not step.cancels or statuses.get(step.name) != "succeeded":
            continue
        targets = tuple(name for name in step.cancels if statuses.get(name, _MISSING) not in SETTLED)
        if targets:
            statuses.update(dict.fromkeys(targets, "cancelled"))
            yield Withdraw(targets, f"The step {step.name} succeeded, which withdraws it.", running=True)


def _commands(
    step: StepSpec, statuses: Mapping[str, str], fans: Mapping[str, Fan], decide: Decide
) -> Iterator[Start | Wait | StartItems | WithdrawItems | Join | Skip | Fail | End]:
    status = statuses.get(step.name, _MISSING)
    if status == _MISSING and _is_due(step, statuses):
        yield _begin(step, statuses, decide)
    elif status == "waiting" and step.name in fans:
        yield from _go_on(step, fans[step.name])


def _is_due(step: StepSpec, statuses: Mapping[str, str]) -> bool:
    if step.join and sum(statuses.get(need) == "succeeded" for need in step.needs) >= step.join:
        return True
    return all(statuses.get(need) in SETTLED for need in step.needs)


def _begin(step: StepSpec, statuses: Mapping[str, str], decide: Decide) -> Start | Wait | Skip | Fail | End:
    succeeded = sum(statuses.get(need) == "succeeded" for need in step.needs)
    if succeeded < step.join:
        return Fail(step, f"{succeeded} of the steps that it needs succeeded, and {step.join} must.")
    try:
        if step.when and not decide(step.when, statuses):
            return Skip(step)
    except Undecidable as error:
        return Fail(step, str(error))
    if step.end:
        return End(step)
    return Start(step) if step.kind == "agent" and not step.for_each else Wait(step)


def _go_on(step: StepSpec, fan: Fan) -> Iterator[StartItems | WithdrawItems | Join]:
    """A failed item lets no other begin; the fan-out ends when those begun have.

    One that is dead may yet be tried again, so the ready ones are not withdrawn for its sake.
    """
    if step.critical and fan.counts.get("failed") and fan.counts.get("ready"):
        yield WithdrawItems(step, f"Another item of {step.name} failed.")
        return
    if not fan.failed or not step.critical:
        count = min(step.max_parallel - fan.open, fan.total - fan.begun, CHUNK)
        if count > 0:
            yield StartItems(step, fan.begun, count)
            return
    if fan.open == 0:
        failed = fan.failed
        yield Join(step, "failed", f"{failed} of its {fan.total} items failed.") if failed else Join(step, "succeeded")
