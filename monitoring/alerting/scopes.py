"""What the scope of a threshold names: found by what a person or program writes, and told in words. Reads only.

Agents and pools are kept by their number, so that a new name changes nothing; queues, workflows and capabilities have
no other key than their name.
"""

from collections.abc import Iterable, Mapping

from agents.models import Agent, Capability, Pool
from monitoring.metrics.catalogue import METRICS
from monitoring.metrics.subjects import Scope, subjects
from monitoring.models import ScopeKind, Threshold
from orchestra.kernel.lists import number_in
from workflows.models import Workflow

MOST_OFFERED = 100
NUMBERED: Mapping[str, type[Agent] | type[Pool]] = {ScopeKind.AGENT: Agent, ScopeKind.POOL: Pool}


def resolve(kind: str, text: str) -> str | None:
    """The value that a scope keeps of ``text``, a name or number; None if there is nothing of the kind."""
    word = text.strip()
    if model := NUMBERED.get(kind):
        number = number_in(word)
        if number is not None and model.objects.filter(pk=number).exists():
            return str(number)
        found = model.objects.filter(name=word).values_list("pk", flat=True).first()
        return None if found is None else str(found)
    if kind == ScopeKind.QUEUE:
        return word if word in subjects("queue_waiting", Scope(kind, word)) else None
    rows = Workflow.objects if kind == ScopeKind.WORKFLOW else Capability.objects
    return word if rows.filter(name=word).exists() else None


def names_of(thresholds: Iterable[Threshold]) -> dict[int, str]:
    """What each of the scopes is called, by the threshold's number, in at most two queries; nothing where it is all."""
    rows = [row for row in thresholds if row.scope_kind != ScopeKind.ALL]
    named = names((row.scope_kind, row.scope_value) for row in rows)
    return {row.pk: named[row.scope_kind, row.scope_value] for row in rows}


def names(scopes: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """What scopes, given as kind and value, are called, in at most two queries; what is gone is told by its number."""
    asked = set(scopes)
    known = {kind: _names(model, [value for of, value in asked if of == kind]) for kind, model in NUMBERED.items()}
    return {
        (kind, value): known[kind].get(value, f"#{value}, which is gone") if kind in NUMBERED else value
        for kind, value in asked
    }


def name_of(kind: str, value: str) -> str:
    """What one scope is called."""
    return names([(kind, value)])[kind, value]


def in_words(metric: str, kind: str, name: str) -> str:
    """A scope as a person reads it: ``all agents``, ``the pool billing``; of the system nothing."""
    of = METRICS[metric].kind
    if kind == ScopeKind.ALL:
        return "" if of == "system" else f"all {of}s"
    if kind == of:
        return f"the {kind} {name}"
    return f"agents that can {name}" if kind == ScopeKind.CAPABILITY else f"agents of the {kind} {name}"


def offered() -> dict[str, list[str]]:
    """The first names of each kind that a scope can be, for a person to choose from."""
    agents, pools = (model.objects.order_by("name").values_list("name", flat=True) for model in NUMBERED.values())
    capabilities = Capability.objects.order_by("name").values_list("name", flat=True).distinct()
    return {
        ScopeKind.AGENT: list(agents[:MOST_OFFERED]),
        ScopeKind.POOL: list(pools[:MOST_OFFERED]),
        ScopeKind.CAPABILITY: list(capabilities[:MOST_OFFERED]),
        ScopeKind.QUEUE: list(subjects("queue_waiting", Scope.all()))[:MOST_OFFERED],
        ScopeKind.WORKFLOW: list(Workflow.objects.order_by("name").values_list("name", flat=True)[:MOST_OFFERED]),
    }


def _names(model: type[Agent] | type[Pool], values: Iterable[str]) -> dict[str, str]:
    numbers = [int(value) for value in values if value.isdecimal()]
    rows = model.objects.filter(pk__in=numbers).values_list("pk", "name") if numbers else ()
    return {str(pk): name for pk, name in rows}
