"""What was measured: the values of a tick, the last ones, the history of each subject, and series of longer steps.

Reads only; one statement a question, however many subjects there are. Instants are whole seconds since 1970.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from monitoring.metrics import sources
from monitoring.metrics.subjects import Scope, Subject, subjects
from monitoring.models import Tick
from orchestra.kernel.series import DAY_S, HOUR_S, MINUTE_S, Steps
from orchestra.kernel.statements import fetch

__all__ = ["Scope", "Subject", "history", "least_step_s", "recent", "series", "subjects", "ticks", "values_at"]

LEAST_STEPS = ((timedelta(days=8), MINUTE_S), (timedelta(days=60), HOUR_S))
"""How far back steps may be as short as that: as long as ``tables`` keeps the samples."""


def values_at(metric: str, scope: Scope, at: int) -> dict[str, float]:
    """The value of each subject at the tick ``at``; one of which nothing was measured is left out."""
    return {subject: value for subject, _, value in _samples(metric, scope, at, at)}


def recent(metric: str, scope: Scope, at: int, within_s: int) -> dict[str, tuple[float, int]]:
    """The last value of each subject, with its instant, from ``within_s`` before ``at`` to ``at``, both included."""
    if not scope.fits(metric):
        return {}
    text, values = sources.samples(metric, scope, at - within_s, at)
    statement = (
        "SELECT subject, value, at FROM (SELECT subject, value, at, "
        f"ROW_NUMBER() OVER (PARTITION BY subject ORDER BY at DESC) AS place FROM ({text}) AS found) AS placed "
        "WHERE place = 1"
    )
    (rows,) = fetch((statement, values))
    return {str(subject): (float(value), at) for subject, value, at in rows}


def history(metric: str, scope: Scope, since: int, until: int) -> list[tuple[str, list[tuple[int, float]]]]:
    """The values of each subject in the ticks from ``since`` to ``until``, both included, in their order.

    As far back as ticks are kept: eight days.
    """
    rows = _samples(metric, scope, since, until, " ORDER BY 1, 2")
    return [
        (subject, [(at, value) for _, at, value in values]) for subject, values in groupby(rows, key=lambda row: row[0])
    ]


def ticks(since: int, until: int) -> list[int]:
    """The ticks that were collected, both ends included: at these moments thresholds were evaluated."""
    return list(Tick.objects.filter(at__gte=since, at__lte=until).order_by("at").values_list("at", flat=True))


def series(metric: str, scope: Scope, steps: Steps, now: datetime) -> dict[str, list[float | None]]:
    """The value of each subject in each of ``steps``, from all that was measured in it; None where nothing was.

    A subject of which nothing was measured at all is left out. Older steps are read from hours and days, which is why
    they must be as long as :func:`least_step_s` says.
    """
    if not scope.fits(metric) or not (statement := sources.summed(metric, scope, steps, now)):
        return {}
    first = int(steps.start.timestamp()) // steps.step_s
    found: dict[str, list[float | None]] = {}
    (rows,) = fetch(statement)
    for subject, number, value in rows:
        found.setdefault(str(subject), [None] * steps.count)[int(number) - first] = float(value)
    return found


def least_step_s(since: datetime, now: datetime) -> int:
    """How long the steps from ``since`` on must be at least, by what is still kept of that time."""
    return next((step_s for kept, step_s in LEAST_STEPS if since >= now - kept), DAY_S)


def _samples(metric: str, scope: Scope, since: int, until: int, tail: str = "") -> Sequence[tuple[str, int, float]]:
    if not scope.fits(metric):
        return []
    text, values = sources.samples(metric, scope, since, until)
    rows: list[tuple[Any, ...]]
    (rows,) = fetch((text + tail, values))
    return [(str(subject), at, value) for subject, at, value in rows]
