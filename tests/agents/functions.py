"""Agents that do what a test needs, registered once: the real thing, only small."""

import asyncio
import sys
import threading
import time
from typing import Any

from agents.kinds.python import function
from agents.outcomes import AgentError, Call, Fault

release = threading.Event()
"""Lets ``test.stuck`` go on."""


@function("test.echo", options={"greeting": str, "times": int, "share": float, "loud": bool})
async def echo(call: Call) -> dict[str, Any]:
    """Answer with what it was asked."""
    return {"input": call.input, "key": call.key, "config": call.config}


@function("test.keeper", options={"api_key": str})
async def keeper(call: Call) -> dict[str, Any]:
    """Keep a key."""
    return {"has_key": bool(call.config["api_key"])}


@function("test.thread_name")
def thread_name(call: Call) -> dict[str, Any]:
    """Say which thread it runs in."""
    return {"thread": threading.current_thread().name}


@function("test.answer")
async def answer(call: Call) -> Any:
    """Answer with what an input that JSON cannot say would be."""
    return ANSWERS[call.input]


@function("test.fail")
def fail(call: Call) -> dict[str, Any]:
    """Fail as the input says."""
    raise AgentError(call.input["message"], retryable=call.input["retryable"], fault=Fault(call.input["fault"]))


@function("test.crash")
def crash(call: Call) -> dict[str, Any]:
    """Crash."""
    raise ZeroDivisionError("division by \x00 zero")


@function("test.exit")
def leave(call: Call) -> dict[str, Any]:
    """Try to take the whole process down."""
    sys.exit(3)


@function("test.stop_iteration")
def stop_iteration(call: Call) -> dict[str, Any]:
    """Ask an empty iterator, without a default."""
    return next(iter([]))


@function("test.sleep")
async def sleep(call: Call) -> dict[str, Any]:
    """Sleep for an hour."""
    await asyncio.sleep(3600)
    return {}


@function("test.own_timeout")
async def own_timeout(call: Call) -> dict[str, Any]:
    """Give up on a service that it waits for, long before its own time is over."""
    async with asyncio.timeout(0.001):
        await asyncio.sleep(1)
    return {}


@function("test.cancels_itself")
async def cancels_itself(call: Call) -> dict[str, Any]:
    """Raise what only the caller should."""
    raise asyncio.CancelledError


@function("test.stuck")
def stuck(call: Call) -> dict[str, Any]:
    """Wait until the test releases it, whatever the time limit says."""
    release.wait(10)
    return {}


@function("test.spin")
def spin(call: Call) -> dict[str, Any]:
    """Use 10 ms of processor time."""
    until = time.thread_time() + 0.01
    while time.thread_time() < until:
        pass
    return {}


class Unknown:
    pass


_DEEP: list[Any] = []
for _ in range(40):
    _DEEP = [_DEEP]
_ENDLESS: list[Any] = []
_ENDLESS += [_ENDLESS, _ENDLESS]

ANSWERS: dict[str, Any] = {
    "tuple": {"pair": (1, "two")},
    "number key": {1: "one"},
    "object": {"value": Unknown()},
    "nan": {"value": float("nan")},
    "nul": {"text": "a\x00b"},
    "surrogate": {"text": "\ud800"},
    "huge text": {"text": "x" * 2_000_000},
    "huge list": list(range(2_000_000)),
    "huge number": {"value": 2**70},
    "deep": _DEEP,
    "endless": _ENDLESS,
}


@function("test.nap")
async def nap(call: Call) -> dict[str, Any]:
    """Take as many seconds as the input says."""
    await asyncio.sleep(call.input["seconds"])
    return {"slept": call.input["seconds"]}
