"""What the runs of a group hold of resources, ask for and give back; nothing of it costs runs that hold none."""

from collections.abc import Mapping
from typing import Any

from agents import reservations
from agents.granting import Line
from agents.reservations import Ask, Given, Return, Settled
from workflows.definition import Definition, is_undo
from workflows.models import Run, Step

_Holder = tuple[int, str]
"""A run and one of its tasks, or an empty text for the run itself."""


class Holdings:
    """Gathers what a group asks for and gives back until :meth:`settle`. ``runs`` may grow meanwhile."""

    def __init__(self, runs: Mapping[int, Run]) -> None:
        self.runs = runs
        self.items: dict[_Holder, Mapping[str, Any]] = {}
        """What items of fan-outs that ask are about, which their rows do not say before they begin."""
        self._asks: dict[_Holder, Ask] = {}
        self._returns: dict[tuple[int, str | None], Return] = {}
        self._standing: dict[_Holder, Given | None] = {}
        self._read: set[int] = set()

    @property
    def is_touched(self) -> bool:
        """Whether anything is to be settled."""
        return bool(self._asks or self._returns)

    def is_asking(self, run: Run) -> bool:
        """Whether the run or a step of it has asked for something, and was not told yet whether it has it."""
        return any(pk == run.pk for pk, _ in self._asks)

    def is_known(self, run: Run, task: str = "") -> bool:
        """Whether the run, or its ``task``, holds something or stands in line for it."""
        self._read_all()
        return (run.pk, task) in self._standing or (run.pk, task) in self._asks

    def given(self, run: Run, task: str = "") -> Given | None:
        """What the run, or its ``task``, holds; None if that is nothing, or is still waited for."""
        self._read_all()
        return self._standing.get((run.pk, task))

    def ask(self, run: Run, task: str, lines: tuple[Line, ...], label: str) -> None:
        self._asks[run.pk, task] = Ask(run.pk, task, lines, label, run.correlation)

    def give_back(self, run: Run, task: str | None, why: str) -> None:
        """What ``task`` holds or waits for, or the run with all of its tasks (None), is to be had by others."""
        for holder in [holder for holder in self._asks if holder[0] == run.pk and task in (None, holder[1])]:
            del self._asks[holder]
        self._returns[run.pk, task] = Return(run.pk, task, why)

    def end_step(self, step: Step, status: str, definition: Definition) -> None:
        """What a step that settles has held is free again, unless its run holds all of it to its end."""
        if not definition.reserves or definition.resources or is_undo(step.name) or step.total is not None:
            return
        if definition.step(step.name).resources:
            self.give_back(self.runs[step.run_id], step.name, f"Its step has ended: {status}.")

    def end_run(self, run: Run, definition: Definition | None) -> None:
        """Whatever an ended run and its steps have held is free again; without a ``definition``, nobody knows what."""
        if definition is None or definition.reserves:
            self.give_back(run, None, f"Its run has ended: {run.status}.")

    def settle(self, *, tells: bool = True) -> tuple[list[_Holder], Settled]:
        """Carry out what was gathered, in one pass; returns who had asked, and what came of it."""
        asks, returns = self._asks, self._returns
        self._asks, self._returns = {}, {}
        settled = reservations.settle(list(asks.values()), list(returns.values()), tells=tells)
        for run, task in returns:
            for holder in [each for each in self._standing if each[0] == run and task in (None, each[1])]:
                del self._standing[holder]
        self._standing |= dict.fromkeys(asks)
        self._standing |= settled.granted
        return list(asks), settled

    def _read_all(self) -> None:
        fresh = self.runs.keys() - self._read
        if fresh:
            self._standing.update(reservations.standing(fresh))
            self._read |= fresh
