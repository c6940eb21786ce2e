"""Routing: which queue a run goes to, and why. The only writer of RoutingRule.

A queue that the caller names wins; then the first enabled rule that matches; then the queue of the definition.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Max

from orchestra.kernel import access, events
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import FieldError, Invalid, NotFound
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Role
from workflows import queues
from workflows.definition import Definition
from workflows.models import RoutingRule

access.grant({"routing.change": Role.ADMIN})

FIELDS = ("enabled", "workflow", "capability", "tier", "queue")
LENGTHS = {"workflow": 100, "capability": 100, "tier": 20}
MAX_RULES = 200


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules ask of a run."""

    workflow: str
    tier: str = ""
    capabilities: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """The queue, and by what it was chosen: ``the caller``, ``rule 2: tier premium`` or ``the definition``."""

    queue: str
    by: str


def route(definition: Definition, *, tier: str = "", given: str = "") -> Route:
    """Where a run of ``definition`` goes; reads the rules unless the caller has ``given`` a queue."""
    if given:
        return Route(given, "the caller")
    return decide(RoutingRule.objects.filter(enabled=True), facts_of(definition, tier), definition.queue)


def facts_of(definition: Definition, tier: str) -> Facts:
    needed = {capability for step in definition.steps for capability in step.capabilities}
    return Facts(definition.name, tier, needed)


def decide(rules: Sequence[RoutingRule] | Any, facts: Facts, otherwise: str) -> Route:
    """The queue of the first rule that matches, else ``otherwise``. Pure."""
    for rule in rules:
        if rule.enabled and _matches(rule, facts):
            return Route(rule.queue, f"rule {rule.position}: {rule.conditions}")
    return Route(otherwise, "the definition")


def create(values: Mapping[str, Any], *, by: Actor, reason: str = "") -> RoutingRule:
    """Add a rule as the last one. Raises :class:`Invalid` naming each bad field."""
    access.check(by, "routing.change")
    check(values)
    with events.recording(by):
        last = RoutingRule.objects.aggregate(last=Max("position"))["last"] or 0
        if last >= MAX_RULES:
            raise Invalid(f"There may be at most {MAX_RULES} rules; remove one first.")
        rule = RoutingRule.objects.create(position=last + 1, **_fields(values))
        queues.ensure([rule.queue])
        _record("RoutingRuleCreated", rule, after=describe(rule), reason=reason)
    return rule


def change(rule_id: int, values: Mapping[str, Any], *, by: Actor, reason: str = "") -> RoutingRule:
    """Change the fields that ``values`` names, and its ``position``; what changes nothing is not recorded."""
    access.check(by, "routing.change")
    with events.recording(by):
        rule = _locked(rule_id)
        before = describe(rule)
        merged = {field: getattr(rule, field) for field in FIELDS} | _fields(values)
        check(merged)
        for field, value in merged.items():
            setattr(rule, field, value)
        rule.save(update_fields=[*FIELDS])
        if "position" in values:
            _place(rule, values["position"])
        queues.ensure([rule.queue])
        after = describe(rule)
        changed = [field for field in after if before[field] != after[field]]
        if changed:
            old, new = ({field: table[field] for field in changed} for table in (before, after))
            _record("RoutingRuleChanged", rule, before=old, after=new, reason=reason)
    return rule


def remove(rule_id: int, *, by: Actor, reason: str = "") -> None:
    """Remove a rule; runs that it has routed stay where they are."""
    access.check(by, "routing.change")
    with events.recording(by):
        rule = _locked(rule_id)
        _record("RoutingRuleRemoved", rule, before=describe(rule), reason=reason)
        RoutingRule.objects.filter(position__gt=rule.position).update(position=F("position") - 1)
        rule.delete()


def check(values: Mapping[str, Any]) -> None:
    """Raise :class:`Invalid` that names every bad field, if there is one."""
    faults: list[FieldError] = []
    if not queues.NAME.fullmatch(values.get("queue", "")):
        faults.append({"path": "queue", "message": "Give a name of letters, digits, - and _, at most 50 characters."})
    for field, longest in LENGTHS.items():
        if len(values.get(field, "")) > longest:
            faults.append({"path": field, "message": f"Give at most {longest} characters."})
    if faults:
        raise Invalid(errors=faults)


def describe(rule: RoutingRule) -> dict[str, Any]:
    return {field: getattr(rule, field) for field in ("position", *FIELDS)}


def _matches(rule: RoutingRule, facts: Facts) -> bool:
    return (
        (not rule.workflow or rule.workflow == facts.workflow)
        and (not rule.tier or rule.tier == facts.tier)
        and (not rule.capability or rule.capability in facts.capabilities)
    )


def _fields(values: Mapping[str, Any]) -> dict[str, Any]:
    given = {field: values[field] for field in FIELDS if field in values}
    return {field: value.strip() if isinstance(value, str) else value for field, value in given.items()}


def _locked(rule_id: int) -> RoutingRule:
    """The rule; all are locked, because moving one moves others."""
    rules = {rule.pk: rule for rule in RoutingRule.objects.order_by("pk").select_for_update(no_key=True)}
    if rule_id not in rules:
        raise NotFound("There is no such rule; it may have been removed, so reload the list.")
    return rules[rule_id]


def _place(rule: RoutingRule, wanted: int) -> None:
    others = [other for other in RoutingRule.objects.all() if other.pk != rule.pk]
    others.insert(min(max(wanted, 1), len(others) + 1) - 1, rule)
    for position, other in enumerate(others, start=1):
        other.position = position
    RoutingRule.objects.bulk_update(others, ["position"])


def _record(action: str, rule: RoutingRule, **what: Any) -> None:
    events.record(action, target=Ref("routing_rule", rule.pk, str(rule)), permission="routing.change", **what)
