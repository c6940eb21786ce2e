"""Questions to the audit trail: the one list of events, for page, API and export.

Pages are cut by number, and every filter is brought to a condition that an index serves in the order of numbers: a time
becomes a range of numbers, a name the id of whoever has it. Words are looked for in the last events only, because no
index finds them: :data:`SEARCHED` says in how many.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.db.models import BooleanField, F, Func, Q, QuerySet
from django.utils import timezone

from agents.models import Agent
from orchestra.kernel import chain
from orchestra.kernel.lists import Choice, Exact, ListFilter, Page, Search, moment
from orchestra.kernel.models import Event, Outcome, User

ACTOR_KINDS = (("person", "people"), ("agent", "agents"), ("system", "the system"))
SEARCHED = 50_000
LONGEST_UNIT = timedelta(minutes=5)
"""Events are numbered when their unit of work commits, at most this long after they happened."""

_AGO = re.compile(r"(\d{1,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_ACTION = re.compile(r"[A-Za-z]{1,60}")
_TARGET = re.compile(r"([a-z_]{1,40})(?::(\S{0,64}))?")


NOT_SUCCEEDED = Func(F("outcome"), template="NOT (%(expressions)s = 'succeeded')", output_field=BooleanField())
"""The condition of the index of rare outcomes, word for word: SQLite uses that index for nothing else."""


def ended(outcome: str) -> Q:
    """Events with this outcome."""
    return Q(outcome=outcome) if outcome == Outcome.SUCCEEDED else Q(NOT_SUCCEEDED, outcome=outcome)


class Who:
    """Filters by ``person``, ``agent`` or ``system``, by ``kind:id``, or by a name."""

    def condition(self, text: str) -> Q:
        kind, _, identifier = text.partition(":")
        if kind not in dict(ACTOR_KINDS):
            return self._named(text)
        return Q(actor_kind=kind, actor_id=identifier) if ":" in text else Q(actor_kind=kind)

    def _named(self, name: str) -> Q:
        person = User.objects.filter(username=name).values_list("pk", flat=True).first()
        if person is not None:
            return Q(actor_kind="person", actor_id=str(person))
        agent = Agent.objects.filter(name=name).values_list("pk", flat=True).first()
        if agent is not None:
            return Q(actor_kind="agent", actor_id=str(agent))
        return Q(actor_kind="system", actor_id=name)


class What:
    """Filters by action; several, separated by commas, mean any of them."""

    def condition(self, text: str) -> Q:
        actions = text.split(",")
        if not all(_ACTION.fullmatch(action) for action in actions):
            raise ValueError("Give an action such as InquiryClaimed, or several separated by commas.")
        return Q(action=actions[0]) if len(actions) == 1 else Q(action__in=actions)


class AboutWhat:
    """Filters by a kind of object, or by one object ``kind:id`` and what belongs to it."""

    def condition(self, text: str) -> Q:
        match = _TARGET.fullmatch(text)
        if match is None:
            raise ValueError("Give a kind such as inquiry, or an object such as inquiry:42.")
        kind, identifier = match.groups()
        return Q(target_kind=kind) if identifier is None else about(kind, identifier)


def about(kind: str, identifier: str) -> Q:
    """Events about an object, or about something that belongs to it."""
    return Q(target_kind=kind, target_id=identifier) | Q(parent_kind=kind, parent_id=identifier)


@dataclass(frozen=True, slots=True)
class When:
    """Filters by an instant, or by how long ago: ``30m``, ``24h``, ``7d``."""

    lookup: str

    def condition(self, text: str) -> Q:
        return Q(**{self.lookup: instant(text)})


def instant(text: str) -> datetime:
    """An instant from ISO 8601 text or from how long ago it was. Raises ValueError."""
    match = _AGO.fullmatch(text)
    return timezone.now() - timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else moment(text)


@dataclass(frozen=True, slots=True)
class Numbers:
    """The range of numbers that a question is about; ``first`` and ``last`` belong to it."""

    first: int = 0
    last: int | None = None

    @property
    def condition(self) -> Q:
        from_first = Q(number__gte=self.first) if self.first else Q()
        return from_first & (Q() if self.last is None else Q(number__lte=self.last))


class AuditList(ListFilter[Event]):
    """Events, the newest first."""

    filters = {
        "actor": Who(),
        "action": What(),
        "target": AboutWhat(),
        "outcome": Choice(Outcome.choices, ended),
        "correlation": Exact("correlation"),
        "since": When("happened__gte"),
        "until": When("happened__lte"),
        "search": Search(("target_label", "actor_label", "parent_label"), number="number"),
    }
    order = ("-number",)

    def __init__(self, params: Mapping[str, str], *, everywhere: bool = False) -> None:
        """``everywhere``: look for words in all events, however long it takes."""
        super().__init__(params)
        self.numbers = self._numbers(everywhere)

    def base(self) -> QuerySet[Event]:
        return Event.objects.only("number")

    def page(self) -> Page[Event]:
        """The page, found by numbers alone (which the indexes hold), then read by them, with details."""
        page = super().page()
        events = Event.objects.prefetch_related("detail").in_bulk([row.number for row in page.rows])
        return replace(page, rows=[events[row.number] for row in page.rows])

    def queryset(self, *, without: str = "") -> QuerySet[Event]:
        return super().queryset(without=without).filter(self.numbers.condition)

    @property
    def searched_back_to(self) -> Event | None:
        """The earliest event in which words were looked for; None if that was every one asked for."""
        if "search" not in self.values or self.numbers.first <= 1:
            return None
        return Event.objects.filter(number=self.numbers.first).first()

    @property
    def further_back(self) -> str:
        """The address that looks for the same words in the events before those."""
        earliest = self.searched_back_to
        return self.link(until=earliest.happened.isoformat()) if earliest else ""

    @property
    def export_query(self) -> str:
        """What is asked for, as the query of an export's address; it ends where ``&format=`` may follow."""
        return "?" + urlencode({name: value for name, value in self.params.items() if name in self.filters})

    def _numbers(self, everywhere: bool) -> Numbers:
        first = number_before(instant(self.values["since"])) if "since" in self.values else 0
        last = number_after(instant(self.values["until"])) if "until" in self.values else None
        if "search" in self.values and not everywhere:
            first = max(first, (chain.head() if last is None else last) - SEARCHED + 1)
        return Numbers(first, last)


def number_before(at: datetime) -> int:
    """A number below those of all events that happened at ``at`` or later; 0 if none is."""
    earlier = Event.objects.filter(happened__lt=at - LONGEST_UNIT).order_by("-happened")
    return earlier.values_list("number", flat=True).first() or 0


def number_after(at: datetime) -> int | None:
    """A number above those of all events that happened by ``at``; None if none is known to be."""
    later = Event.objects.filter(happened__gt=at + LONGEST_UNIT).order_by("happened")
    return later.values_list("number", flat=True).first()
