"""How work flowed in the last hour.

Runs begun are counted by minute over the index of ``created_at``, each minute that is over only once; waiting and
failed runs are counted as their lists count them; the automated share looks at the hour's last 2,000 inquiries at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse

from monitoring import minutes
from orchestra.kernel.lists import COUNT_LIMIT
from workflows.customer_service.models import AT_THE_DESK, Inquiry, InquiryStatus, Review
from workflows.models import Run
from workflows.runs import RunList

HOUR = timedelta(hours=1)
MOST_INQUIRIES = 2_000
POINTS = 12  # of the automated share, five minutes each


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its course over the hour (oldest first), and the list that shows what it counts.

    ``value`` is None where there is nothing to count it from; ``of`` is what it is a part of.
    """

    value: float | None
    url: str
    course: Sequence[float] = ()
    of: int = 0
    since: datetime | None = None


def started(now: datetime) -> Figure:
    """Runs begun in the last 60 s, of those begun in the hour.

    Of the minute before this one, the share counts that is not yet 60 s ago.
    """
    course = minutes.per_minute(Run.objects.all(), "created_at", name="runs", now=now)
    last_minute = round(course[-1] + course[-2] * (1 - now.second / 60))
    return Figure(last_minute, reverse("runs") + RunList(_of_the_hour(now)).link(), course, of=sum(course))


def failed(now: datetime) -> Figure:
    """Runs of the hour that failed."""
    asked = RunList({"status": "failed", **_of_the_hour(now)})
    moments = list(asked.queryset().order_by("-id").values_list("created_at", flat=True)[: COUNT_LIMIT + 1])
    return Figure(len(moments), reverse("runs") + asked.link(), minutes.spread(moments, now=now))


def waiting() -> Figure:
    """Runs that wait, whenever they began; ``since`` is when the oldest one did."""
    asked = RunList({"status": "waiting"})
    oldest = asked.queryset().order_by("id").values_list("created_at", flat=True).first()
    return Figure(asked.count(), reverse("runs") + asked.link(), since=oldest)


def automated(now: datetime) -> Figure:
    """Which share of the hour's inquiries was answered without a person, of those answered or put before one."""
    recent = Inquiry.objects.order_by("-id").values_list("pk", "created_at", "status")[:MOST_INQUIRIES]
    inquiries = [row for row in recent if row[1] > now - HOUR]
    url = f"{reverse('desk')}?view=done"
    if not inquiries:
        return Figure(None, url)
    by_people = Review.objects.filter(inquiry__gte=inquiries[-1][0], reviewer__isnull=False)
    reviewed = set(by_people.values_list("inquiry_id", flat=True))
    decided = [
        (at, status == InquiryStatus.RESOLVED and pk not in reviewed)
        for pk, at, status in inquiries
        if status in (InquiryStatus.RESOLVED, InquiryStatus.CLOSED, *AT_THE_DESK)
    ]
    share = sum(alone for _, alone in decided) / len(decided) if decided else None
    return Figure(share, url, _course(decided, now), of=len(decided))


def _course(decided: Sequence[tuple[datetime, bool]], now: datetime) -> list[float]:
    """The share at each point of the hour; where nothing was decided it stays what it was."""
    alone, total = [0] * POINTS, [0] * POINTS
    for at, is_alone in decided:
        point = POINTS - 1 - int((now - at) / HOUR * POINTS)
        alone[max(0, point)] += is_alone
        total[max(0, point)] += 1
    course, last = [], 0.0
    for point in range(POINTS):
        last = alone[point] / total[point] if total[point] else last
        course.append(last)
    return course


def _of_the_hour(now: datetime) -> dict[str, str]:
    return {"created_after": (now - HOUR).replace(second=0, microsecond=0).isoformat()}
