"""Search across everything: each floor says what of its own it finds (``registry.searches``), this puts it together."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from orchestra.kernel import registry
from orchestra.kernel.access import RANK, Actor
from orchestra.kernel.lists import number_in
from orchestra.kernel.models import Role, User

LONGEST = 100
SHORTEST = 2


@dataclass(frozen=True, slots=True)
class Group:
    """What was found of one kind; ``more`` leads to the list with all of them, empty if these are all."""

    key: str
    label: str
    icon: str
    found: Sequence[registry.Found]
    more: str


def read(text: str) -> str:
    """The words that are searched for: without what surrounds them, and no more than anybody types."""
    return " ".join(text[:LONGEST].split())


def is_enough(text: str) -> bool:
    """One letter would find everything; one digit is a number."""
    return len(text) >= SHORTEST or number_in(text) is not None


def everywhere(text: str, actor: Actor, user: User, *, limit: int) -> list[Group]:
    """At most ``limit`` objects of each kind that ``user`` may see, kinds without any left out."""
    if not is_enough(text):
        return []
    groups = (_group(key, kind, text, user, limit) for key, kind in _kinds(actor))
    return [group for group in groups if group.found]


def _kinds(actor: Actor) -> list[tuple[str, registry.Search]]:
    rank = RANK[Role(actor.role)]
    kinds = [(key, kind) for key, kind in registry.searches.items() if RANK[Role(kind.role)] <= rank]
    return sorted(kinds, key=lambda pair: attrgetter("order")(pair[1]))


def _group(key: str, kind: registry.Search, text: str, user: User, limit: int) -> Group:
    found = kind.find(text, user, limit + 1)
    more = kind.more(text) if kind.more and len(found) > limit else ""
    return Group(key, kind.label, kind.icon, found[:limit], more)
