"""A day at a simulated clock: the real code from the calls of agents to the mails of people, tick by tick.

Only time is simulated, and what agents answer. The day is in the past: what is due by it is due by every clock.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.utils import timezone

from agents import autoscaler, health, measures, snapshot
from agents.models import Agent, AgentHealth, Circuit
from agents.observation import Tally
from agents.outcomes import Done, Fault
from monitoring import jobs
from monitoring.advice import recommendations
from monitoring.alerting import evaluator
from monitoring.metrics.collector import Collector
from monitoring.models import Alert, Notification, NotificationStatus
from monitoring.notification import planner
from orchestra.kernel import clock, events
from tests.monitoring.conftest import free_port
from workflows import queue
from workflows.advance import Result

TICK_S, ADVISED_S = 30, 300
CALLS = 5
"""Of each agent in a tick."""
CALL_S = 2.0
"""Of each step."""


class Clock:
    """Every clock of the product shows ``at``, in seconds since 1970."""

    def __init__(self, at: int) -> None:
        self.at = at

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def replace_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real, fetch = clock.database_now, clock.fetch
        shown = {"database_now": self.now, "fetch_now": lambda *statements: (self.now(), fetch(*statements))}
        for module in list(sys.modules.values()):
            if getattr(module, "database_now", None) is real:
                for name, stand_in in shown.items():
                    if hasattr(module, name):
                        monkeypatch.setattr(module, name, stand_in)
        monkeypatch.setattr(timezone, "now", self.now)


class Mailbox:
    """Takes the mails of a real mail server."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  aiosmtpd's name
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]


@contextmanager
def mail_server(settings: Any) -> Iterator[Mailbox]:
    """A mail server on loopback to which the product sends."""
    mailbox = Mailbox()
    server = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    server.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    try:
        yield mailbox
    finally:
        server.stop()


@dataclass(frozen=True, slots=True)
class Manner:
    """How an agent answers; ``fault``: it fails by that."""

    seconds: float = 0.4
    fault: Fault | None = None
    calls: int = CALLS


@dataclass
class Executor:
    """Works on steps: what it claims it answers at its next turn, of which it has so many in a tick."""

    name: str = "executor:simulated:1"
    turns: int = 1
    held: list[Result] = field(default_factory=list)

    def work(self) -> Counter[int]:
        """Returns how many calls of each agent ended."""
        ended: Counter[int] = Counter()
        for _ in range(self.turns):
            if not self.held and not queue.has_work():
                break
            ended.update(result.agent.id for result in self.held)
            claimed = queue.take_turn(self.held, executor=self.name, fleet=snapshot.read(), room=100).assignments
            self.held = [
                Result(one.step, one.agent, Done({"ok": True}), CALL_S, one.is_probe, one.in_a_row) for one in claimed
            ]
        return ended


class Day:
    """The installation with its agents, each with a :class:`Manner`, and all that goes on in it."""

    def __init__(self, clock: Clock, mailbox: Mailbox) -> None:
        self.clock, self.mailbox = clock, mailbox
        self.executor = Executor()
        self.manners: dict[Agent, Manner] = {}
        self.before_tick: Callable[[int], None] = lambda number: None
        self.ticks = 0
        self.looks_at_pools = 1 / 4  # how often in a tick the autoscaler does
        self._collector = Collector()

    def pass_by(self, *, minutes: float, is_watched: bool = True) -> None:
        """Let time pass; while nobody watches agents are called, but no tick is collected and nothing evaluated."""
        for _ in range(round(minutes * 60 / TICK_S)):
            self.ticks += 1
            self.before_tick(self.ticks)
            self._scale()
            self._call_all()
            if is_watched:
                self._watch()

    def _scale(self) -> None:
        """Let the tick pass, while the autoscaler looks at the pools now and then."""
        often = max(1, int(self.looks_at_pools))
        for _ in range(often):
            self.clock.at += TICK_S // often
            if self.looks_at_pools >= 1 or self.ticks % round(1 / self.looks_at_pools) == 0:
                autoscaler.evaluate_due()

    def alerts(self, **wanted: Any) -> list[Alert]:
        return list(Alert.objects.filter(**wanted).order_by("pk"))

    def states(self, name: str) -> dict[str, str]:
        """The last state of each alert of a threshold, by its subject."""
        return {alert.subject_label: alert.status for alert in self.alerts(name=name)}

    def new_mails(self) -> Callable[[], list[str]]:
        """What comes from now on: call it for the subjects."""
        seen = len(self.mailbox.mails)
        return lambda: self.mailbox.subjects[seen:]

    def _watch(self) -> None:
        """What the monitor does at a tick, and what a worker does of what that leaves to it."""
        now = self.clock.now()
        assert self._collector.collect(now) == self.clock.at
        evaluator.evaluate_due(now)
        planner.run_due(now)
        self._deliver()
        if self.clock.at % ADVISED_S == 0:
            recommendations.refresh(now)

    def _deliver(self) -> None:
        due = Notification.objects.filter(status=NotificationStatus.QUEUED, due_at__lte=self.clock.now())
        for number in due.values_list("pk", flat=True):
            jobs.deliver(number)

    def _call_all(self) -> None:
        """Have every agent answer in its manner, and count that as executors do: breakers keep calls from it."""
        now, results = self.clock.now(), []
        unfit = dict(AgentHealth.objects.exclude(circuit=Circuit.CLOSED).values_list("pk", "circuit"))
        with events.recording(health.BREAKER):
            for agent, manner in self.manners.items():
                was_probe, calls = agent.pk in unfit, manner.calls
                if was_probe:
                    calls = int(health.take_probe(agent.pk, now, within_s=10))
                error = "The mail server refused it." if manner.fault else ""
                results += [health.Result(agent.pk, manner.seconds, manner.fault, error, was_probe)] * calls
            health.merge(results, now)
        tallies: dict[tuple[int, int], Tally] = {}
        minute = (self.clock.at - 1) // 60
        for result in results:
            tallies.setdefault((result.agent, minute), Tally()).count(result.seconds, result.fault)
        for agent, ended in self.executor.work().items():
            for _ in range(ended):
                tallies.setdefault((agent, minute), Tally()).count(CALL_S, None)
        measures.write(tallies)
