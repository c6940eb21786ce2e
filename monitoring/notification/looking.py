"""What a group has to say when it is looked at, and when to look at it again. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from monitoring.notification import routing
from monitoring.notification.groups import (
    DIGEST,
    ESCALATION,
    FIRING,
    NEWS,
    NO_DATA,
    NOTHING,
    REMINDER,
    REPEAT,
    RESOLVED,
    Fact,
    Group,
    Member,
)
from monitoring.notification.hiding import Hidden, Hiding
from monitoring.notification.routing import RouteRule, Rules

LOOK_AGAIN_S = 30.0
"""What hides an alert and may end early is looked at again at most so often."""
DIGEST_S = 14_400.0
"""Digests of an alert that goes on flapping, where the route repeats nothing."""
KEYS_APART = "; "
UNTOLD = Hidden("untold", "It resolved before anybody had been told that it fires.", None)


@dataclass(slots=True)
class Told:
    """What comes of looking at a group: the alerts by what is said of them, and those hidden, by what and why.

    ``left`` are the alerts that leave the group, ``again`` the moments to look at it again.
    """

    at: float
    said: dict[str, list[int]] = field(default_factory=dict)
    hidden: dict[tuple[str, str], tuple[Hidden, list[int]]] = field(default_factory=dict)
    escalated: list[int] = field(default_factory=list)
    folded: dict[int, int] = field(default_factory=dict)
    left: list[int] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    was_held: bool = False

    def hide(self, kind: str, number: int, hidden: Hidden) -> None:
        self.hidden.setdefault((kind, hidden.key), (hidden, []))[1].append(number)

    @property
    def news(self) -> tuple[str, list[int]]:
        """The gravest kind of the news, and all the alerts that they are about."""
        kinds = [kind for kind in NEWS if self.said.get(kind)]
        return (kinds[0] if kinds else NOTHING), [number for kind in kinds for number in self.said[kind]]


class Look:
    """A look at a group at ``at``, which takes what it finds to say as said."""

    def __init__(self, group: Group, route: RouteRule, rules: Rules, hiding: Hiding, at: float) -> None:
        self.group, self.route, self.rules, self.hiding, self.at = group, route, rules, hiding, at
        self.told = Told(at)

    def over(self, facts: Mapping[int, Fact]) -> Told:
        """Look at every member; ``facts`` are the alerts as they are now."""
        for number, member in self.group.members.items():
            fact = facts.get(number)
            if fact is None:
                self.told.left.append(number)
            else:
                self._at(member, fact)
        return self.told

    def _at(self, member: Member, fact: Fact) -> None:
        if fact.to_say() == NOTHING:
            return
        if fact.to_say() == RESOLVED and not member.said and not fact.flapping:
            self.told.left.append(fact.id)
            if not member.held:
                self.told.hide(RESOLVED, fact.id, UNTOLD)
            return
        for kind in _due(self.group, self.route, member, fact, self.at):
            if kind != RESOLVED and not self._belongs(fact):
                self.told.left += [] if member.said else [fact.id]
                return
            if hidden := self.hiding.of(fact, self.route, kind, self.at):
                _hold(member, fact, kind, hidden, self.told)
                self.told.again += _ends(hidden, self.route, self.at)
            else:
                _tell(self.group, member, fact, kind, self.told)

    def _belongs(self, fact: Fact) -> bool:
        """Whether the route still takes the alert; another may since the routes were changed."""
        return self.route in routing.takers(self.rules, fact.labels)


def moments(group: Group, route: RouteRule, facts: Mapping[int, Fact]) -> Iterator[float]:
    """When something of the group may be due, as far as is known now; some of these may have been."""
    for number, member in group.members.items():
        fact = facts[number]
        wanted = fact.to_say()
        if wanted == NOTHING:
            continue
        if fact.flapping and member.said == DIGEST and member.said_at is not None:
            yield max(member.said_at + digest_every(route), group.news_at(route))
        elif fact.flapping or wanted != member.said:
            yield group.news_at(route)
        else:
            yield from _moments_of_told(group, route, member, fact)


def digest_every(route: RouteRule) -> float:
    """How often a flapping alert is told of at most."""
    return max(route.interval_s, route.repeat_s or DIGEST_S)


def _moments_of_told(group: Group, route: RouteRule, member: Member, fact: Fact) -> Iterator[float]:
    if fact.acknowledged and fact.acknowledged_until is not None:
        yield fact.acknowledged_until
    if route.repeat_s and group.sent_at is not None:
        yield group.sent_at + route.repeat_s
    if _escalates(route, member) and member.said_at is not None:
        yield member.said_at + route.escalate_after_s


def _due(group: Group, route: RouteRule, member: Member, fact: Fact, at: float) -> list[str]:
    """What there is to say of an alert now, if nothing hides it."""
    wanted, is_time = fact.to_say(), at >= group.news_at(route)
    if fact.flapping:
        return _of_flapping(route, member, wanted, at) if is_time else []
    if wanted != member.said:
        return [wanted] if is_time else []
    if _reminds(member, fact, at):
        return [REMINDER]
    kinds = []
    since = member.said_at
    if _escalates(route, member) and since is not None and at >= since + route.escalate_after_s:
        kinds += [] if fact.is_acknowledged(at) else [ESCALATION]
    if route.repeat_s and group.sent_at is not None and at >= group.sent_at + route.repeat_s:
        kinds.append(REPEAT)
    return kinds


def _of_flapping(route: RouteRule, member: Member, wanted: str, at: float) -> list[str]:
    """A digest at first and then at most every so often; that it resolved, once it has been quiet for as long."""
    if member.said != DIGEST or member.said_at is None:
        return [DIGEST]
    if at < member.said_at + digest_every(route):
        return []
    return [RESOLVED] if wanted == RESOLVED and not member.folded else [DIGEST]


def _reminds(member: Member, fact: Fact, at: float) -> bool:
    """Whether an acknowledgement is over that nobody was reminded of."""
    end = fact.acknowledged_until
    return fact.acknowledged and end is not None and at >= end and member.reminded != end


def _escalates(route: RouteRule, member: Member) -> bool:
    return bool(route.escalate_after_s and route.escalate_to) and not member.escalated


def _ends(hidden: Hidden, route: RouteRule, at: float) -> list[float]:
    """When to see whether it is still hidden; nothing where only a person can change that, who then has us look."""
    ends = [] if hidden.until is None else [hidden.until]
    return [*ends, at + max(route.interval_s, LOOK_AGAIN_S)] if hidden.may_end_early else ends


def _hold(member: Member, fact: Fact, kind: str, hidden: Hidden, told: Told) -> None:
    """Say once what hides it, not each time it is looked at; of each kind, since more than one may be due."""
    key, of_kind = f"{hidden.key}, {kind}", f", {kind}"
    keys = member.held.split(KEYS_APART) if member.held else []
    if key not in keys:
        told.hide(kind, fact.id, hidden)
        member.held = KEYS_APART.join([*(one for one in keys if not one.endswith(of_kind)), key])


def _tell(group: Group, member: Member, fact: Fact, kind: str, told: Told) -> None:
    told.said.setdefault(kind, []).append(fact.id)
    told.was_held = told.was_held or bool(member.held)
    member.held = NOTHING
    if kind == RESOLVED:
        told.left.append(fact.id)
        if member.escalated:
            told.escalated.append(fact.id)
    elif kind == ESCALATION:
        member.escalated, group.escalated_at = True, told.at
    elif kind == REMINDER:
        member.said_at, member.reminded = told.at, fact.acknowledged_until
    elif kind in (FIRING, NO_DATA, DIGEST):
        told.folded[fact.id] = member.folded
        member.said, member.said_at, member.folded = kind, told.at, 0
        member.reminded = fact.acknowledged_until  # if there was one, it is over, and this says as much as a reminder
