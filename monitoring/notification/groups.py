"""Alerts as notification sees them, the groups that they are told of in, and the messages that come of it. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from monitoring.notification.routing import ChannelRef, Labels, RouteRule

FIRING, NO_DATA, RESOLVED, DIGEST = "firing", "no_data", "resolved", "digest"
REPEAT, REMINDER, ESCALATION = "repeat", "reminder", "escalation"
NEWS = (FIRING, NO_DATA, RESOLVED)
"""What a message tells together, the gravest first: it gives the message its kind."""
NOTHING = ""

_TO_SAY = {"firing": FIRING, "recovering": FIRING, "no_data": NO_DATA, "resolved": RESOLVED}


@dataclass(frozen=True, slots=True)
class Fact:
    """An alert as it is now; instants in seconds since 1970.

    ``acknowledged_until`` of an acknowledged alert is None where it has no end.
    """

    id: int
    labels: Labels
    status: str
    flapping: bool = False
    acknowledged: bool = False
    acknowledged_until: float | None = None
    acknowledged_by: str = ""

    def to_say(self) -> str:
        """What people are to know of it; nothing while it is pending."""
        return _TO_SAY.get(self.status, NOTHING)

    def is_acknowledged(self, at: float) -> bool:
        return self.acknowledged and (self.acknowledged_until is None or at < self.acknowledged_until)


@dataclass(slots=True)
class Member:
    """What a group has said of an alert (``said``, at ``said_at``), or why it says nothing (``held``).

    ``heard`` is what there was to say last, ``folded`` how often that changed since a flapping alert's last digest,
    ``escalated`` whether others were told, ``reminded`` the end of the acknowledgement that a reminder was sent for.
    """

    said: str = NOTHING
    said_at: float | None = None
    held: str = ""
    heard: str = NOTHING
    folded: int = 0
    escalated: bool = False
    reminded: float | None = None


_USUAL = tuple(asdict(Member()).items())


@dataclass(slots=True)
class Group:
    """The alerts of one route that share the labels it groups by. One without members waits for the next."""

    route: int | None
    key: str
    labels: dict[str, str]
    opened_at: float
    members: dict[int, Member] = field(default_factory=dict)
    sent_at: float | None = None
    due_at: float | None = None
    escalated_at: float | None = None

    def open(self, at: float) -> None:
        """Begin anew: it has been empty, or is new."""
        self.opened_at, self.sent_at, self.due_at, self.escalated_at = at, None, None, None

    def news_at(self, route: RouteRule) -> float:
        """From when on news may be told: after the wait of a new group, and at most once an interval."""
        return self.opened_at + route.wait_s if self.sent_at is None else self.sent_at + route.interval_s

    def look_at(self, at: float) -> None:
        """Look at it at ``at`` or before."""
        self.due_at = at if self.due_at is None else min(self.due_at, at)

    def join(self, other: "Group") -> None:
        """Take over what another process has made of the same group."""
        if other.members:
            self.members = {**self.members, **other.members}
            self.opened_at, self.sent_at, self.escalated_at = other.opened_at, other.sent_at, other.escalated_at
            if other.due_at is not None:
                self.look_at(other.due_at)

    def rebase(self, at: float) -> None:
        """Forget what a clock that was ahead wrote of a time after ``at``, as if it had been then."""
        self.opened_at = min(self.opened_at, at)
        for instant in ("sent_at", "due_at", "escalated_at"):
            if (getattr(self, instant) or 0) > at:
                setattr(self, instant, at)
        for member in self.members.values():
            if (member.said_at or 0) > at:
                member.said_at = at

    def told(self) -> dict[str, Any]:
        """The members as JSON; what is as usual is left out."""
        return {
            str(number): {name: value for name, usual in _USUAL if (value := getattr(member, name)) != usual}
            for number, member in self.members.items()
        }


def members_of(told: Mapping[str, Any]) -> dict[int, Member]:
    """The members from what :meth:`Group.told` gave."""
    return {int(number): Member(**kept) for number, kept in told.items()}


@dataclass(frozen=True, slots=True)
class Message:
    """What goes to one channel, or would have gone if nothing ``suppressed`` it; ``why`` is a sentence for each rule.

    ``folded`` counts the changes of each flapping alert that the digest stands for.
    """

    at: float
    kind: str
    channel: ChannelRef
    route: int | None
    group: str
    alerts: tuple[int, ...]
    why: tuple[str, ...]
    suppressed: bool = False
    still: tuple[int, ...] = ()
    folded: Mapping[int, int] = field(default_factory=dict)
