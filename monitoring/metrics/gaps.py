"""When the collector did not run: what no chart can show, so it is said. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils import timezone

from monitoring.metrics.catalogue import TICK_S
from monitoring.models import Tick
from orchestra.kernel.statements import fetch

GRACE_S = 2 * TICK_S
"""The tick that is due now may still be collected; one that is late is missed only then."""
_APART = """
SELECT before, at FROM (
    SELECT at, LAG(at) OVER (ORDER BY at) AS before FROM monitoring_tick WHERE at >= %s AND at <= %s
) AS pairs WHERE at - before > %s ORDER BY at
"""


@dataclass(frozen=True, slots=True)
class Gap:
    """From the first tick that is missing until the next that was collected; ``ticks`` of them are missing."""

    since: datetime
    until: datetime
    ticks: int

    @property
    def words(self) -> str:
        first, last = timezone.localtime(self.since), timezone.localtime(self.until)
        day = f"{last:%-d %b} " if first.date() != last.date() else ""
        lead = f"{first:%-d %b} " if day or first.date() != timezone.localdate() else ""
        return f"{lead}{first:%H:%M} to {day}{last:%H:%M}"


def between(since: datetime, until: datetime, now: datetime) -> list[Gap]:
    """The gaps from ``since`` to ``until``, oldest first; two queries.

    Before the first tick that is kept nothing was missed: nobody had begun, or it is too long ago to say.
    """
    first, last = int(since.timestamp()), min(int(until.timestamp()), int(now.timestamp()))
    ends = Tick.objects.filter(at__lte=last).order_by("-at").values_list("at", flat=True).first()
    if ends is None:
        return []
    before = Tick.objects.filter(at__lt=first).order_by("-at").values_list("at", flat=True).first()
    (rows,) = fetch((_APART, [before or first, last, TICK_S]))
    found = [_gap(max(one, first - first % TICK_S), other) for one, other in rows]
    if last - ends > GRACE_S:
        found.append(_gap(max(ends, first - first % TICK_S), last))
    return [gap for gap in found if gap.ticks > 0]


def missing(gaps: Sequence[Gap]) -> int:
    """How many ticks are missing in all."""
    return sum(gap.ticks for gap in gaps)


def _gap(after: int, until: int) -> Gap:
    first = after + TICK_S
    ticks = max(0, -(-(until - first) // TICK_S))
    return Gap(datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(until, UTC), ticks)
