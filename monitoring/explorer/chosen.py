"""Whose figures are shown: the subjects that an address names, those shown if it names none, those to choose from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import F, QuerySet

from agents.models import Agent, AgentKind, Pool
from monitoring.explorer.drawings import MOST_SUBJECTS
from monitoring.metrics import subjects
from orchestra.kernel.lists import number_in

OFFERED = 200
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Chosen:
    """``subjects``: names by id. ``fault``: why something that was asked for is not among them."""

    subjects: Mapping[str, str]
    fault: str = ""


def read(kind: str, asked: Sequence[str], added: str) -> Chosen:
    """The subjects with the ids ``asked``, and the one whose name is ``added``; without any the first few."""
    if kind == "system":
        return Chosen({subjects.SYSTEM: "system"})
    find = _FIND[kind]
    ids = list(dict.fromkeys(asked))[:MOST_SUBJECTS]
    found = find(ids, "") if ids else {}
    faults = [] if len(found) == len(ids) else [f"Some {kind}s are no longer there."]
    if added:
        more = find([], added)
        if not more:
            faults.append(f"There is no {kind} named {added[:100]}.")
        elif len({**found, **more}) > MOST_SUBJECTS:
            faults.append(f"At most {MOST_SUBJECTS} can be compared; take one away first.")
        else:
            found = {**found, **more}
    return Chosen(found or _usual(kind), " ".join(faults))


def offered(kind: str) -> list[str]:
    """Names to choose from, the first by the alphabet."""
    if kind == "system":
        return []
    if kind in _ROWS:
        return list(_ROWS[kind]().order_by("name").values_list("name", flat=True)[:OFFERED])
    return subjects.names(kind)[:OFFERED]


def _usual(kind: str) -> dict[str, str]:
    """Agents that were called last; of anything else the first by name."""
    if kind == "agent":
        rows = _agents().order_by(F("health__last_called_at").desc(nulls_last=True), "name")
        return {str(pk): name for pk, name in rows.values_list("pk", "name")[:SHOWN]}
    if kind == "pool":
        return {str(pk): name for pk, name in _pools().order_by("name").values_list("pk", "name")[:SHOWN]}
    return {name: name for name in subjects.names(kind)[:SHOWN]}


def _agents() -> "QuerySet[Agent]":
    return Agent.objects.exclude(kind=AgentKind.HUMAN)


def _pools() -> "QuerySet[Pool]":
    return Pool.objects.all()


def _numbered(rows: "Callable[[], QuerySet[Agent] | QuerySet[Pool]]") -> Callable[[Sequence[str], str], dict[str, str]]:
    def find(ids: Sequence[str], name: str) -> dict[str, str]:
        numbers = [number for text in ids if (number := number_in(text)) is not None]
        found = rows().filter(name=name) if name else rows().filter(pk__in=numbers)
        names = {str(pk): label for pk, label in found.values_list("pk", "name")}
        return names if name else {pk: names[pk] for pk in map(str, numbers) if pk in names}

    return find


def _named(kind: str) -> Callable[[Sequence[str], str], dict[str, str]]:
    def find(ids: Sequence[str], name: str) -> dict[str, str]:
        known = set(subjects.names(kind))
        return {text: text for text in ([name] if name else ids) if text in known}

    return find


_ROWS: Mapping[str, Callable[[], "QuerySet[Agent] | QuerySet[Pool]"]] = {"agent": _agents, "pool": _pools}
_FIND = {
    **{kind: _numbered(rows) for kind, rows in _ROWS.items()},
    **{kind: _named(kind) for kind in ("queue", "workflow")},
}
