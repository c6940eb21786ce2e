"""Agents for the tests of the fleet."""

from collections.abc import Callable
from typing import Any

import pytest

from agents import fleet
from agents.models import Agent
from orchestra.kernel.access import Actor
from tests.agents import functions

SYSTEM = Actor.system("test")


@pytest.fixture
def make_agent(db: None) -> Callable[..., Agent]:
    """``make_agent("billing-1", ["draft"], max_concurrency=2)``: an online agent that echoes, unless told otherwise."""

    def make(name: str, capabilities: list[str] | None = None, kind: str = "python", **values: Any) -> Agent:
        config = {"function": "test.echo"} if kind == "python" else {}
        return fleet.create(kind, {"name": name, "config": config} | values, capabilities or [], by=SYSTEM)

    return make


@pytest.fixture
def stuck_released() -> Any:
    """``test.stuck`` waits until the test ends."""
    functions.release.clear()
    yield functions.release
    functions.release.set()
