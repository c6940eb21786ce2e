"""Lists of objects: filters, search, bounded counts, order and keyset paging. Page and API share one ListFilter.

A list is a class that declares what it filters by; an instance is one request's reading of it. Pages are cut by the
values of the ordering columns (keyset), so page 1,000 costs what page 1 costs, and no query counts more than
``COUNT_LIMIT`` rows. A bulk action reads what was chosen with :class:`Selection`.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar
from urllib.parse import parse_qsl, urlencode

from django.core.exceptions import ValidationError
from django.db.models import DateTimeField, Model, Q, QuerySet
from django.http import QueryDict
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.timezone import is_naive, make_aware

from orchestra.kernel.errors import BadRequest, FieldError, Invalid, field_error
from orchestra.kernel.inbound import CONTROL

Row = TypeVar("Row", bound=Model)
PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
COUNT_LIMIT = 1000
MOST_CHOSEN = 1000
SLICE = 500
FIRST_YEAR, LAST_YEAR = 1970, 9000
RESERVED = {"cursor", "limit", "format"}


@dataclass(frozen=True, slots=True)
class Choice:
    """Filters by one of ``values``; several, separated by commas, mean any of them. ``lookup`` maps a value to a Q."""

    values: Sequence[tuple[str, str]]
    lookup: str | Callable[[str], Q]

    def condition(self, text: str) -> Q:
        wanted, condition = text.split(","), Q()
        known = {value for value, _ in self.values}
        for value in wanted:
            if value not in known:
                raise ValueError(f"Choose one of {', '.join(sorted(known))}.")
            condition |= self.lookup(value) if callable(self.lookup) else Q(**{self.lookup: value})
        return condition


@dataclass(frozen=True, slots=True)
class Exact:
    """Filters by equality; ``whole`` says that the value is a whole number."""

    lookup: str
    whole: bool = False

    def condition(self, text: str) -> Q:
        if self.whole and not (text.isascii() and text.isdigit() and len(text) < 19):
            raise ValueError("Give a whole number.")
        return Q(**{self.lookup: int(text) if self.whole else text})


def by_name_or_number(text: str, prefix: str = "") -> Q:
    """The row that has this name, or this number."""
    named = Q(**{f"{prefix}name": text})
    is_number = text.isascii() and text.isdigit() and len(text) < 19
    return named | Q(**{f"{prefix}id": int(text)}) if is_number else named


@dataclass(frozen=True, slots=True)
class Named:
    """Filters by another row, given by its name or its number."""

    relation: str

    def condition(self, text: str) -> Q:
        return by_name_or_number(text, f"{self.relation}__")


@dataclass(frozen=True, slots=True)
class Moment:
    """Filters by an instant; ``lookup`` says how, for example ``created_at__gte``."""

    lookup: str

    def condition(self, text: str) -> Q:
        return Q(**{self.lookup: moment(text)})


@dataclass(frozen=True, slots=True)
class Search:
    """Filters by words, each of which must occur in one of ``columns``; a number also matches ``number``."""

    columns: Sequence[str]
    number: str = ""

    def condition(self, text: str) -> Q:
        condition = Q()
        for word in text.split()[:8]:
            either = Q()
            for column in self.columns:
                either |= Q(**{f"{column}__icontains": word})
            if self.number and (number := number_in(word)) is not None:
                either |= Q(**{self.number: number})
            condition &= either
        return condition


class Filter(Protocol):
    """Reads the text of one parameter. Raises ValueError with a sentence where it cannot."""

    def condition(self, text: str) -> Q: ...


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page: its rows, and the cursors of its neighbours (empty where there is none).

    ``seen`` is what the browser says when it refreshes this page, see :meth:`ListFilter.holding`; ``newer`` counts the
    rows that are held back because of it, at most ``COUNT_LIMIT + 1``.
    """

    rows: list[Row]
    next: str
    previous: str
    seen: str = ""
    newer: int = 0


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter as the page offers it: its link switches it on or off."""

    label: str
    url: str
    current: bool
    count: int | None = None


class ListFilter(Generic[Row]):
    """What is asked of a list by ``params`` (the query of the address). Raises :class:`Invalid` naming each bad one."""

    filters: ClassVar[Mapping[str, Filter]] = {}
    order: ClassVar[Sequence[str]] = ("-id",)
    orders: ClassVar[Mapping[str, Sequence[str]]] = {}
    """Other orders that an index serves, by the value of the parameter ``sort``."""
    defaults: ClassVar[Mapping[str, str]] = {}
    seen: str = ""

    def __init__(self, params: Mapping[str, str]) -> None:
        self.params = {key: value for key, value in params.items() if value != ""}
        self.values = {**self.defaults, **{key: value for key, value in self.params.items() if key in self.filters}}
        self._conditions, faults = self._read()
        faults += self._faults_of_paging()
        if faults:
            raise Invalid(errors=faults)

    def base(self) -> QuerySet[Row]:
        """All rows that this list is about, with what its rows show already joined."""
        raise NotImplementedError

    def queryset(self, *, without: str = "") -> QuerySet[Row]:
        """The rows that match, in no order; ``without`` leaves one filter out (to count its alternatives)."""
        rows = self.base()
        for name, condition in self._conditions.items():
            if name != without:
                rows = rows.filter(condition)
        return rows

    @property
    def ordering(self) -> Sequence[str]:
        return self.orders.get(self.params.get("sort", ""), self.order)

    def holding(self, seen: str) -> Self:
        """Show the first page as it begins with the row ``seen`` (a page's ``seen``): rows before it are only counted.

        So a page that is looked at stays as it is while others come in, until the person asks for them.
        """
        self.seen = seen
        return self

    def page(self) -> Page[Row]:
        """The page that ``cursor`` and ``limit`` ask for."""
        if self.seen and "cursor" not in self.params:
            held = self._held_page()
            if held.rows or not held.newer:
                return held
        page = self._page(self.queryset())
        return page if "cursor" in self.params or not page.rows else replace(page, seen=self._top(page.rows[0]))

    def _held_page(self) -> Page[Row]:
        _, values = _read_cursor(self.seen, len(self.ordering))
        assert values is not None
        page = self._page(_after(self.queryset(), self.ordering, values, inclusive=True))
        before = _after(self.queryset(), [_reverse(name) for name in self.ordering], values)
        return replace(page, seen=self.seen, newer=before.order_by()[: COUNT_LIMIT + 1].count())

    def _page(self, matching: QuerySet[Row]) -> Page[Row]:
        size = int(self.params.get("limit", PAGE_SIZE))
        backwards, after = _read_cursor(self.params.get("cursor", ""), len(self.ordering))
        ordering = [_reverse(name) for name in self.ordering] if backwards else list(self.ordering)
        rows = matching.order_by(*ordering)
        if after is not None:
            rows = _after(rows, ordering, after)
        found = list(rows[: size + 1])
        more, found = len(found) > size, found[:size]
        if backwards:
            found.reverse()
        has_next, has_previous = (after is not None, more) if backwards else (more, after is not None)
        return Page(
            found,
            next=self._cursor(found[-1], backwards=False) if found and has_next else "",
            previous=self._cursor(found[0], backwards=True) if found and has_previous else "",
        )

    def count(self, *, limit: int = COUNT_LIMIT) -> int:
        """How many rows match, at most ``limit + 1``, which reads as "more than limit"."""
        return self.queryset().order_by()[: limit + 1].count()

    def counts(self, name: str, *, limit: int = COUNT_LIMIT) -> dict[str, int]:
        """For each value of the choice ``name``: how many rows there would be, at most ``limit + 1`` each."""
        choice = self.filters[name]
        assert isinstance(choice, Choice)
        rows = self.queryset(without=name).order_by()
        return {value: rows.filter(choice.condition(value))[: limit + 1].count() for value, _ in choice.values}

    def chips(self, name: str, *, counted: bool = True) -> list[Chip]:
        """The values of the choice ``name`` as links, each with its bounded count."""
        choice = self.filters[name]
        assert isinstance(choice, Choice)
        counts = self.counts(name) if counted else {}
        current = self.values.get(name, "")
        return [
            Chip(label, self.link(**{name: "" if value == current else value}), value == current, counts.get(value))
            for value, label in choice.values
        ]

    def link(self, **changes: str) -> str:
        """The address of this list with ``changes`` applied, back on its first page; an empty value takes one away."""
        kept = {key: value for key, value in self.params.items() if key != "cursor"} | changes
        return "?" + urlencode({key: value for key, value in kept.items() if value != ""})

    def page_link(self, cursor: str) -> str:
        return "?" + urlencode(self.params | {"cursor": cursor})

    @property
    def is_filtered(self) -> bool:
        """Whether the address asks for less than the list shows by itself."""
        return any(name in self.params for name in self.filters)

    @property
    def kept(self) -> list[tuple[str, str]]:
        """The parameters that a search leaves as they are: for hidden fields of its form."""
        return [(name, value) for name, value in self.params.items() if name not in {"search", "cursor"}]

    def _read(self) -> tuple[dict[str, Q], list[FieldError]]:
        conditions: dict[str, Q] = {}
        faults: list[FieldError] = []
        for name, text in self.values.items():
            try:
                conditions[name] = self.filters[name].condition(text)
            except ValueError as fault:
                faults.append({"path": name, "message": str(fault)})
        return conditions, faults

    def _faults_of_paging(self) -> list[FieldError]:
        faults: list[FieldError] = []
        limit = self.params.get("limit", "1")
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:6]) <= MAX_PAGE_SIZE):
            faults.append({"path": "limit", "message": f"Give a whole number from 1 to {MAX_PAGE_SIZE}."})
        if self.orders and self.params.get("sort", "") not in {"", *self.orders}:
            faults.append({"path": "sort", "message": f"Choose one of {', '.join(sorted(self.orders))}."})
        return faults

    def _top(self, row: Row) -> str:
        return self._cursor(row, backwards=False)

    def _cursor(self, row: Row, *, backwards: bool) -> str:
        values = [_value(row, name.lstrip("-")) for name in self.ordering]
        text = json.dumps([backwards, *(v.isoformat() if isinstance(v, datetime) else v for v in values)])
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Selection(Generic[Row]):
    """The rows that a bulk action is about: chosen one by one (``ids``), or all that ``listing`` finds (``ids`` None).

    All means those there are when the action begins: rows that come in meanwhile were not agreed to.
    """

    listing: ListFilter[Row]
    ids: tuple[int, ...] | None

    @classmethod
    def read(cls, post: QueryDict, make: Callable[[Mapping[str, str]], ListFilter[Row]]) -> Self:
        """What the bulk bar posts: ``ids`` (separated by commas), or ``all=1`` with the list's ``query``.

        Raises :class:`Invalid` if nothing is chosen, or too much one by one, or the query is none of this list.
        """
        if post.get("all"):
            return cls(make(asked_in(post.get("query", ""))), None)
        given = [number_in(word) for text in post.getlist("ids") for word in text.split(",") if word.strip()]
        ids = tuple(dict.fromkeys(number for number in given if number is not None))
        if not ids or None in given:
            raise field_error("ids", "Choose at least one row, then the action.")
        if len(ids) > MOST_CHOSEN:
            raise field_error("ids", f"Choose at most {MOST_CHOSEN:,} rows one by one, or all that match a filter.")
        return cls(make({}), ids)

    def queryset(self) -> QuerySet[Row]:
        """The rows; those chosen one by one whether or not they still match the filter they were found with."""
        return self.listing.queryset() if self.ids is None else self.listing.base().filter(pk__in=self.ids)

    def count(self, *, limit: int = COUNT_LIMIT) -> int:
        """How many rows there are, at most ``limit + 1``."""
        return self.queryset().order_by()[: limit + 1].count()

    def slices(self, size: int = SLICE) -> Iterator[list[int]]:
        """The primary keys in ascending order, ``size`` at a time; an action may change the rows in between."""
        rows = self.queryset().order_by("pk").values_list("pk", flat=True)
        last = rows.reverse().first()
        after: int | None = None
        while last is not None:
            beyond = rows.filter(pk__lte=last) if after is None else rows.filter(pk__lte=last, pk__gt=after)
            found = list(beyond[:size])
            if found:
                yield found
            if len(found) < size:
                return
            after = found[-1]


def asked_in(query: str) -> dict[str, str]:
    """What an address's query asks of a list, without its place in the pages."""
    return {key: value for key, value in parse_qsl(query.lstrip("?")) if key not in RESERVED}


def number_in(word: str) -> int | None:
    """The number that ``word`` is, as in ``42`` or ``#42``; None if it is none that a row could have."""
    digits = word.lstrip("#")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None


def moment(text: str) -> datetime:
    """An instant from ISO 8601 text; without a zone it is in the time zone of the settings. Raises ValueError.

    Years are bounded, so that what is reckoned from the instant, in any zone, still is one.
    """
    at = parse_datetime(text.replace(" ", "+") if "T" in text else text)
    if at is None and (day := parse_date(text)) is not None:
        at = datetime.combine(day, time.min)
    if at is None:
        raise ValueError("Give a date or an instant, for example 2026-01-31 or 2026-01-31T12:00:00Z.")
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError(f"Give a year from {FIRST_YEAR} to {LAST_YEAR}.")
    return make_aware(at) if is_naive(at) else at


def _value(row: Model, path: str) -> Any:
    value: Any = row
    for name in path.split("__"):
        value = getattr(value, name)
    return value


def _reverse(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _after(
    rows: QuerySet[Row], ordering: Sequence[str], values: Sequence[Any], *, inclusive: bool = False
) -> QuerySet[Row]:
    try:
        columns = [_column(rows, name.lstrip("-")) for name in ordering]
        known = [_known(value, column) for value, column in zip(values, columns, strict=True)]
        return rows.filter(_beyond(ordering, known, inclusive=inclusive))
    except (TypeError, ValueError, ValidationError):  # the cursor of a list with other columns
        raise _foreign_cursor() from None


def _beyond(ordering: Sequence[str], values: Sequence[Any], *, inclusive: bool) -> Q:
    """Rows after ``values`` in ``ordering``: (a beyond) or (a equal and b beyond) or …; NULLs are not supported.

    ``inclusive`` adds the row that has these values.
    """
    condition, equal = Q(), Q()
    for name, value in zip(ordering, values, strict=True):
        column = name.lstrip("-")
        condition |= equal & Q(**{f"{column}__{'lt' if name.startswith('-') else 'gt'}": value})
        equal &= Q(**{column: value})
    if inclusive:
        condition |= equal
    first = ordering[0].lstrip("-")
    bound = Q(**{f"{first}__{'lte' if ordering[0].startswith('-') else 'gte'}": values[0]})
    return bound & condition  # the bound is implied; saying it lets the planner use the index's first column


def _read_cursor(text: str, columns: int) -> tuple[bool, list[Any] | None]:
    if not text:
        return False, None
    try:
        backwards, *values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if len(values) != columns or not isinstance(backwards, bool):
            raise ValueError(text)
        return backwards, values
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise _foreign_cursor() from None


def _foreign_cursor() -> BadRequest:
    return BadRequest("The cursor is not one of this list; leave it out to begin at the first page.")


def _column(rows: QuerySet[Any], path: str) -> Any:
    """The field of a column of the ordering, which may be one that the list itself reckons."""
    reckoned = rows.query.annotations.get(path)
    return _field(rows.model, path) if reckoned is None else reckoned.output_field


def _field(model: Any, path: str) -> Any:
    """The field that a column of the ordering names, through the relations before it."""
    *relations, name = path.split("__")
    for relation in relations:
        model = model._meta.get_field(relation).related_model
    return model._meta.pk if name == "pk" else model._meta.get_field(name)


def _known(value: Any, column: Any) -> Any:
    """``value`` of a cursor as ``column`` holds it. Raises TypeError or ValueError where the cursor is an invention."""
    if isinstance(value, int):
        return value
    if not isinstance(value, str):
        raise TypeError(value)
    value.encode()  # half of a surrogate pair has no encoding
    if CONTROL.search(value):
        raise ValueError(value)
    return moment(value) if isinstance(column, DateTimeField) else value
