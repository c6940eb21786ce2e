"""The list of silences, for page and API, each with what it hides now."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from monitoring.models import Alert, Silence
from monitoring.notification import matchers, silences
from monitoring.notification.silences import ACTIVE, ENDED, SCHEDULED
from orchestra.kernel.lists import Chip, Choice, ListFilter, Page, Search

OPEN = "open"
STATES = ((OPEN, "not ended"), (ACTIVE, ACTIVE), (SCHEDULED, SCHEDULED), (ENDED, ENDED))
FIRST_FEW = 3


def _in_state(state: str) -> Q:
    now = timezone.now()
    return Q(ends_at__gt=now) if state == OPEN else silences.in_state(state, now)


@dataclass(frozen=True, slots=True)
class SilenceRow:
    """A silence, its state, and the open alerts that fit it; those it hides if it is active."""

    silence: Silence
    state: str
    alerts: list[Alert]

    @property
    def words(self) -> str:
        return matchers.words(self.silence.matchers)

    @property
    def first_few(self) -> list[Alert]:
        return self.alerts[:FIRST_FEW]

    @property
    def others(self) -> int:
        return len(self.alerts) - len(self.first_few)


def rows_of(found: Sequence[Silence], now: datetime) -> list[SilenceRow]:
    """The rows for silences, in one query; of those that have ended nothing is looked for."""
    states = {each.pk: silences.state_of(each, now) for each in found}
    fitting = silences.hidden([each for each in found if states[each.pk] != ENDED])
    return [SilenceRow(each, states[each.pk], fitting.get(each.pk, [])) for each in found]


class AllSilences(ListFilter[Silence]):
    """Silences, those that end first first; of ended ones the last first."""

    filters = {
        "state": Choice(STATES, _in_state),
        "search": Search(("reason", "author"), number="id"),
    }

    @property
    def ordering(self) -> Sequence[str]:
        is_open = ENDED not in self.values.get("state", ENDED).split(",")
        return ("ends_at", "id") if is_open else ("-ends_at", "-id")

    def base(self) -> QuerySet[Silence]:
        return Silence.objects.all()

    def page(self) -> Page[Any]:
        page = super().page()
        rows: Any = rows_of(page.rows, timezone.now())
        return replace(page, rows=rows)


class SilenceList(AllSilences):
    """Those that have not ended, unless others are asked for."""

    defaults = {"state": OPEN}

    @property
    def offered(self) -> list[Chip]:
        """The states; what has ended is not counted, since it only grows."""
        counted = {chip.label: chip for chip in self.chips("state") if chip.label != ENDED}
        opening, *others = counted.values()
        ended = [chip for chip in self.chips("state", counted=False) if chip.label == ENDED]
        return [replace(opening, url=self.link(state="")), *(c for c in others if c.current or c.count), *ended]
