"""The frame of every page: navigation with its badges, and where the live connection begins."""

from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from orchestra.kernel import access, registry
from orchestra.kernel.access import RANK, Actor
from orchestra.kernel.models import Role


@dataclass(frozen=True, slots=True)
class Link:
    """A room as the left bar shows it."""

    label: str
    icon: str
    url: str
    current: bool
    badge: registry.Badge | None


@dataclass(frozen=True, slots=True)
class Group:
    label: str
    items: list[Link]


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor. The navigation is a callable: a page or part without the bar asks for no badge."""
    actor: Actor | None = getattr(request, "actor", None)
    if actor is None or not actor.role:
        return {}
    return {
        "navigation": lambda: navigation(actor, request.path),
        "navigation_topics": lambda: " ".join(sorted({topic for room in _rooms(actor) for topic in room.topics})),
        "live_number": getattr(request, "live_number", 0),
        "search_url": reverse("search"),
        "commands": lambda: commands(actor),
    }


def navigation(actor: Actor, path: str) -> list[Group]:
    """The rooms that ``actor`` may enter, in their order, by group; the one that holds ``path`` is current."""
    rooms = [(room, url) for room in _rooms(actor) if (url := _address(room)) is not None]
    holding = [url for _, url in rooms if path == url or (url != "/" and path.startswith(url))]
    current = max(holding, key=len, default=None)
    return [
        Group(label, [_link(room, url, current=url == current) for room, url in members])
        for label, members in groupby(rooms, key=lambda pair: pair[0].group)
    ]


def commands(actor: Actor) -> list[dict[str, str]]:
    """What the command palette offers ``actor`` to do, beyond going to rooms."""
    offered = [command for command in registry.commands if access.allows(actor, command.permission)]
    found = [(command, _address(command)) for command in offered]
    return [{"label": command.label, "icon": command.icon, "url": url} for command, url in found if url is not None]


def _rooms(actor: Actor) -> list[registry.Room]:
    rank = RANK[Role(actor.role)]
    return sorted((room for room in registry.rooms if RANK[Role(room.role)] <= rank), key=attrgetter("order"))


def _address(place: registry.Room | registry.Command) -> str | None:
    try:
        return reverse(place.url)
    except NoReverseMatch:
        return None


def _link(room: registry.Room, url: str, *, current: bool) -> Link:
    return Link(room.label, room.icon, url, current, room.badge() if room.badge else None)
