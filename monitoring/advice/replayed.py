"""What a threshold would have done last week with what is advised for it: replayed by the preview of its editor."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from monitoring.advice.advised import Advice, Evidence
from monitoring.alerting import backtest, thresholds
from monitoring.alerting.backtest import Preview
from monitoring.models import Threshold

VERB = "change_threshold"
SAVED = "Notifications that it would have saved"
"""The label of what is replayed once, when it is advised: that takes longer than to look whether it is still so."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """How often its alerts fired and people were told, as it is and with the change."""

    since: datetime
    until: datetime
    fired: int
    told: int
    fired_with_this: int
    told_with_this: int
    subjects: int


def of(threshold: Threshold, changes: Mapping[str, Any], now: datetime) -> Replayed | None:
    """None where nothing was recorded."""
    values = thresholds.values_of(threshold)
    then, with_this = (backtest.over_history(rule, now=now) for rule in (values, {**values, **changes}))
    if not then.samples:
        return None
    since, until = datetime.fromtimestamp(then.since, UTC), datetime.fromtimestamp(then.until, UTC)
    subjects = sum(bool(course.samples) for course in then.courses)
    return Replayed(since, until, *_counts(then), *_counts(with_this), subjects)


def evidence_for(advice: Advice, now: datetime) -> tuple[Evidence, ...]:
    """What the replay adds to the evidence of advice about a threshold."""
    if advice.action.verb != VERB:
        return ()
    threshold = Threshold.objects.filter(pk=advice.subject.id).first()
    replayed = of(threshold, advice.action.arguments["after"], now) if threshold else None
    if replayed is None:
        return ()
    return (Evidence(SAVED, replayed.told - replayed.told_with_this),)


def _counts(preview: Preview) -> tuple[int, int]:
    return sum(course.fired for course in preview.courses), len(preview.notices)
