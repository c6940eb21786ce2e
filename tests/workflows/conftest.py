"""Workflows, agents and a scripted executor for the tests of the engine."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from agents import fleet, snapshot
from agents.models import Agent
from agents.outcomes import Done, Outcome
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Role
from tests.agents import functions  # noqa: F401  registers the functions
from tests.silent_writes import arranged
from tests.workflows import real_executors
from workflows import definitions, engine, queue, relay, ticker
from workflows.advance import Result
from workflows.definition import UNDO, is_undo, step_of
from workflows.models import Run, Step, StepStatus, WorkflowVersion
from workflows.queue import Assignment, Turn

SYSTEM = Actor.system("test")
OPERATOR = Actor("person", "7", "Olga", role=Role.OPERATOR)


@pytest.fixture
def publish(db: None) -> Callable[..., WorkflowVersion]:
    """``publish("flow", {"name": "a", "capabilities": ["work"]}, …)``: a workflow of these steps, in this order."""

    def make(name: str, *steps: dict[str, Any], **rest: Any) -> WorkflowVersion:
        return definitions.publish(name, {"steps": list(steps), **rest}, by=SYSTEM, allow_unknown=True)

    return make


@pytest.fixture
def begin(publish: Callable[..., WorkflowVersion], worker: Agent) -> Callable[..., Run]:
    """``begin({"x": 1}, step, step, …)``: a run of a workflow of these steps."""

    def start(input_: dict[str, Any], *steps: dict[str, Any], **rest: Any) -> Run:
        publish("flow", *steps, **rest)
        return engine.start("flow", input_, by=OPERATOR)

    return start


@pytest.fixture
def executors() -> Iterator[Callable[..., Any]]:
    """``executors(LEASE_S="6")`` starts one more executor in a process of its own."""
    with real_executors.starting() as start:
        yield start


@pytest.fixture
def own_slots(settings: Any, tmp_path: Path) -> None:
    """Slots of this host that no other process of the suite takes."""
    settings.DATA_DIR = tmp_path


@pytest.fixture
def worker(db: None) -> Agent:
    """An agent that can ``work``, four calls at a time."""
    return fleet.create("python", {"name": "worker-1", "config": {"function": "test.echo"}}, ["work"], by=SYSTEM)


class Script:
    """An executor without a loop: each turn claims, and the test says what the agents answer."""

    name = "executor:here:1"

    def turn(self, *results: Result, room: int = 100, name: str = "") -> Turn:
        return queue.take_turn(results, executor=name or self.name, fleet=snapshot.read(), room=room)

    def answer(self, assignment: Assignment, outcome: Outcome | None = None) -> Result:
        if outcome is None:
            outcome = Done({"by": assignment.agent.name})
        return Result(assignment.step, assignment.agent, outcome, 0.1, assignment.is_probe, assignment.in_a_row)

    def go_on(self, **answers: Any) -> list[str]:
        """Let agents, runs within runs and what is due go on until all is quiet; returns the tasks called, in order.

        ``answers`` say by the name of a task, or of its step, what it comes to: an outcome, a function of the
        assignment, or a list of these, one for each try. All others are done.
        """
        called: list[str] = []
        results: list[Result] = []
        while True:
            assignments = self.turn(*results).assignments
            called += [assignment.step.name for assignment in assignments]
            results = [self.answer(assignment, _outcome(assignment, answers)) for assignment in assignments]
            if not results and not relay.deliver() and not queue.has_work():
                return called

    def claim(self, name: str = "") -> dict[str, Assignment]:
        """Claim all that is ready, by its name; nothing comes back of it yet."""
        return {assignment.step.name: assignment for assignment in self.turn(name=name).assignments}

    def let_time_pass(self, run: Run | None = None) -> None:
        """All that waits for a time is due now, of one run or of all; the clock's tasks are done once."""
        now = timezone.now()
        steps, runs = Step.objects.all(), Run.objects.all()
        if run is not None:
            steps, runs = steps.filter(run=run), runs.filter(pk=run.pk)
        with arranged():
            steps.filter(status=StepStatus.WAITING, wake_at__gt=now).update(wake_at=now)
            steps.filter(status=StepStatus.READY, available_at__gt=now).update(available_at=now)
            runs.filter(start_at__gt=now).update(start_at=now)
            runs.filter(deadline__gt=now).update(deadline=now)
        ticker.tick()

    def let_leases_expire(self) -> int:
        """The executors of all calls in flight are dead; returns how many calls that were."""
        with arranged():
            Step.objects.filter(status=StepStatus.RUNNING).update(lease_expires_at=timezone.now())
        return queue.return_expired()

    def finish(self, outcome: Outcome | None = None) -> None:
        """Go on until nothing more is claimed, every call coming out as ``outcome``."""
        results: list[Result] = []
        while assignments := self.turn(*results).assignments:
            results = [self.answer(assignment, outcome) for assignment in assignments]


def _outcome(assignment: Assignment, answers: dict[str, Any]) -> Outcome | None:
    step = assignment.step
    answer = answers.get(step.name.replace(UNDO, "_undone"), answers.get(step_of(step.name)))
    if is_undo(step.name) and step.name.replace(UNDO, "_undone") not in answers:
        answer = None
    if isinstance(answer, list):
        answer = answer[min(step.attempt, len(answer)) - 1]
    if callable(answer):
        answer = answer(assignment)
    return Done(answer) if isinstance(answer, dict) else answer


@pytest.fixture
def script() -> Script:
    return Script()
