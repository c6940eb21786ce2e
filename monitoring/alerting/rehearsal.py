"""Who would have been told of replayed alerts: the production planner of notifications under a simulated clock. Pure.

As live, whatever happens at an evaluation is heard first, and then it is looked at what is due.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter

from monitoring.alerting.machine import ROUNDING_S
from monitoring.alerting.replay import Event
from monitoring.notification.groups import ESCALATION, NOTHING, REMINDER, REPEAT, Fact, Message
from monitoring.notification.planning import Planner
from monitoring.notification.routing import BUILT_IN, Rules

SILENT = (NOTHING, False)
"""What there is to say of an alert that has just begun."""
AGAIN = (REPEAT, REMINDER, ESCALATION)
"""Messages of what people were told of before."""


@dataclass(frozen=True, slots=True)
class Part:
    """A subject with its labels as routes match them, and what happened to its alerts, in its order."""

    labels: Mapping[str, str]
    events: Sequence[Event]


def messages(
    rules: Rules, parts: Sequence[Part], evaluated: Sequence[float], *, runs_on_s: float = 0
) -> Iterator[tuple[Message, list[int]]]:
    """The messages that the planner would have made at the instants ``evaluated``, suppressed ones included.

    Each with the numbers of the parts that it is about. With ``runs_on_s`` the clock goes on after them, in steps of so
    many seconds, until the news of what has happened by then is due: nothing is told again, or evaluated, any more.
    """
    planner, owner = Planner(rules), list[int]()
    looks = _looks(planner, _facts(parts, owner), evaluated)
    if runs_on_s:
        looks = chain(looks, _looks(planner, [], _later(rules, evaluated, runs_on_s)))
    for at, news in looks:
        for fact in news:
            planner.hear(at, fact)
        for message in planner.due(at):
            if at <= evaluated[-1] or message.kind not in AGAIN:
                yield message, [owner[number] for number in message.alerts]


def _later(rules: Rules, evaluated: Sequence[float], every_s: float) -> list[float]:
    """The instants after the last evaluation at which news may be due: for as long as any group waits."""
    longest = max(max(route.wait_s, route.interval_s) for route in (*rules.routes, BUILT_IN))
    first, last = evaluated[0], evaluated[-1]
    done = int((last - first) / every_s + ROUNDING_S)
    return [first + (done + number) * every_s for number in range(1, int(longest / every_s) + 3)]


def _facts(parts: Sequence[Part], owner: list[int]) -> list[tuple[float, Fact]]:
    """What the planner hears, in its order. Alerts are numbered; ``owner`` gets the part that each belongs to.

    What changes nothing that could be said is left out, as that an alert is pending, or goes on firing as it recovers.
    """
    found: list[tuple[float, Fact]] = []
    for index, part in enumerate(parts):
        first, heard = len(owner) - 1, dict[int, tuple[str, bool]]()
        for event in part.events:
            if first + event.number >= len(owner):
                owner.append(index)
            fact = Fact(first + event.number, part.labels, event.state.status, event.state.flapping)
            said = (fact.to_say(), fact.flapping)
            if heard.get(fact.id, SILENT) != said:
                heard[fact.id] = said
                found.append((event.at, fact))
    return sorted(found, key=itemgetter(0))


def _looks(
    planner: Planner, facts: Sequence[tuple[float, Fact]], evaluated: Sequence[float]
) -> Iterator[tuple[float, list[Fact]]]:
    """The evaluations at which there is something to hear, or something is due."""
    heard = [(at, [fact for _, fact in some]) for at, some in groupby(facts, key=itemgetter(0))]
    number, last = 0, None
    while True:
        happens_at = heard[number][0] if number < len(heard) else None
        due_at = _evaluation_from(planner.next_due(), last, evaluated)
        if happens_at is not None and (due_at is None or happens_at <= due_at):
            last = happens_at
            yield heard[number]
            number += 1
        elif due_at is not None:
            last = due_at
            yield due_at, []
        else:
            return


def _evaluation_from(due: float | None, last: float | None, evaluated: Sequence[float]) -> float | None:
    """The first evaluation at which what is due is looked at: after the last one, which has looked already."""
    if due is None:
        return None
    index = bisect_left(evaluated, due)
    while index < len(evaluated) and last is not None and evaluated[index] <= last:
        index += 1
    return evaluated[index] if index < len(evaluated) else None
