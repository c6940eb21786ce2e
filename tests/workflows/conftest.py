"""Workflows, agents and a scripted executor for the tests of the engine."""

from collections.abc import Callable
from typing import Any

import pytest

from agents import fleet, snapshot
from agents.models import Agent
from agents.outcomes import Done, Outcome
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Role
from tests.agents import functions  # noqa: F401  registers the functions
from workflows import definitions, queue
from workflows.advance import Result
from workflows.models import WorkflowVersion
from workflows.queue import Assignment, Turn

SYSTEM = Actor.system("test")
OPERATOR = Actor("person", "7", "Olga", role=Role.OPERATOR)


@pytest.fixture
def publish(db: None) -> Callable[..., WorkflowVersion]:
    """``publish("flow", {"name": "a", "capabilities": ["work"]}, …)``: a workflow of these steps, in this order."""

    def make(name: str, *steps: dict[str, Any], **rest: Any) -> WorkflowVersion:
        return definitions.publish(name, {"steps": list(steps), **rest}, by=SYSTEM)

    return make


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

    def finish(self, outcome: Outcome | None = None) -> None:
        """Go on until nothing more is claimed, every call coming out as ``outcome``."""
        results: list[Result] = []
        while assignments := self.turn(*results).assignments:
            results = [self.answer(assignment, outcome) for assignment in assignments]


@pytest.fixture
def script() -> Script:
    return Script()
