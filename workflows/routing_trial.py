"""Trying the routing rules: where a run of a workflow, or one that asks for a capability, would go."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from agents.models import Capability
from orchestra.kernel.errors import NotFound
from workflows import definitions, routing
from workflows.admission import DEFAULT
from workflows.models import RoutingRule, TaskQueue, Workflow
from workflows.routing import Facts, Route
from workflows.urgency import TIER_POINTS

OFFERED = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """The run that is tried: the name of its workflow, the customer's tier, or just a capability that it needs."""

    workflow: str = ""
    tier: str = ""
    capability: str = ""

    @classmethod
    def read(cls, params: Mapping[str, str]) -> Self:
        return cls(*(params.get(f"try_{name}", "").strip()[:100] for name in ("workflow", "tier", "capability")))

    @property
    def is_asked(self) -> bool:
        return bool(self.workflow or self.tier or self.capability)


@dataclass(frozen=True, slots=True)
class Trial:
    """Where it would go, or why that cannot be said."""

    route: Route | None = None
    error: str = ""


def run(asked: Asked) -> Trial | None:
    """The answer, or None where nothing was asked."""
    if not asked.is_asked:
        return None
    needed = {asked.capability} - {""}
    otherwise = DEFAULT
    if asked.workflow:
        try:
            version = definitions.newest(asked.workflow)
        except NotFound as error:
            return Trial(error=error.detail)
        definition = definitions.parsed([version.pk])[version.pk]
        needed |= {*routing.facts_of(definition, asked.tier).capabilities}
        otherwise = definition.queue
    facts = Facts(asked.workflow, asked.tier, needed)
    return Trial(routing.decide(RoutingRule.objects.filter(enabled=True), facts, otherwise))


def offered() -> dict[str, list[str]]:
    """Names that forms offer."""
    return {
        "workflows": list(Workflow.objects.values_list("name", flat=True)[:OFFERED]),
        "capabilities": list(Capability.objects.order_by("name").values_list("name", flat=True).distinct()[:OFFERED]),
        "queues": list(TaskQueue.objects.values_list("name", flat=True)[:OFFERED]),
        "tiers": list(TIER_POINTS),
    }
