"""The fleet's verbs: the only writer of Agent, Capability and FleetRevision."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import F, ProtectedError
from django.utils import timezone

from agents.kinds import KINDS
from agents.models import AGENT_STATES, Agent, AgentHealth, AgentStatus, Capability, FleetRevision
from orchestra.kernel import access, events, secrets
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, FieldError, IllegalTransition, Invalid, NotFound
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Role
from orchestra.kernel.naming import name_taken_reported

access.grant(
    {
        "agents.create": Role.ADMIN,
        "agents.change": Role.ADMIN,
        "agents.remove": Role.ADMIN,
        "agents.operate": Role.OPERATOR,
    }
)

MAX_CAPABILITIES = 100
MAX_CONFIG = 64 * 1024
FIELDS = ("name", "description", "config", "model", "version", "max_concurrency", "failure_threshold", "recovery_s")
LENGTHS = {"name": 100, "description": 300, "model": 100, "version": 50}
LIMITS = {"max_concurrency": (1, 100_000), "failure_threshold": (1, 1000), "recovery_s": (1, 86_400)}
STATUS_EVENTS = {
    AgentStatus.ONLINE: "AgentEnabled",
    AgentStatus.DRAINING: "AgentDrained",
    AgentStatus.DISABLED: "AgentDisabled",
}


def create(kind: str, values: Mapping[str, Any], capabilities: Sequence[str], *, by: Actor, reason: str = "") -> Agent:
    """Add an agent; it is online at once. ``values`` may hold :data:`FIELDS` and ``secrets``, a table.

    Raises :class:`Invalid` naming each bad field.
    """
    access.check(by, "agents.create")
    check(kind, values, capabilities)
    fields = {name: values[name] for name in FIELDS if name in values}
    with events.recording(by):
        with name_taken_reported("an agent", values["name"]):
            agent = Agent.objects.create(kind=kind, secrets=values.get("secrets"), **fields)
        AgentHealth.objects.create(agent=agent)
        _set_capabilities(agent, capabilities)
        raise_revision()
        _record("AgentCreated", agent, after=describe(agent), reason=reason, permission="agents.create")
    return agent


def change(
    agent_id: int, values: Mapping[str, Any], capabilities: Sequence[str] | None = None, *, by: Actor, reason: str = ""
) -> Agent:
    """Change the fields that ``values`` names, and the capabilities if given; masked values of ``config`` stay.

    What changes nothing is not recorded.
    """
    access.check(by, "agents.change")
    with events.recording(by):
        agent = _locked(agent_id)
        before, old_secrets = describe(agent), agent.secrets
        merged = {name: getattr(agent, name) for name in FIELDS} | dict(values)
        merged["config"] = secrets.restore(merged["config"], agent.config)
        check(agent.kind, merged, before["capabilities"] if capabilities is None else capabilities)
        for name in FIELDS:
            setattr(agent, name, merged[name])
        agent.secrets = values.get("secrets", old_secrets)
        with name_taken_reported("an agent", agent.name):
            agent.save(update_fields=[*FIELDS, "secrets", "updated_at"])
        if capabilities is not None:
            _set_capabilities(agent, capabilities)
        old, new = _difference(before, describe(agent))
        if old != new or agent.secrets != old_secrets:
            raise_revision()
            _record("AgentChanged", agent, before=old, after=new, reason=reason, permission="agents.change")
    return agent


def remove(agent_id: int, *, by: Actor, reason: str = "") -> None:
    """Remove an agent that never worked; one with calls in its history is disabled instead, by :func:`set_status`."""
    access.check(by, "agents.remove")
    with events.recording(by):
        agent = _locked(agent_id)
        if AgentHealth.objects.filter(agent=agent, calls__gt=0).exists():
            raise _has_worked(agent)
        _record("AgentRemoved", agent, before=describe(agent), reason=reason, permission="agents.remove")
        try:
            agent.delete()
        except ProtectedError:
            raise _has_worked(agent) from None
        raise_revision()


def set_status(agent_id: int, status: AgentStatus, *, by: Actor, reason: str = "") -> Agent:
    """Enable (online), drain (calls end, none begin) or disable an agent."""
    access.check(by, "agents.operate")
    with events.recording(by):
        agent = _locked(agent_id)
        before = agent.status
        if before == status:
            return agent
        if not AGENT_STATES.move(agent, status, updated_at=timezone.now()):
            raise IllegalTransition
        raise_revision()
        _record(
            STATUS_EVENTS[status],
            agent,
            before={"status": before},
            after={"status": str(status)},
            reason=reason,
            permission="agents.operate",
        )
    return agent


def describe(agent: Agent) -> dict[str, Any]:
    """The agent as the audit trail keeps it; secrets only as names."""
    return {
        **{name: getattr(agent, name) for name in FIELDS if name != "config"},
        "config": secrets.mask(agent.config),
        "kind": agent.kind,
        "capabilities": sorted(agent.capabilities.values_list("name", flat=True)),
        "secrets": sorted(agent.secrets or {}),
    }


def check(kind: str, values: Mapping[str, Any], capabilities: Sequence[str]) -> None:
    """Raise :class:`Invalid` that names every bad field, if there is one."""
    faults: list[FieldError] = []
    if kind not in KINDS:
        faults.append({"path": "kind", "message": f"Choose one of {', '.join(sorted(KINDS))}."})
    else:
        faults += _config_faults(kind, values.get("config") or {})
    if not str(values.get("name", "")).strip():
        faults.append({"path": "name", "message": "Give it a name."})
    for field, longest in LENGTHS.items():
        if len(values.get(field, "")) > longest:
            faults.append({"path": field, "message": f"Give at most {longest} characters."})
    for field, (low, high) in LIMITS.items():
        if field in values and not low <= values[field] <= high:
            faults.append({"path": field, "message": f"Give a whole number from {low} to {high:,}."})
    faults += _capability_faults(capabilities)
    if faults:
        raise Invalid(errors=faults)


def _locked(agent_id: int) -> Agent:
    agent = Agent.objects.select_for_update().filter(pk=agent_id).first()
    if agent is None:
        raise NotFound("There is no such agent; it may have been removed, so go back to the list.")
    return agent


def _has_worked(agent: Agent) -> Conflict:
    return Conflict(f"{agent.name} has calls in its history, which needs it; disable it instead.")


def _config_faults(kind: str, config: Mapping[str, Any]) -> list[FieldError]:
    if len(json.dumps(config)) > MAX_CONFIG:
        return [{"path": "config", "message": f"A configuration may have at most {MAX_CONFIG // 1024} KB."}]
    return [{"path": fault.path, "message": fault.message} for fault in KINDS[kind].faults(config)]


def _capability_faults(capabilities: Sequence[str]) -> list[FieldError]:
    if len(capabilities) > MAX_CAPABILITIES:
        return [{"path": "capabilities", "message": f"Name at most {MAX_CAPABILITIES} capabilities."}]
    return [
        {"path": f"capabilities[{index}]", "message": "Give a name of 1 to 100 characters without spaces."}
        for index, name in enumerate(capabilities)
        if not 0 < len(name) <= 100 or name.split() != [name]
    ]


def _set_capabilities(agent: Agent, names: Sequence[str]) -> None:
    agent.capabilities.exclude(name__in=names).delete()
    Capability.objects.bulk_create(
        [Capability(agent=agent, name=name) for name in dict.fromkeys(names)], ignore_conflicts=True
    )


def raise_revision() -> None:
    """Tell executors to read again what they keep in memory: the fleet, and what is set for queues; joins the unit."""
    FleetRevision.objects.get_or_create(pk=1)
    FleetRevision.objects.filter(pk=1).update(number=F("number") + 1)


def _difference(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    changed = [key for key in after if before.get(key) != after[key]]
    return {key: before.get(key) for key in changed}, {key: after[key] for key in changed}


def _record(action: str, agent: Agent, *, permission: str, **what: Any) -> None:
    events.record(action, target=Ref("agent", agent.pk, agent.name), permission=permission, **what)
