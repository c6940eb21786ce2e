"""A recommendation as its page shows it: evidence in words, what applying it does, charts, a try-out, its history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agents import agent_charts, pool_history
from agents.models import Agent, Pool
from agents.tryout import TryOut
from monitoring.advice import actions, replayed
from monitoring.advice.advised import OPEN, said
from monitoring.advice.families import RULES
from monitoring.advice.recommendations import subject_of
from monitoring.advice.replayed import Replayed
from monitoring.models import AdviceStatus, Recommendation, Threshold
from orchestra.kernel import access, registry
from orchestra.kernel.access import Actor
from orchestra.kernel.charts import Chart

SHOWN_EARLIER = 10
LOOKED_BACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure of the evidence in words, and where it is read from."""

    label: str
    value: str
    url: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A row of the list."""

    row: Recommendation
    facts: Sequence[Fact]

    @property
    def rule(self) -> str:
        return rule_of(self.row)

    @property
    def subject_url(self) -> str | None:
        return registry.link(*subject_of(self.row))

    @property
    def is_open(self) -> bool:
        return self.row.status == AdviceStatus.OPEN

    @property
    def action_url(self) -> str:
        """Where a person can follow what no button does."""
        action = self.row.action
        return str(action["arguments"].get("url", "")) if action.get("verb") == OPEN else ""

    @property
    def action_label(self) -> str:
        return str(self.row.action.get("label", ""))

    @property
    def can_be_applied(self) -> bool:
        return self.is_open and actions.can_be_applied(self.row.action)


def shown(row: Recommendation) -> Shown:
    facts = [Fact(each["label"], said(each["value"], each["unit"]), each.get("url", "")) for each in row.evidence]
    return Shown(row, facts)


def rule_of(row: Recommendation) -> str:
    """What its rule is called; the plain name of one that there is no more."""
    return RULES[row.rule].label if row.rule in RULES else row.rule.replace("_", " ")


def earlier(row: Recommendation) -> list[Recommendation]:
    """What the same rule advised for the same subject before, the newest first."""
    same = Recommendation.objects.filter(
        rule=row.rule, subject_kind=row.subject_kind, subject_id=row.subject_id, pk__lt=row.pk
    )
    return list(same.order_by("-pk")[:SHOWN_EARLIER])


def charts(row: Recommendation, now: datetime) -> list[Chart]:
    """How its subject fared lately, where something is drawn of it."""
    if row.subject_kind == "pool":
        pool = Pool.objects.filter(pk=row.subject_id).first()
        return pool_history.charts(pool, "1d", now) if pool else []
    if row.subject_kind == "agent":
        agent = Agent.objects.filter(pk=row.subject_id).first()
        return agent_charts.of(agent, agent_charts.RANGES["24h"], now)[:3] if agent else []
    return []


def can_be_tried(row: Recommendation) -> bool:
    """Whether what it would have done can be replayed: other limits of a pool, another pending time."""
    after = row.action.get("arguments", {}).get("after", {})
    verb = row.action.get("verb")
    return verb == "change_threshold" or (verb == "resize_pool" and bool(after.keys() & {"min_size", "max_size"}))


def tried(row: Recommendation, now: datetime, *, by: Actor) -> TryOut | Replayed | None:
    """The last week of the pool or the threshold with what it advises; None if nothing was recorded."""
    access.check(by, "recommendations.try")
    arguments: dict[str, Any] = row.action["arguments"]
    if row.action["verb"] == "change_threshold":
        threshold = Threshold.objects.filter(pk=arguments["threshold"]).first()
        return replayed.of(threshold, arguments["after"], now) if threshold else None
    pool = Pool.objects.filter(pk=arguments["pool"]).first()
    limits = {name: value for name, value in arguments["after"].items() if name != "target"}
    return pool_history.try_out(pool, limits, by=by) if pool else None
