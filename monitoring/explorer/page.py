"""What the page of figures shows, as its address says: whose figures, which, from when to when, compared or not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from monitoring.explorer import chosen, ranges
from monitoring.explorer.charts import Board
from monitoring.explorer.drawings import DRAWINGS, MOST_SUBJECTS, Drawing

ALL = "all"
WORDS = {"agent": "Agents", "pool": "Pools", "queue": "Queues", "workflow": "Workflows", "system": "System"}


@dataclass(frozen=True, slots=True)
class Choice:
    """A link that changes one thing about the page."""

    label: str
    url: str
    current: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """What the address of the page says. ``window`` is a list of parameters."""

    kind: str
    subjects: tuple[str, ...]
    metric: str
    window: tuple[tuple[str, str], ...]
    compares: bool

    @property
    def params(self) -> list[tuple[str, str]]:
        pairs = [("kind", self.kind)] if self.kind != "system" else []
        pairs += [("subject", subject) for subject in self.subjects if subject]
        pairs += [("metric", self.metric)] if self.metric else []
        return [*pairs, *self.window, *([("compare", "week")] if self.compares else [])]

    @property
    def url(self) -> str:
        path = reverse("figures-system" if self.kind == "system" else "figures")
        return f"{path}?{urlencode(self.params)}" if self.params else path


class Page:
    """One request's reading of the page; ``kind`` is fixed where the path itself says it."""

    def __init__(self, query: QueryDict, now: datetime, kind: str = "") -> None:
        self.now = now
        asked = kind or query.get("kind", "agent")
        self.kind = asked if asked in DRAWINGS else "agent"
        self.chosen = chosen.read(self.kind, query.getlist("subject"), query.get("add", "").strip())
        self.window = ranges.read({name: query.get(name, "") for name in query}, now)
        self.compares = query.get("compare") == "week"
        metric = query.get("metric", ALL if self.is_single else "")
        if metric not in DRAWINGS[self.kind] and not (metric == ALL and self.is_single):
            metric = ALL if self.is_single else next(iter(DRAWINGS[self.kind]))
        self.metric = metric

    @property
    def is_single(self) -> bool:
        return len(self.chosen.subjects) == 1

    @property
    def drawings(self) -> Sequence[Drawing]:
        known = DRAWINGS[self.kind]
        return list(known.values()) if self.metric == ALL else [known[self.metric]]

    @cached_property
    def board(self) -> Board:
        return Board(self.drawings, self.chosen.subjects, self.window, self.now, self.compares)

    @cached_property
    def address(self) -> Address:
        own = self.window.fields.items() if self.window.is_own else ()
        window = (("range", self.window.name), *own)
        return Address(self.kind, tuple(self.chosen.subjects), self.metric, window, self.compares)

    @property
    def kinds(self) -> list[Choice]:
        return [
            Choice(label, replace(self.address, kind=kind, subjects=(), metric="").url, kind == self.kind)
            for kind, label in WORDS.items()
        ]

    @property
    def metrics(self) -> list[Choice]:
        every = [Choice("All", replace(self.address, metric=ALL).url, self.metric == ALL)] if self.is_single else []
        return every + [
            Choice(drawing.title, replace(self.address, metric=name).url, name == self.metric)
            for name, drawing in DRAWINGS[self.kind].items()
        ]

    @property
    def ranges(self) -> list[Choice]:
        return [
            Choice(label, replace(self.address, window=(("range", name),)).url, name == self.window.name)
            for name, (label, _) in ranges.RANGES.items()
        ]

    @property
    def comparison(self) -> Choice:
        return Choice("Last week", replace(self.address, compares=not self.compares).url, self.compares)

    @property
    def subjects(self) -> list[Choice]:
        """Those shown, each with the address without it; the last one stays."""
        ids = list(self.chosen.subjects)
        return [
            Choice(name, self._without(subject).url if len(ids) > 1 else "")
            for subject, name in self.chosen.subjects.items()
        ]

    @property
    def may_add(self) -> bool:
        return self.kind != "system" and len(self.chosen.subjects) < MOST_SUBJECTS

    @property
    def offered(self) -> list[str]:
        """Names to choose from, but for those shown."""
        shown = set(self.chosen.subjects.values())
        return [name for name in chosen.offered(self.kind) if name not in shown]

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What the form that adds a subject leaves as it is; all figures at once are for a single one."""
        return replace(self.address, metric="" if self.metric == ALL else self.metric).params

    @property
    def kept_but_window(self) -> list[tuple[str, str]]:
        """What the form that sets the time leaves as it is."""
        return replace(self.address, window=(("range", ranges.OWN),)).params

    def _without(self, subject: str) -> Address:
        return replace(self.address, subjects=tuple(each for each in self.address.subjects if each != subject))
