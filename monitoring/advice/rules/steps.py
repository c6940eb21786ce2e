"""Steps whose time limit is far from what their calls take, and steps that are retried to no effect. Pure."""

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitoring.advice.advised import Action, Advice, Evidence, Subject, counted
from orchestra.kernel.wording import duration, percent

TIMEOUT, RETRY = "step_timeout", "useless_retry"
LEAST_CALLS = 50
FAR_ABOVE = 10
"""A limit so many times what nearly all calls take lets a call that hangs hold its slot for nothing."""
WORTH_S, WORTH_IF_HUNG_S = 60.0, 10.0
"""Seconds that a shorter limit must save: of one that was set and never reached, of one that calls ran into."""
RAN_INTO, LEAST_RAN_INTO = 0.05, 5
SLOW = 0.5
"""Calls that mostly take longer than this share of the limit are slow; those that run into it then do not hang."""
NEAT_S = (1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1_200, 1_800, 3_600)
LEAST_RETRIED, RESCUED = 10, 0.05


@dataclass(frozen=True, slots=True)
class StepFacts:
    """A step of the newest version of a workflow, with how its calls went in the runs looked at.

    ``took`` are the seconds of calls that succeeded, in ascending order; ``raw`` is what its definition says of it.
    """

    workflow_id: int
    workflow: str
    step: str
    raw: Mapping[str, Any]
    timeout_s: float
    took: Sequence[float]
    ran_into: int
    attempts: int
    retried: int
    rescued: int
    retrying_s: float
    """How long those that were retried in vain went on after their first failure, on average."""
    url: str


def advise(step: StepFacts) -> Iterator[Advice]:
    yield from _timeout(step)
    yield from _retry(step)


def percentile(ascending: Sequence[float], part: float) -> float:
    """By nearest rank; of at least one value."""
    return ascending[max(1, math.ceil(part * len(ascending))) - 1]


def neat(seconds: float) -> int:
    """The next round figure from ``seconds`` on, at most an hour."""
    return NEAT_S[min(bisect_left(NEAT_S, seconds), len(NEAT_S) - 1)]


def _timeout(step: StepFacts) -> Iterator[Advice]:
    calls = len(step.took) + step.ran_into
    if len(step.took) < LEAST_CALLS:
        return
    p99, slowest, limit = percentile(step.took, 0.99), step.took[-1], step.timeout_s
    share = step.ran_into / calls
    is_slow = percentile(step.took, 0.9) >= SLOW * limit
    if is_slow and share >= RAN_INTO and step.ran_into >= LEAST_RAN_INTO:
        proposed = neat(2 * limit)
        if proposed <= limit:
            return
        said = (
            f"{percent(share)} of its calls ran into the limit of {duration(limit)}, and one in ten of the others "
            f"takes more than {duration(percentile(step.took, 0.9))}. Give it {duration(proposed)}."
        )
        weight = share
    else:
        proposed = neat(max(2 * p99, 1.25 * slowest))
        worth_s = WORTH_IF_HUNG_S if step.ran_into else WORTH_S
        if limit < FAR_ABOVE * p99 or limit - proposed < worth_s or not (step.ran_into or "timeout" in step.raw):
            return
        hung = f" {counted(step.ran_into, 'call')} hung until then." if step.ran_into else ""
        said = (
            f"99 of 100 calls are over within {duration(p99)}, yet one that hangs is waited for "
            f"{duration(limit)}.{hung} Give it {duration(proposed)}."
        )
        weight = step.ran_into + limit / proposed / 100
    yield Advice(
        TIMEOUT,
        _subject(step),
        f"Step {step.step} of {step.workflow}: {said}",
        weight=weight,
        evidence=(
            Evidence("Calls looked at", calls, "count", step.url),
            Evidence("99 of 100 take at most", p99, "seconds", step.url),
            Evidence("The slowest that succeeded", slowest, "seconds", step.url),
            Evidence("Ran into the limit", step.ran_into, "count", step.url),
            Evidence("Limit now", limit, "seconds", step.url),
        ),
        action=_revision(step, "timeout", proposed, f"Give it {duration(proposed)}"),
    )


def _retry(step: StepFacts) -> Iterator[Advice]:
    if step.attempts < 2 or step.retried < LEAST_RETRIED or step.rescued > RESCUED * step.retried:
        return
    helped = f"only {step.rescued} of them" if step.rescued else "none of them"
    yield Advice(
        RETRY,
        _subject(step),
        f"Step {step.step} of {step.workflow} is tried up to {step.attempts} times, to no effect: of "
        f"{step.retried:,} that failed at first, {helped} succeeded later, and each took {duration(step.retrying_s)} "
        "more to fail. Try it once.",
        weight=float(step.retried - step.rescued),
        evidence=(
            Evidence("Failed at the first try", step.retried, "count", step.url),
            Evidence("Succeeded at a later one", step.rescued, "count", step.url),
            Evidence("Time spent on later tries, each", step.retrying_s, "seconds", step.url),
            Evidence("Tries now", step.attempts, "count", step.url),
        ),
        action=_revision(step, "retry", {**(step.raw.get("retry") or {}), "attempts": 1}, "Try it once"),
    )


def _revision(step: StepFacts, name: str, value: Any, label: str) -> Action:
    arguments = {
        "workflow": step.workflow,
        "step": step.step,
        "before": {name: step.raw.get(name)},
        "after": {name: value},
    }
    return Action("revise_step", label, arguments)


def _subject(step: StepFacts) -> Subject:
    label = f"{step.step} of {step.workflow}"
    return Subject("workflow_step", f"{step.workflow_id}:{step.step}", label)
