"""A story: everything that happened under one correlation, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from monitoring.audit.entries import Entry, entry
from monitoring.audit.trail import AuditList
from orchestra.kernel.lists import Page
from orchestra.kernel.models import Event

MOST_TOPICS = 30
MOST_AROUND = 6


class StoryList(AuditList):
    """The events of one correlation, the first one first."""

    order = ("number",)


@dataclass(frozen=True, slots=True)
class Chapter:
    """One event of a story, and how many seconds after the beginning it happened."""

    event: Entry
    after_s: float


class Story:
    """One page of the story that ``correlation`` holds together."""

    def __init__(self, correlation: str, params: Mapping[str, str]) -> None:
        kept = {name: value for name, value in params.items() if name == "cursor"}
        self.listing = StoryList({**kept, "correlation": correlation, "limit": "200"})

    @cached_property
    def page(self) -> Page[Event]:
        return self.listing.page()

    @cached_property
    def first(self) -> Event | None:
        return Event.objects.filter(correlation=self.listing.values["correlation"]).order_by("number").first()

    @property
    def topics(self) -> str:
        """What changes when the story goes on: its subject and what belongs to it."""
        about = {(event.target_kind, event.target_id) for event in self.page.rows[:MOST_TOPICS]}
        return " ".join(sorted(f"{kind}:{identifier}" for kind, identifier in about if identifier))

    @property
    def previous_url(self) -> str:
        return f"?cursor={self.page.previous}" if self.page.previous else ""

    @property
    def next_url(self) -> str:
        return f"?cursor={self.page.next}" if self.page.next else ""

    @property
    def chapters(self) -> list[Chapter]:
        return _told(self.page.rows, self.first)


def around(event: Event) -> list[Chapter]:
    """The part of its story that an event stands in."""
    story = Event.objects.filter(correlation=event.correlation).prefetch_related("detail")
    before = story.filter(number__lt=event.number).order_by("-number")[:MOST_AROUND]
    after = story.filter(number__gte=event.number).order_by("number")[: MOST_AROUND + 1]
    return _told([*reversed(before), *after], story.order_by("number").first())


def _told(events: Sequence[Event], first: Event | None) -> list[Chapter]:
    began = first.happened if first else None
    return [Chapter(entry(event), (event.happened - began).total_seconds() if began else 0.0) for event in events]
