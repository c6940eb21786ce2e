"""The calls of an executor: begun on its event loop, counted as in flight until their results are collected."""

import asyncio
import os
import queue
import socket
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import psutil
from django.conf import settings
from django.utils import timezone

from agents.invoke import invoke
from agents.kinds import KINDS, commands
from agents.models import AgentKind
from agents.observation import CALLS
from agents.outcomes import Call, Outcome, Pending
from agents.processes import Executor, Keeper
from workflows import weight
from workflows.advance import Result
from workflows.partials import Partials
from workflows.queue import Assignment


class Calls:
    """What the threads of one executor share: who it is, what is in flight, what came back, whether it stops or ended.

    ``in_flight`` and ``results`` are safe to read from any thread; calls begin and end on ``loop`` only.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, slots: int = 0) -> None:
        self.loop = loop
        self.host, self.pid = socket.gethostname(), os.getpid()
        self.name = f"executor:{self.host}:{self.pid}:{int(time.time())}"
        self.slots = slots or settings.EXECUTOR_SLOTS
        self.in_flight: dict[int, Assignment] = {}
        self.results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self.wake = threading.Event()
        self.stopping = threading.Event()
        self.ended = threading.Event()
        self.reason = ""
        self.retiring = ""
        """Why nothing more is claimed until all calls in flight have ended; empty while it works."""
        self.partials = Partials()
        self.claiming = threading.Lock()
        """Held while steps are claimed and until their calls are in flight: a process that is to go waits for that."""
        self.keeper = Keeper(
            Executor(
                self.name,
                self.host,
                in_flight=lambda: {assignment.agent.id for assignment in list(self.in_flight.values())},
                is_leaving=lambda: self.stopping.is_set() or bool(self.retiring),
                settle=self._wait_for_claims,
            )
        )
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._weights: dict[int, int] = {}

    def stop(self, reason: str) -> None:
        """Claim no more; the committer gives calls in flight a little time and releases the rest."""
        if not self.stopping.is_set():
            self.reason = reason
            self.stopping.set()
            self.wake.set()

    def retire(self, reason: str) -> None:
        """Claim no more, and stop once all calls in flight have ended, however long they take."""
        if not self.retiring:
            self.retiring = reason
            self.wake.set()

    @property
    def longest_left_s(self) -> float:
        """How long the calls in flight may still take, by their timeouts."""
        now = timezone.now()
        steps = [assignment.step for assignment in list(self.in_flight.values())]
        left = [step.timeout_s - (now - step.started_at).total_seconds() for step in steps if step.started_at]
        return max(left, default=0.0)

    def launch(self, assignments: Sequence[Assignment]) -> None:
        """Begin calls; they count as in flight from here on."""
        self._weights.update(weight.of_calls([assignment.step for assignment in assignments]))
        self.in_flight.update({assignment.step.pk: assignment for assignment in assignments})
        self.loop.call_soon_threadsafe(self._begin, assignments)

    def answer(self, assignment: Assignment, outcome: Outcome) -> None:
        """Take an outcome as if the agent had given it, which is not asked; so this is no probe of its breaker."""
        step = assignment.step
        self.in_flight[step.pk] = assignment
        self.results.put(Result(step, assignment.agent, outcome, 0.0, in_a_row=assignment.in_a_row))

    def drop(self, steps: Sequence[int]) -> None:
        """Cancel calls whose step is no longer ours; their late answers would be refused anyway."""
        self.loop.call_soon_threadsafe(self._drop, list(steps))

    def collect(self, limit: int) -> list[Result]:
        """At most ``limit`` results that came back since, of calls that are still ours."""
        collected: list[Result] = []
        while len(collected) < limit and not self.results.empty():
            result = self.results.get()
            self._weights.pop(result.step.pk, None)
            if self.in_flight.pop(result.step.pk, None) is not None:
                collected.append(result)
        return collected

    @property
    def room(self) -> int:
        """How many more calls may begin."""
        if self.retiring or sum(list(self._weights.values())) >= weight.MAX_HELD:
            return 0
        return max(0, self.slots - len(self.in_flight))

    @property
    def abandoned(self) -> dict[str, str]:
        """Threads that outlived their calls, by call, with the function's name."""
        kind = KINDS[AgentKind.PYTHON]
        return dict(kind.threads.abandoned)  # type: ignore[attr-defined]

    def describe(self) -> dict[str, Any]:
        """What the heartbeat says of this executor."""
        return {
            "pid": self.pid,
            "host": self.host,
            "slots": self.slots,
            "in_flight": len(self.in_flight),
            "abandoned": sorted(self.abandoned.values()),
            "memory_bytes": psutil.Process().memory_info().rss,
            "commands": commands.names(),
            "stopping": self.stopping.is_set() or bool(self.retiring),
        }

    def _wait_for_claims(self) -> None:
        with self.claiming:
            pass

    def _begin(self, assignments: Sequence[Assignment]) -> None:
        for assignment in assignments:
            task = self.loop.create_task(self._call(assignment), name=assignment.agent.name)
            self._tasks[assignment.step.pk] = task

    async def _call(self, assignment: Assignment) -> None:
        started = time.monotonic()
        step, agent = assignment.step, assignment.agent
        reporter = self.partials.reporter(step.pk, step.token)
        call = Call(
            input=assignment.input,
            config=agent.config,
            key=step.call_key,
            attempt=step.attempt,
            deadline=timezone.now() + timedelta(seconds=step.timeout_s),
            correlation=assignment.correlation,
            secrets=agent.secrets,
            agent=agent.id,
            task=step.pk,
            lease=step.token,
            report=reporter,
        )
        try:
            outcome = await invoke(agent.kind, call, timeout_s=step.timeout_s)
        finally:
            reporter.end()
        seconds = time.monotonic() - started
        self._tasks.pop(step.pk, None)
        if not isinstance(outcome, Pending):  # that one is counted when its answer comes
            CALLS.observe(agent.id, seconds, getattr(outcome, "fault", None), within=agent.kind == AgentKind.PYTHON)
        self.results.put(Result(step, agent, outcome, seconds, assignment.is_probe, assignment.in_a_row))
        self.wake.set()

    def _drop(self, steps: Sequence[int]) -> None:
        for step in steps:
            self.in_flight.pop(step, None)
            self._weights.pop(step, None)
            task = self._tasks.pop(step, None)
            if task is not None:
                task.cancel()
