"""Ports: what a lower floor needs from above, filled in ``AppConfig.ready`` and read at run time.

A port is either a list of providers (every one is asked) or a table of providers by key (one is asked).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.http import HttpRequest

Provider = TypeVar("Provider")


class Port(Generic[Provider]):
    """An ordered table of providers by key; registering a key twice with another provider is a programming error."""

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose
        self._providers: dict[str, Provider] = {}

    def register(self, key: str, provider: Provider) -> None:
        if self._providers.setdefault(key, provider) is not provider:
            raise ValueError(f"{key!r} is registered twice for {self.purpose}: give one of the providers another key.")

    def get(self, key: str) -> Provider | None:
        return self._providers.get(key)

    def items(self) -> Iterator[tuple[str, Provider]]:
        return iter(self._providers.items())

    def __iter__(self) -> Iterator[Provider]:
        return iter(self._providers.values())


@dataclass(frozen=True, slots=True)
class Badge:
    """A count beside a room's name: how many of what waits for a person (``label``), and how urgent (``tone``)."""

    count: int
    label: str
    tone: str = "neutral"


@dataclass(frozen=True, slots=True)
class Room:
    """An entry of the left bar. ``url`` is a URL name; ``badge`` is asked once a page."""

    group: str
    order: int
    label: str
    icon: str
    url: str
    badge: Callable[[], Badge | None] | None = None
    topics: tuple[str, ...] = ()
    role: str = "viewer"


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of another floor's page: ``template`` rendered with what ``context(object, request)`` returns.

    It changes with the ``topics``, besides those that the page itself knows.
    """

    template: str
    context: Callable[[Any, HttpRequest], dict[str, Any] | None]
    topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """An object that a search has found: its name, what tells it from others, its address."""

    label: str
    detail: str
    url: str


@dataclass(frozen=True, slots=True)
class Search:
    """A kind of object that the search finds. ``find(text, user, limit)`` gives the best first, from indexes.

    ``more(text)`` is the address of the list that shows all that match; ``role`` is who may see any of them.
    """

    order: int
    label: str
    icon: str
    find: Callable[[str, Any, int], Sequence[Found]]
    more: Callable[[str], str] | None = None
    role: str = "viewer"


@dataclass(frozen=True, slots=True)
class Command:
    """Something to do that has a page of its own, for the command palette. ``url`` is a URL name."""

    label: str
    icon: str
    url: str
    permission: str


rooms: Port[Room] = Port("rooms of the left bar")
panels: Port[tuple[str, Panel]] = Port("panels of other floors' pages, as (page, panel)")
links: Port[Callable[[str], str | None]] = Port("address of an object of a kind, by its id")
phrases: Port[Callable[[Any], str | None]] = Port("the sentence that tells an event, by its action")
lists: Port[Callable[[Mapping[str, str]], Any]] = Port("reading of the list at a page, by its URL name")
commands: Port[Command] = Port("what the command palette offers to do")
searches: Port[Search] = Port("kinds of objects that the search finds")


def panels_of(page: str) -> list[Panel]:
    """The panels that other floors add to ``page``, in the order of registration."""
    return [panel for name, panel in panels if name == page]


def link(kind: str, identifier: str) -> str | None:
    """Where the object of ``kind`` can be seen, or None if no page shows it."""
    provider = links.get(kind)
    return provider(identifier) if provider else None
