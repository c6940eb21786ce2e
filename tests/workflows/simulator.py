"""The engine without a database: applies the planner's commands to statuses, as the tests choose order and crashes."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from workflows.definition import Definition, StepSpec, item, step_of
from workflows.planner import (
    SETTLED,
    Command,
    End,
    Fail,
    Fan,
    Finish,
    Join,
    Skip,
    Start,
    StartItems,
    Undecidable,
    Undo,
    Wait,
    Withdraw,
    WithdrawItems,
    plan,
    plan_undoing,
)

PATIENCE = 2000
"""Moves after which a run that has not ended never will."""
AGAIN = "again"
"""The outcome of a try that is followed by another."""


def decide(condition: str, statuses: object) -> bool:
    """Conditions of these tests are the words they come out as."""
    if condition == "broken":
        raise Undecidable("nobody knows")
    return condition == "true"


@dataclass
class Script:
    """How each task comes out, try by try (the last for ever; well if nothing is said), and how many items it has."""

    outcomes: Mapping[str, list[str]] = field(default_factory=dict)
    totals: Mapping[str, int] = field(default_factory=dict)

    def outcome(self, task: str, attempt: int) -> str:
        tries = self.outcomes.get(task) or ["succeeded"]
        return tries[min(attempt, len(tries)) - 1]


class Simulation:
    """A run: statuses of its steps and items, the order in which things happened, and how it ended.

    ``chance`` decides which open task moves next and where the process dies: whatever was planned but not yet applied
    is lost then, and planned again.
    """

    def __init__(self, definition: Definition, script: Script, chance: random.Random, crashes: float = 0.2) -> None:
        self.definition, self.script, self.chance, self.crashes = definition, script, chance, crashes
        self.states: dict[str, str] = {}
        self.items: dict[str, dict[str, str]] = {}
        self.tries: dict[str, int] = {}
        self.started: list[str] = []
        self.succeeded: list[str] = []
        self.seen: dict[str, dict[str, str]] = {}
        self.verdict = ""
        self.moves = 0

    def run(self) -> str:
        """Go on until the run has ended; returns how."""
        while not self.verdict:
            self.moves += 1
            assert self.moves < PATIENCE, "the run never ends"
            commands = self.ask()
            if not commands:
                self.move_one()
            elif self.chance.random() < 0.3:
                self.move_one()  # something happens between the commit and the next look
        return self.verdict

    def ask(self) -> list[Command]:
        """Plan from what is stored, and apply it, or as much of it as the process lives for."""
        commands = plan(self.definition, self.states, decide, self.fans())
        for command in commands:
            if self.chance.random() < self.crashes:
                break
            self.apply(command)
        return commands

    def fans(self) -> dict[str, Fan]:
        """Counted anew from what is stored, as the engine does."""
        fans = {name: Fan(self.script.totals[name]) for name in self.items}
        for name, items in self.items.items():
            for status in items.values():
                fans[name].move(None, status)
        return fans

    def open(self) -> list[str]:
        """Tasks that somebody works on, or will."""
        tasks = {**self.states, **{task: status for items in self.items.values() for task, status in items.items()}}
        return sorted(task for task, status in tasks.items() if status not in SETTLED and task not in self.items)

    def move_one(self) -> None:
        """One open task is claimed, or comes out."""
        tasks = self.open()
        if not tasks:
            return
        task = self.chance.choice(tasks)
        if self.status(task) == "ready":
            self.tries[task] = self.tries.get(task, 0) + 1
            self.set(task, "running")
            return
        outcome = self.script.outcome(task, self.tries.get(task, 1))
        if outcome == AGAIN:
            self.tries[task] = self.tries.get(task, 1) + (self.status(task) == "waiting")
            self.set(task, "ready" if self.status(task) == "running" else "waiting")
        else:
            self.settle(task, outcome)

    def status(self, task: str) -> str:
        return self.items[step_of(task)][task] if "[" in task else self.states[task]

    def set(self, task: str, status: str) -> None:
        if "[" in task:
            self.items[step_of(task)][task] = status
        else:
            self.states[task] = status

    def settle(self, task: str, outcome: str) -> None:
        assert (self.status(task) if task in self.started else "") not in SETTLED, f"{task} ends twice"
        if outcome == "failed":
            outcome = {"skip": "skipped"}.get(self.definition.step(task).on_failure, "failed")
        if outcome == "succeeded":
            assert task not in self.succeeded, f"{task} succeeds twice"
            self.succeeded.append(task)
        self.set(task, outcome)

    def begin(self, task: str, status: str) -> None:
        assert task not in self.started, f"{task} starts twice"
        self.started.append(task)
        self.seen[task] = dict(self.states)
        if "[" in task:
            self.items[step_of(task)][task] = status
        else:
            self.states[task] = status

    def apply(self, command: Command) -> None:
        _APPLY[type(command)](self, command)

    def _start(self, command: Start) -> None:
        self.begin(command.step.name, "ready")

    def _wait(self, command: Wait) -> None:
        self.begin(command.step.name, "waiting")
        if command.step.for_each:
            self.items[command.step.name] = {}

    def _start_items(self, command: StartItems) -> None:
        assert command.count > 0
        for index in range(command.first, command.first + command.count):
            self.begin(item(command.step.name, index), "ready")

    def _join(self, command: Join) -> None:
        assert all(status in SETTLED for status in self.items[command.step.name].values())
        self.settle(command.step.name, command.status)

    def _leave_out(self, command: Skip) -> None:
        self.begin(command.step.name, "skipped")

    def _refuse(self, command: Fail) -> None:
        self.begin(command.step.name, "pending")
        self.settle(command.step.name, "failed")

    def _end(self, command: End) -> None:
        self.begin(command.step.name, "pending")
        self.settle(command.step.name, "succeeded")

    def _withdraw(self, command: Withdraw) -> None:
        spared = SETTLED if command.running else {*SETTLED, "running"}
        for name in command.steps:
            if self.states.get(name, "pending") not in spared:
                self.states[name] = "cancelled"
            for task, status in self.items.get(name, {}).items():
                if status not in spared:
                    self.items[name][task] = "cancelled"

    def _withdraw_items(self, command: WithdrawItems) -> None:
        items = self.items[command.step.name]
        items.update({task: "cancelled" for task, status in items.items() if status == "ready"})

    def _finish(self, command: Finish) -> None:
        self.verdict = command.status


_APPLY: dict[type, Callable[..., None]] = {
    Start: Simulation._start,
    Wait: Simulation._wait,
    StartItems: Simulation._start_items,
    Join: Simulation._join,
    Skip: Simulation._leave_out,
    Fail: Simulation._refuse,
    End: Simulation._end,
    Withdraw: Simulation._withdraw,
    WithdrawItems: Simulation._withdraw_items,
    Finish: Simulation._finish,
}


def undo_all(succeeded: list[str], broken: set[str], chance: random.Random) -> tuple[list[str], dict[str, str], str]:
    """Undo tasks as the planner says; ``broken`` ones cannot be. Returns the order, the statuses and the end."""
    statuses = dict.fromkeys(succeeded, "succeeded")
    undone: list[str] = []
    for _ in range(PATIENCE):
        for command in plan_undoing(list(statuses.items()), "failed"):
            if isinstance(command, Finish):
                return undone, statuses, command.status
            assert isinstance(command, Undo) and command.task not in undone, f"{command} is undone twice"
            if chance.random() < 0.2:
                break  # the process died before the commit
            undone.append(command.task)
            statuses[command.task] = "compensating"
        under_way = [task for task, status in statuses.items() if status == "compensating"]
        if under_way and chance.random() < 0.7:
            statuses[under_way[0]] = "dead" if under_way[0] in broken else "compensated"
    raise AssertionError("the undoing never ends")


def is_due(step: StepSpec, statuses: Mapping[str, str]) -> bool:
    """Whether everything that the step needs was there."""
    succeeded = sum(statuses.get(need) == "succeeded" for need in step.needs)
    return (step.join > 0 and succeeded >= step.join) or all(statuses.get(need) in SETTLED for need in step.needs)
