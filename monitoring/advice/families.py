"""The rules, by what is read for them together: what each is called, and how long it rests after it was followed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.advice.advised import Advice
from monitoring.advice.evidence import agents as agents_seen
from monitoring.advice.evidence import pools as pools_seen
from monitoring.advice.evidence import resources as resources_seen
from monitoring.advice.evidence import runs as runs_seen
from monitoring.advice.evidence import thresholds as thresholds_seen
from monitoring.advice.rules import agents, bottleneck, pools, resources, steps, thresholds


@dataclass(frozen=True, slots=True)
class Rule:
    """``rests`` is how long its evidence reaches back: for so long after it was followed nothing new is known."""

    label: str
    rests: timedelta


RULES: Mapping[str, Rule] = {
    pools.TOO_SMALL: Rule("A pool is too small", timedelta(hours=1)),
    pools.TOO_LARGE: Rule("A pool is too large", timedelta(days=1)),
    agents.FAILING: Rule("An agent fails", timedelta(days=1)),
    agents.UNUSED: Rule("An agent is not used", timedelta(days=agents.IDLE_DAYS)),
    resources.UNUSED: Rule("A resource is not used", timedelta(days=resources.IDLE_DAYS)),
    steps.TIMEOUT: Rule("A time limit does not fit", timedelta(0)),
    steps.RETRY: Rule("A retry has no effect", timedelta(0)),
    bottleneck.BOTTLENECK: Rule("A step holds runs up", timedelta(days=1)),
    thresholds.FLAPPING: Rule("A threshold only flaps", timedelta(days=7)),
}
"""Steps rest by themselves: once there is a new version of a workflow, only its runs are looked at."""

Examined = frozenset[tuple[str, str]]
"""Kinds and ids of subjects."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is advised, and which subjects were looked at; None: all that the rules could be about."""

    advice: list[Advice]
    examined: Examined | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """Rules that are judged on one reading."""

    name: str
    rules: tuple[str, ...]
    find: Callable[[datetime], Found]


def _pools(now: datetime) -> Found:
    return Found([advice for pool in pools_seen.read(now) for advice in pools.advise(pool)])


def _failing(now: datetime) -> Found:
    return Found([advice for agent in agents_seen.failing(now) for advice in agents.advise_failing(agent)])


def _idle(now: datetime) -> Found:
    return Found([advice for agent in agents_seen.idle(now) for advice in agents.advise_idle(agent)])


def _resources(now: datetime) -> Found:
    return Found([advice for resource in resources_seen.read(now) for advice in resources.advise(resource)])


def _thresholds(now: datetime) -> Found:
    return Found([advice for threshold in thresholds_seen.read(now) for advice in thresholds.advise(threshold)])


def _runs(now: datetime) -> Found:
    sample = runs_seen.read(now)
    advised = [advice for step in sample.steps for advice in steps.advise(step)]
    advised += [advice for workflow in sample.workflows for advice in bottleneck.advise(workflow)]
    looked_at = {("workflow_step", f"{step.workflow_id}:{step.step}") for step in sample.steps}
    looked_at |= {("workflow", str(workflow.id)) for workflow in sample.workflows}
    return Found(advised, frozenset(looked_at))


FAMILIES = (
    Family("pools", (pools.TOO_SMALL, pools.TOO_LARGE), _pools),
    Family("failing agents", (agents.FAILING,), _failing),
    Family("unused agents", (agents.UNUSED,), _idle),
    Family("resources", (resources.UNUSED,), _resources),
    Family("runs", (steps.TIMEOUT, steps.RETRY, bottleneck.BOTTLENECK), _runs),
    Family("thresholds", (thresholds.FLAPPING,), _thresholds),
)


def family_of(rule: str) -> Family | None:
    """Which family judges ``rule``; None if there is no such rule any more."""
    return next((family for family in FAMILIES if rule in family.rules), None)


def by_key(advice: Iterable[Advice]) -> dict[tuple[str, str, str], Advice]:
    """The strongest of each key."""
    found: dict[tuple[str, str, str], Advice] = {}
    for each in advice:
        if each.key not in found or found[each.key].weight < each.weight:
            found[each.key] = each
    return found
