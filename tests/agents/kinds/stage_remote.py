"""A worker elsewhere: the one of docs/remote_worker.py as a process, which claims from a real server.

What a try came to is read from what the engine made of it: the row of its step, its events, the health of its agent.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from django.db import connection
from django.utils.dateparse import parse_datetime

from agents.models import AgentHealth, AgentProcess
from agents.outcomes import Done, Failed, Fault, Outcome
from orchestra.kernel import accounts, events
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Event, Role
from tests.agents.kinds import stage
from tests.workflows import live_server
from tests.workflows.real_executors import until
from workflows import control, definitions, queue, tasks
from workflows.models import RUN_ENDS, Step, StepStatus

SYSTEM = Actor.system("test")
DELAY_S = 5
PATIENT = {
    **tasks.DEFINITION,
    "steps": [{**tasks.DEFINITION["steps"][0], "retry": {"attempts": 9, "delay": DELAY_S, "jitter": False}}],
}
"""The workflow of single tasks, with tries enough that a failure shows whether another one helps."""
NEVER_LATER = "It works on what it claimed until it answers, and renews its lease meanwhile."
NO_ENCODER = "It sends what an encoder of JSON made, in one request with its length."
_servers = ExitStack()
_address: list[str] = []

Result = TypeVar("Result")


def address() -> str:
    """One server for all tests of this process: it serves whatever is in the tests' database."""
    if not _address:
        _address.append(_servers.enter_context(live_server.serving()))
    return _address[0]


def end_servers() -> None:
    """Before the tests' database is removed, which nobody may be connected to then."""
    _servers.close()
    _address.clear()


async def apart(work: Callable[..., Result], *arguments: Any, **more: Any) -> Result:
    """``work`` in a thread with a connection of its own, which is closed at its end."""

    def run() -> Result:
        try:
            return work(*arguments, **more)
        finally:
            connection.close()

    return await asyncio.to_thread(run)


class RemoteStage(stage.Stage):
    kind = "remote"
    marks = [pytest.mark.django_db(transaction=True)]
    lacks = {
        stage.PENDING: NEVER_LATER,
        stage.GARBLED_PENDING: NEVER_LATER,
        stage.NOT_JSON: NO_ENCODER,
        stage.ENDLESS: NO_ENCODER,
    }
    bad_configs = [
        ({"options": []}, "config.options"),
        ({"heartbeat_s": 0}, "config.heartbeat_s"),
        ({"address": "http://far"}, "config.address"),
    ]

    async def open(self, settings: Any) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.journal = Path(self.folder.name, "journal")
        self.keys: dict[str, str] = {}
        self.worker = await apart(self._start)

    def _start(self) -> subprocess.Popen[bytes]:
        user = accounts.create_user(SYSTEM, username="far", role=Role.OPERATOR)
        _, key = accounts.create_token(SYSTEM, user, name="far", role=Role.OPERATOR)
        definitions.publish(tasks.TASK, PATIENT, by=SYSTEM, allow_unknown=True)
        command = [sys.executable, "-m", "tests.agents.kinds.far_worker", address(), key, "far", "far"]
        worker = subprocess.Popen(command, env=os.environ | {"JOURNAL": str(self.journal)})
        until(lambda: AgentProcess.objects.filter(pid=worker.pid).exists(), within_s=60)
        return worker

    async def close(self) -> None:
        self.worker.kill()
        self.worker.wait()
        self.folder.cleanup()

    @property
    def calls(self) -> list[tuple[str, int]]:
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [(self.keys[key], attempt) for key, attempt in map(json.loads, lines)]

    @calls.setter
    def calls(self, none: list[tuple[str, int]]) -> None:
        """The worker, in another process, writes a file."""

    async def call(self, behaviour: str, *, key: str = "key-1", attempt: int = 1, timeout_s: float = 60) -> Outcome:
        step = await apart(self._put, behaviour, key, attempt, timeout_s)
        try:
            while (outcome := await apart(self._outcome, step)) is None:  # noqa: ASYNC110 - another process has it
                await asyncio.sleep(0.05)
            return outcome
        finally:
            await asyncio.shield(apart(self._end, step))

    def _put(self, behaviour: str, key: str, attempt: int, timeout_s: float) -> Step:
        known = uuid.uuid5(uuid.NAMESPACE_OID, key)
        self.keys[str(known)] = key
        with events.recording(SYSTEM):  # all of it is there before the worker can claim it
            step = tasks.create(["far"], {"behaviour": behaviour}, by=SYSTEM, timeout_s=timeout_s)
            Step.objects.filter(pk=step.pk).update(key=known, attempt=attempt - 1)
        return step

    def _outcome(self, step: Step) -> Outcome | None:
        """What the try came to; None while it is under way. Time limits are the clock's task."""
        queue.return_expired()
        row = Step.objects.select_related("run").get(pk=step.pk)
        if row.status == StepStatus.SUCCEEDED:
            return Done(row.output)
        if not row.history:
            return None
        tried = row.history[-1]
        event = Event.objects.filter(target_kind="step", target_id=str(row.pk)).order_by("-number")
        timed_out = event.filter(outcome="timed_out").exists()
        at_fault = AgentHealth.objects.get(agent__name="far").consecutive_failures
        fault = Fault.TIMEOUT if timed_out else Fault.AGENT if at_fault else Fault.CALLER
        ended_at = parse_datetime(tried["finished_at"])
        assert ended_at is not None
        retryable = row.status == StepStatus.READY
        wait_s = (row.available_at - ended_at).total_seconds() if retryable else 0.0
        return Failed(
            tried["error"], retryable=retryable, fault=fault, retry_after_s=wait_s if wait_s > DELAY_S + 1 else None
        )

    def _end(self, step: Step) -> None:
        row = Step.objects.select_related("run").get(pk=step.pk)
        if row.run.status not in RUN_ENDS:
            control.cancel(row.run_id, by=SYSTEM, reason="The test has seen enough.")
