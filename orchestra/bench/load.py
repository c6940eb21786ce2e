"""What benchmarks run: agents that do nothing or leave a mark in a file, and workflows of them."""

import asyncio
import os
import time
from typing import Any

from agents import fleet
from agents.kinds.python import function
from agents.outcomes import Call
from orchestra.kernel.access import Actor
from workflows import definitions
from workflows.models import WorkflowVersion

BENCH = Actor.system("benchmark")
MARKS = "ORCHESTRA_BENCH_MARKS"
AGENTS = 3
SLOTS = 10_000
ANSWER_S = 0.05


@function("bench.noop")
async def noop(call: Call) -> dict[str, Any]:
    """Do nothing."""
    return {"done": True}


@function("bench.sleep")
async def sleep(call: Call) -> dict[str, Any]:
    """Take as many seconds as the input says, as a slow service does."""
    await asyncio.sleep(call.input["seconds"])
    return {"slept": True}


@function("bench.mark")
def mark(call: Call) -> dict[str, Any]:
    """Append key and attempt to a file outside the database, as a payment would leave a trace at the bank.

    The answer comes a moment later: whoever is killed meanwhile has done something that nobody knows of.
    """
    line = f"{call.input['run']} {call.input['step']} {call.key} {call.attempt}\n".encode()
    file = os.open(os.environ[MARKS], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line)
    finally:
        os.close(file)
    time.sleep(ANSWER_S)
    return {"marked": True}


def fleet_of(function_name: str, capability: str, *, slots: int = SLOTS) -> None:
    """Three like agents, so that there is something to choose from."""
    for number in range(1, AGENTS + 1):
        values = {
            "name": f"{capability}-{number}",
            "config": {"function": function_name},
            "max_concurrency": slots,
        }
        fleet.create("python", values, [capability], by=BENCH)


def workflow_of(name: str, capability: str, steps: int, **step: Any) -> WorkflowVersion:
    """A workflow of ``steps`` steps one after another."""
    rows = [{"name": f"step_{n}", "capabilities": [capability], **_numbered(step, n)} for n in range(1, steps + 1)]
    return definitions.publish(name, {"steps": rows}, by=BENCH)


def _numbered(step: dict[str, Any], number: int) -> dict[str, Any]:
    if "input" not in step:
        return step
    return {**step, "input": {**step["input"], "step": number}}
