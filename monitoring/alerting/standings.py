"""How thresholds stand: the worst present value of each beside its limit, its alerts. Reads only, in few queries.

Of each metric the last values are read once, whatever the number of thresholds; who belongs to which pool or has which
capability likewise.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q

from monitoring.alerting import distance, limit_words, membership, scopes
from monitoring.alerting.scopes import NUMBERED
from monitoring.metrics import readings
from monitoring.metrics.catalogue import METRICS, TICK_S, Metric
from monitoring.metrics.readings import Scope
from monitoring.models import Alert, AlertStatus, Threshold
from orchestra.kernel import charts
from orchestra.kernel.looks import FAILED, RUNNING, WAITING

PRESENT_S = 4 * TICK_S
"""A value that is older than this is none of the present."""
NEAR = 0.8
Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Standing:
    """A threshold with the worst present value in its scope; ``value`` is None while there is none."""

    threshold: Threshold
    scope: str
    subject_id: str = ""
    subject: str = ""
    value: float | None = None
    share: float | None = None
    breaches: bool = False
    firing: int = 0
    open: int = 0

    @property
    def metric(self) -> Metric:
        return METRICS[self.threshold.metric]

    @property
    def limit(self) -> str:
        """``above 5 s for 1 m``."""
        return limit_words.sentence(vars(self.threshold))

    @property
    def tone(self) -> str:
        if self.breaches:
            return FAILED
        return WAITING if (self.share or 0) >= NEAR else RUNNING

    @property
    def now(self) -> str:
        """The worst value in words."""
        return charts.words(self.value, self.metric.unit)


def read(thresholds: Sequence[Threshold], now: datetime) -> list[Standing]:
    """How each of ``thresholds`` stands at ``now``, in their order."""
    present = {metric: _present(metric, Scope.all(), now) for metric in sorted({row.metric for row in thresholds})}
    within = membership.of_scopes(thresholds)
    values = {row.pk: membership.within(row, present[row.metric], within) for row in thresholds}
    return _stand(thresholds, values)


def read_for(thresholds: Sequence[Threshold], scopes_of: Mapping[int, Scope], now: datetime) -> list[Standing]:
    """The same with each threshold looked at within its scope in ``scopes_of``, as of one agent of many."""
    asked = sorted({(row.metric, scopes_of[row.pk].kind, scopes_of[row.pk].value) for row in thresholds})
    present = {(metric, kind, value): _present(metric, Scope(kind, value), now) for metric, kind, value in asked}
    values = {row.pk: present[row.metric, scopes_of[row.pk].kind, scopes_of[row.pk].value] for row in thresholds}
    return _stand(thresholds, values)


def _present(metric: str, scope: Scope, now: datetime) -> dict[str, float]:
    found = readings.recent(metric, scope, int(now.timestamp()), PRESENT_S)
    return {subject: value for subject, (value, _) in found.items()}


def _stand(thresholds: Sequence[Threshold], values: Mapping[int, Values]) -> list[Standing]:
    named, alerts = scopes.names_of(thresholds), _alerts(thresholds)
    worst = {row.pk: distance.worst(row.operator, row.value, values[row.pk]) for row in thresholds}
    labels = _labels((METRICS[row.metric].kind, found[0]) for row in thresholds if (found := worst[row.pk]))
    standings = []
    for row in thresholds:
        scope = scopes.in_words(row.metric, row.scope_kind, named.get(row.pk, ""))
        counted: dict[str, Any] = dict(zip(("firing", "open"), alerts.get(row.pk, (0, 0)), strict=True))
        if found := worst[row.pk]:
            subject, value = found
            counted |= {
                "subject_id": subject,
                "subject": labels.get((METRICS[row.metric].kind, subject), subject),
                "value": value,
                "share": distance.share(row.operator, row.value, value),
                "breaches": distance.breaches(row.operator, row.value, value),
            }
        standings.append(Standing(row, scope, **counted))
    return standings


def _labels(subjects: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The names of agents and pools; everything else is named by its id."""
    asked = set(subjects)
    labels: dict[tuple[str, str], str] = {}
    for kind, model in NUMBERED.items():
        numbers = [int(subject) for of, subject in asked if of == kind]
        if numbers:
            rows = model.objects.filter(pk__in=numbers).values_list("pk", "name")
            labels |= {(kind, str(pk)): name for pk, name in rows}
    return labels


def _alerts(thresholds: Iterable[Threshold]) -> dict[int, tuple[int, int]]:
    """How many alerts of each fire, and how many are open."""
    rows = Alert.objects.filter(threshold__in=[row.pk for row in thresholds]).exclude(status=AlertStatus.RESOLVED)
    counts = (
        rows.order_by()
        .values_list("threshold")
        .annotate(firing=Count("pk", filter=Q(status=AlertStatus.FIRING)), open=Count("pk"))
    )
    return {threshold: (firing, open_) for threshold, firing, open_ in counts}
