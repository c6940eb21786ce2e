"""Who is told what and when: groups in time, as Prometheus' Alertmanager keeps them. Pure: it only knows what it hears.

A new group waits ``wait_s`` for others to join; news of it are told at most once an ``interval_s``; what still fires is
told again after ``repeat_s``. What is hidden (silence, inhibition, acknowledgement, quiet hours) is looked at again
when that ends, and told then if it still is so. A resolved alert is told to those who were told that it fires.
"""

from collections.abc import Iterable

from monitoring.notification import looking, routing
from monitoring.notification.groups import ESCALATION, FIRING, NO_DATA, NOTHING, Fact, Group, Member, Message
from monitoring.notification.hiding import Hiding
from monitoring.notification.messages import Writer
from monitoring.notification.routing import RouteRule, Rules

__all__ = ["Fact", "Group", "Message", "Planner", "Rules"]


class Planner:
    """Hears what alerts do and says what is to be sent; ``facts`` and ``groups`` are what it begins with.

    Instants are seconds since 1970 and do not go back. ``changed`` are the groups that are no longer as they were.
    """

    def __init__(self, rules: Rules, facts: Iterable[Fact] = (), groups: Iterable[Group] = ()) -> None:
        self.rules = rules
        self.changed: dict[tuple[int | None, str], Group] = {}
        self._facts = {fact.id: fact for fact in facts}
        self._groups = {(group.route, group.key): group for group in groups}
        self._of: dict[int, list[Group]] = {}
        for group in self._groups.values():
            for number in group.members:
                self._of.setdefault(number, []).append(group)
        self._hiding: Hiding | None = None

    def hear(self, at: float, fact: Fact) -> None:
        """Take note of an alert that changed. Hearing the same again changes nothing."""
        self._facts[fact.id] = fact
        self._hiding = None
        wanted = fact.to_say()
        if wanted in (FIRING, NO_DATA):
            for route in routing.takers(self.rules, fact.labels):
                self._join(route, fact, at)
        for group in self._of.get(fact.id, ()):
            self._note(group, fact, wanted, at)

    def due(self, at: float) -> list[Message]:
        """What is to be sent, or written down as suppressed, at ``at``."""
        ready = [group for group in self._groups.values() if group.due_at is not None and group.due_at <= at]
        ready.sort(key=lambda group: (group.due_at or 0.0, group.route or 0, group.key))
        return [message for group in ready for message in self._look(group, at)]

    def next_due(self) -> float | None:
        """When to ask for :meth:`due` next; None if nothing is to be expected."""
        return min((group.due_at for group in self._groups.values() if group.due_at is not None), default=None)

    def _join(self, route: RouteRule, fact: Fact, at: float) -> None:
        """Have it in a group of the route: the one it is in, though its labels or the grouping have changed since."""
        if any(group.route == route.id for group in self._of.get(fact.id, ())):
            return
        key = route.key(fact.labels)
        group = self._groups.get((route.id, key))
        if group is None:
            group = self._groups[route.id, key] = Group(route.id, key, route.group_labels(fact.labels), at)
        if not group.members:
            group.open(at)
        group.members[fact.id] = Member()
        self._of.setdefault(fact.id, []).append(group)
        self._change(group)

    def _note(self, group: Group, fact: Fact, wanted: str, at: float) -> None:
        member, route, was_due = group.members[fact.id], self.rules.route(group.route), group.due_at
        if wanted not in (NOTHING, member.heard):
            member.heard = wanted
            member.folded += bool(member.said)
            self._change(group)
        if route is not None and (wanted not in (NOTHING, member.said) or fact.flapping):
            group.look_at(max(at, group.news_at(route)))
        if fact.is_acknowledged(at) and fact.acknowledged_until is not None:
            group.look_at(fact.acknowledged_until)
        if group.due_at != was_due:
            self._change(group)

    def _look(self, group: Group, at: float) -> list[Message]:
        self._change(group)
        route = self.rules.route(group.route)
        if route is None:  # it is gone, or switched off
            self._leave(group, list(group.members))
            group.due_at = None
            return []
        told = looking.Look(group, route, self.rules, self._hiding_now(), at).over(self._facts)
        messages = list(Writer(self.rules, self._facts, route, group, told).messages())
        if any(told.said[kind] for kind in told.said if kind != ESCALATION):
            group.sent_at = at  # though its channel be off: it is told again when it is on
        self._leave(group, told.left)
        moments = [*told.again, *looking.moments(group, route, self._facts)]
        group.due_at = min((moment for moment in moments if moment > at), default=None)
        return messages

    def _hiding_now(self) -> Hiding:
        """What hides alerts; those that fire are looked through once, until one of them changes."""
        if self._hiding is None:
            firing = [(fact.id, fact.labels) for fact in self._facts.values() if fact.to_say() == FIRING]
            self._hiding = Hiding(self.rules, firing)
        return self._hiding

    def _leave(self, group: Group, numbers: Iterable[int]) -> None:
        for number in numbers:
            del group.members[number]
            self._of[number].remove(group)

    def _change(self, group: Group) -> None:
        self.changed[group.route, group.key] = group
