"""Thresholds that only flap: they fire and resolve within minutes, again and again, and nobody ever looks. Pure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from monitoring.advice.advised import Action, Advice, Evidence, Subject, times
from orchestra.kernel.wording import duration, percent

FLAPPING = "flapping_threshold"
SHORT_S = 600.0
LEAST_FIRINGS, MOSTLY = 5, 0.9
STEP_S = 30
LONGEST_FOR_S = 3_600


@dataclass(frozen=True, slots=True)
class ThresholdFacts:
    """A threshold with what its alerts of the last week did, under its present version.

    ``fired`` is how often they fired, ``fired_s`` how many seconds each time that is still known; ``seen_to`` counts
    alerts that somebody acknowledged, took over or noted something on, ``open`` those that fire now.
    """

    id: int
    name: str
    for_s: int
    fired: int
    fired_s: Sequence[float]
    flapped: int
    seen_to: int
    open: int
    url: str
    alerts_url: str


def advise(threshold: ThresholdFacts) -> Iterator[Advice]:
    """A longer pending time lets those pass that were over by themselves; what lasts still fires."""
    short = sorted(seconds for seconds in threshold.fired_s if seconds <= SHORT_S)
    share = len(short) / len(threshold.fired_s) if threshold.fired_s else 0.0
    if threshold.fired < LEAST_FIRINGS or share < MOSTLY or threshold.seen_to or threshold.open:
        return
    usual = short[math.ceil(0.9 * len(short)) - 1]
    for_s = min(LONGEST_FOR_S, math.ceil((threshold.for_s + usual) / STEP_S) * STEP_S + STEP_S)
    if for_s <= threshold.for_s:
        return
    yield Advice(
        FLAPPING,
        Subject("threshold", str(threshold.id), threshold.name),
        f"{threshold.name} only flaps: in the last week it fired {times(threshold.fired)}, "
        f"{percent(share)} of these were over within {duration(SHORT_S)}, and nobody acknowledged one. "
        f"Let it fire after {duration(for_s)} instead of {duration(threshold.for_s)}.",
        weight=float(threshold.fired),
        evidence=(
            Evidence("Fired in the last week", threshold.fired, "count", threshold.alerts_url),
            Evidence("9 of 10 short ones were over after", usual, "seconds", threshold.alerts_url),
            Evidence("Alerts marked as flapping", threshold.flapped, "count", threshold.alerts_url),
            Evidence("Acknowledged", threshold.seen_to, "count", threshold.alerts_url),
            Evidence("Fires after", threshold.for_s, "seconds", threshold.url),
        ),
        action=Action(
            "change_threshold",
            f"Fire after {duration(for_s)}",
            {"threshold": threshold.id, "before": {"for_s": threshold.for_s}, "after": {"for_s": for_s}},
        ),
    )
