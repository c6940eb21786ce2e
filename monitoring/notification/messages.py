"""Messages of a group that was looked at, each with the path of rules that sent or suppressed it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from monitoring.notification import routing
from monitoring.notification.groups import (
    DIGEST,
    ESCALATION,
    FIRING,
    NO_DATA,
    REMINDER,
    REPEAT,
    RESOLVED,
    Fact,
    Group,
    Message,
)
from monitoring.notification.looking import Told, digest_every
from monitoring.notification.routing import ChannelRef, RouteRule, Rules
from orchestra.kernel.wording import duration

NO_CHANNEL = ChannelRef(None, "no channel", enabled=False)
SHOWN_PATH = 6
"""Sentences about routes that were asked in vain; of more, the last."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the messages of one look at a group."""

    rules: Rules
    facts: Mapping[int, Fact]
    route: RouteRule
    group: Group
    told: Told

    def messages(self) -> Iterator[Message]:
        """What is sent, then what is not."""
        for kind, numbers in self._sent():
            yield from self._to(self.route.channels, kind, numbers)
        yield from self._to(self.route.escalate_to, ESCALATION, self.told.said.get(ESCALATION, []))
        others = tuple(one for one in self.route.escalate_to if one not in self.route.channels)
        if others:
            yield from self._to(others, RESOLVED, self.told.escalated)
        for (kind, _), (hidden, numbers) in self.told.hidden.items():
            channels = self.route.escalate_to if kind == ESCALATION else self.route.channels
            for channel in channels or (NO_CHANNEL,):
                yield self._message(channel, kind, numbers, [hidden.sentence], suppressed=True)

    def _sent(self) -> Iterator[tuple[str, list[int]]]:
        kind, numbers = self.told.news
        yield (kind, numbers) if numbers else (REPEAT, self.told.said.get(REPEAT, []))
        for other in (DIGEST, REMINDER):
            yield other, self.told.said.get(other, [])

    def _to(self, channels: Sequence[ChannelRef], kind: str, numbers: Sequence[int]) -> Iterator[Message]:
        if not numbers:
            return
        reasons = [self._reason(kind, numbers)]
        if self.told.was_held:
            reasons.append("Something hid it until now.")
        for channel in channels or (NO_CHANNEL,):
            if channel is NO_CHANNEL:
                said = [*reasons, f"Route “{self.route.name}” has no channel, so nobody is told; give it one."]
            elif not channel.enabled:
                said = [*reasons, f"The channel “{channel.name}” is switched off, so it is not sent there."]
            else:
                said = reasons
            yield self._message(channel, kind, numbers, said, suppressed=not channel.enabled)

    def _message(
        self, channel: ChannelRef, kind: str, numbers: Sequence[int], reasons: Sequence[str], *, suppressed: bool
    ) -> Message:
        told = set(numbers)
        return Message(
            at=self.told.at,
            kind=kind,
            channel=channel,
            route=self.route.id,
            group=self.group.key,
            alerts=tuple(numbers),
            why=(*self._path(numbers[0]), *self._grouped(len(numbers)), *reasons),
            suppressed=suppressed,
            still=tuple(
                number
                for number, member in self.group.members.items()
                if member.said == FIRING and number not in told and number not in self.told.left
            ),
            folded={number: self.told.folded.get(number, 0) for number in numbers} if kind == DIGEST else {},
        )

    def _path(self, number: int) -> Sequence[str]:
        """How an alert came to this route."""
        fact = self.facts.get(number)
        path = routing.way_of(self.rules, fact.labels).path if fact else ()
        end = routing.taken_by(self.route)
        if end not in path:  # the route has been changed since the alert came to it
            return [f"It came here by route “{self.route.name}”, as that was then."]
        before = path[: path.index(end)]
        left_out = len(before) - SHOWN_PATH
        begin = [f"{left_out} routes before these pass it on."] if left_out > 0 else []
        return [*begin, *before[-SHOWN_PATH:], end]

    def _grouped(self, count: int) -> list[str]:
        names = self.route.group_by
        if count == 1:
            return []
        if not names:
            return [f"The route tells of all its alerts together: {count} of them."]
        return [f"Alerts with the same {' and '.join(names)} are told of together: {count} of them."]

    def _reason(self, kind: str, numbers: Sequence[int]) -> str:
        route = self.route
        if kind in (FIRING, NO_DATA):
            if self.group.sent_at is None:
                if not route.wait_s:
                    return "It is news, and the route tells a new group at once."
                return f"It is news; a new group waits {duration(route.wait_s)} for others to join."
            return f"It is news of its group, which are told at most every {duration(route.interval_s)}."
        if kind == RESOLVED:
            return "It resolved, and whoever was told that it fires is told so."
        if kind == REPEAT:
            return f"It still fires {duration(route.repeat_s)} after it was told last."
        if kind == ESCALATION:
            return f"Nobody has acknowledged it {duration(route.escalate_after_s)} after it was told."
        if kind == REMINDER:
            fact = self.facts[numbers[0]]
            end = routing.moment(fact.acknowledged_until or self.told.at)
            return f"The acknowledgement by {fact.acknowledged_by or 'somebody'} ended at {end}, and it still fires."
        every = duration(digest_every(route))
        return f"It flaps: it changes so often that its changes are told in a digest, at most every {every}."
