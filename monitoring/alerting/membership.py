"""Which subjects a threshold looks at: those of its metric that lie within its scope. Reads only.

Read for all thresholds together: who there is in a query for each kind, who belongs to which pool or can do what in two
more.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from agents.models import Agent, Capability
from monitoring.metrics import readings
from monitoring.metrics.catalogue import METRICS
from monitoring.metrics.readings import Scope, Subject
from monitoring.models import ScopeKind, Threshold

Members = Mapping[tuple[str, str], Collection[str]]
"""The agents by the scope, its kind and value, that they belong to."""
Of = TypeVar("Of")


def of_scopes(thresholds: Iterable[Threshold]) -> Members:
    """The agents of the pools, and with the capabilities, that thresholds on agents look at."""
    on_agents = [row for row in thresholds if METRICS[row.metric].kind == "agent"]
    pools = {int(row.scope_value) for row in on_agents if row.scope_kind == ScopeKind.POOL}
    skills = {row.scope_value for row in on_agents if row.scope_kind == ScopeKind.CAPABILITY}
    members: dict[tuple[str, str], set[str]] = defaultdict(set)
    if pools:
        for agent, pool in Agent.objects.filter(pool__in=pools).values_list("pk", "pool_id"):
            members[ScopeKind.POOL, str(pool)].add(str(agent))
    if skills:
        for agent, skill in Capability.objects.filter(name__in=skills).values_list("agent_id", "name"):
            members[ScopeKind.CAPABILITY, skill].add(str(agent))
    return members


def within(threshold: Threshold, by_subject: Mapping[str, Of], members: Members) -> Mapping[str, Of]:
    """Of what there is by subject, that of the subjects in the threshold's scope."""
    if threshold.scope_kind == ScopeKind.ALL:
        return by_subject
    if threshold.scope_kind == METRICS[threshold.metric].kind:
        value = threshold.scope_value
        return {value: by_subject[value]} if value in by_subject else {}
    chosen = members.get((threshold.scope_kind, threshold.scope_value), ())
    return {subject: by_subject[subject] for subject in chosen if subject in by_subject}


def subjects_of(thresholds: Iterable[Threshold]) -> dict[str, dict[str, Subject]]:
    """All that there is of what the thresholds' metrics are figures of, by kind and id."""
    one_of = {METRICS[row.metric].kind: row.metric for row in thresholds}
    return {kind: readings.subjects(metric, Scope.all()) for kind, metric in one_of.items()}
