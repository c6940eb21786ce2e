"""The list of alerts, for page and API, and what the search across everything finds.

What is open is read whole by its status and put in order: what fires first, the gravest of it, the newest. What is
resolved only grows, so any list with that in it has the newest first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Case, Q, QuerySet, Value, When
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from agents.models import Agent, Pool
from monitoring.metrics.catalogue import METRICS
from monitoring.models import Alert, AlertStatus, Severity
from monitoring.notification import silences
from orchestra.kernel import registry
from orchestra.kernel.lists import Chip, Choice, ListFilter, Moment, Search, number_in
from orchestra.kernel.registry import Badge, Found

ORDER = (AlertStatus.FIRING, AlertStatus.NO_DATA, AlertStatus.RECOVERING, AlertStatus.PENDING)
GRAVITY = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
OPEN = "open"
NOBODY = "nobody"
KINDS = ("agent", "pool", "queue", "workflow", "system")
STATUSES = ((OPEN, OPEN), *((status.value, str(status.label)) for status in (*ORDER, AlertStatus.RESOLVED)))
FLAGS = (
    ("unacknowledged", "nobody acknowledged"),
    ("acknowledged", "acknowledged"),
    ("silenced", "silenced"),
    ("flapping", "flapping"),
)
NUMBERED: Mapping[str, Any] = {"agent": Agent, "pool": Pool}
MOST_LABEL = 100


def _of_status(status: str) -> Q:
    return Q(status__in=ORDER) if status == OPEN else Q(status=status)


def _of_flag(flag: str) -> Q:
    now = timezone.now()
    if flag == "flapping":
        return Q(flapping=True)
    if flag == "silenced":
        return silences.silenced(now)
    acknowledged = Q(acknowledged_until__gt=now)
    return acknowledged if flag == "acknowledged" else Q(acknowledged_until=None) | Q(acknowledged_until__lte=now)


@dataclass(frozen=True, slots=True)
class OfSubject:
    """Filters by what an alert is about: its number (agents, pools) or its name.

    Agents and pools are looked up by name, since alerts are found by number at once; one that is gone by what it was.
    """

    kind: str

    def condition(self, text: str) -> Q:
        about, model = Q(subject_kind=self.kind), NUMBERED.get(self.kind)
        if model is None:
            return about & Q(subject_id=text)
        if (number := number_in(text)) is not None:
            return about & Q(subject_id=str(number))
        known = [str(pk) for pk in model.objects.filter(name=text).values_list("pk", flat=True)]
        return about & (Q(subject_id__in=known) if known else Q(subject_label=text))


@dataclass(frozen=True, slots=True)
class OfOwner:
    """Filters by who looks after it: the name they sign in with, or ``nobody``."""

    def condition(self, text: str) -> Q:
        return Q(owner=None) if text == NOBODY else Q(owner__username=text)


@dataclass(frozen=True, slots=True)
class OfThreshold:
    """Filters by threshold, given by its number, or by the name that it has or had."""

    def condition(self, text: str) -> Q:
        number = number_in(text)
        return Q(name=text) if number is None else Q(threshold=number)


class AllAlerts(ListFilter[Alert]):
    """Alerts, the newest first."""

    filters = {
        "status": Choice(STATUSES, _of_status),
        "severity": Choice(Severity.choices, "severity"),
        "flag": Choice(FLAGS, _of_flag),
        "kind": Choice(tuple((kind, kind) for kind in KINDS), "subject_kind"),
        **{kind: OfSubject(kind) for kind in KINDS[:-1]},
        "owner": OfOwner(),
        "threshold": OfThreshold(),
        "metric": Choice(tuple((metric.name, metric.label) for metric in METRICS.values()), "metric"),
        "since": Moment("began_at__gte"),
        "search": Search(("name", "subject_label", "note"), number="id"),
    }

    def base(self) -> QuerySet[Alert]:
        return Alert.objects.select_related("threshold", "owner")


class AlertList(AllAlerts):
    """Open alerts unless others are asked for, what fires first."""

    defaults = {"status": OPEN}

    def base(self) -> QuerySet[Alert]:
        rank = Case(*(When(status=status, then=Value(place)) for place, status in enumerate(ORDER)), default=Value(9))
        gravity = Case(
            *(When(severity=each, then=Value(place)) for place, each in enumerate(GRAVITY)), default=Value(9)
        )
        return super().base().annotate(rank=rank, gravity=gravity)

    @property
    def ordering(self) -> Sequence[str]:
        asked = self.values["status"].split(",")
        return ("-id",) if AlertStatus.RESOLVED in asked else ("rank", "gravity", "-id")

    @property
    def offered(self) -> list[Chip]:
        """Every status that something has, and resolved, which is not counted; then what else would find something."""
        counted = {chip.label: chip for chip in self.chips("status") if chip.label != AlertStatus.RESOLVED}
        statuses = [chip for label, chip in counted.items() if label == OPEN or chip.current or chip.count]
        resolved = [chip for chip in self.chips("status", counted=False) if chip.label == AlertStatus.RESOLVED]
        shown = [replace(chip, url=self.link(status="")) if chip.label == OPEN else chip for chip in statuses]
        severities = self._finding("severity")
        flags = [] if self.ordering == ("-id",) else self._finding("flag")  # of what is open; the rest only grows
        return [*shown, *resolved, *(severities if len(severities) > 1 else ()), *flags]

    def _finding(self, name: str) -> list[Chip]:
        return [chip for chip in self.chips(name) if chip.current or chip.count]

    @property
    def taken(self) -> list[Chip]:
        """What else is asked for, as chips that take the filter away."""
        said = {kind: f"{kind} {{}}" for kind in KINDS[:-1]}
        said |= {
            "owner": "owner {}",
            "threshold": "threshold {}",
            "metric": "metric {}",
            "since": "since {}",
            "kind": "of {}s",
        }
        asked = [(name, text.format(self.params[name])) for name, text in said.items() if name in self.params]
        return [Chip(text[:MOST_LABEL], self.link(**{name: ""}), current=True) for name, text in asked]


def badge() -> Badge | None:
    """How many alerts fire that nobody has acknowledged, or whose acknowledgement is over."""
    asked = AlertList({"status": AlertStatus.FIRING, "flag": "unacknowledged"})
    count = asked.count()
    return Badge(count, "firing alerts that nobody acknowledged", "failed") if count else None


def find(text: str, _user: Any, limit: int) -> list[Found]:
    """Open alerts whose threshold or subject has ``text`` in its name, what fires first; any by its number."""
    asked = AlertList({"search": text})
    rows = list(asked.queryset().order_by(*asked.ordering)[:limit])
    if (number := number_in(text)) is not None:
        rows += Alert.objects.filter(pk=number, status=AlertStatus.RESOLVED)
    return [
        Found(str(row), f"{row.get_status_display()}, {row.severity}", reverse("alert", args=[row.pk])) for row in rows
    ][:limit]


def more(text: str) -> str:
    return f"{reverse('alerts')}?{urlencode({'search': text})}"


FOUND = registry.Search(510, "Alerts", "bell", find, more)
