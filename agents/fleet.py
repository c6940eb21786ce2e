"""The fleet's verbs: the only writer of Agent, Capability and FleetRevision."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F, ProtectedError
from django.utils import timezone

from agents.kinds import KINDS
from agents.models import (
    AGENT_STATES,
    Agent,
    AgentHealth,
    AgentKind,
    AgentStatus,
    Capability,
    FleetRevision,
    Pool,
)
from orchestra.kernel import access, events, secrets
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, FieldError, IllegalTransition, Invalid, NotFound, field_error
from orchestra.kernel.events import Outcome, Ref
from orchestra.kernel.lists import by_name_or_number
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
MAX_SECRET = 8 * 1024
MAX_SECRETS = 20
FIELDS = ("name", "description", "config", "model", "version", "max_concurrency", "failure_threshold", "recovery_s")
LENGTHS = {"name": 100, "description": 300, "model": 100, "version": 50}
LIMITS = {"max_concurrency": (1, 100_000), "failure_threshold": (1, 1000), "recovery_s": (1, 86_400)}
STATUS_EVENTS = {
    AgentStatus.STARTING: "AgentRequested",
    AgentStatus.ONLINE: "AgentEnabled",
    AgentStatus.DRAINING: "AgentDrained",
    AgentStatus.OFFLINE: "AgentWentOffline",
    AgentStatus.DISABLED: "AgentDisabled",
}
KEEPER = Actor.system("keeper")
WANTED = (AgentStatus.STARTING, AgentStatus.ONLINE)
"""A process agent with one of these has a process, or is to have one."""
AFTER_ITS_PROCESS = {AgentStatus.ONLINE: AgentStatus.STARTING, AgentStatus.DRAINING: AgentStatus.OFFLINE}
SET_ASIDE = (AgentStatus.DRAINING, AgentStatus.DISABLED)
OF_TEMPLATE = tuple(name for name in FIELDS if name != "name")
"""What the members of a pool have from its template, beside capabilities and secrets."""


def create(  # noqa: PLR0913  all but what it is by name
    kind: str,
    values: Mapping[str, Any],
    capabilities: Sequence[str],
    *,
    by: Actor,
    reason: str = "",
    permission: str = "agents.create",
) -> Agent:
    """Add an agent; it is online at once, or, if it is a process, once that is ready.

    ``values`` may hold :data:`FIELDS`, ``secrets``, a table, and ``pool``, a name or number, whose member it becomes.
    Raises :class:`Invalid` naming each bad field. ``permission`` is another one where an agent adds itself.
    """
    access.check(by, permission)
    check(kind, values, capabilities)
    fields = {name: values[name] for name in FIELDS if name in values} | {"pool": _pool(values.get("pool", ""), kind)}
    with events.recording(by):
        with name_taken_reported("an agent", values["name"]):
            status = AgentStatus.STARTING if kind == AgentKind.PROCESS else AgentStatus.ONLINE
            agent = Agent.objects.create(kind=kind, status=status, secrets=merged_secrets(None, values), **fields)
        AgentHealth.objects.create(agent=agent)
        _set_capabilities(agent, capabilities)
        raise_revision()
        told: dict[str, Any] = {"after": describe(agent), "reason": reason, "permission": permission}
        if agent.pool is None:
            _record("AgentCreated", agent, **told)
        else:
            _record_member("AgentCreated", agent, agent.pool, **told)
    return agent


def change(  # noqa: PLR0913  likewise
    agent_id: int,
    values: Mapping[str, Any],
    capabilities: Sequence[str] | None = None,
    *,
    by: Actor,
    reason: str = "",
    permission: str = "agents.change",
) -> Agent:
    """Change the fields that ``values`` names, and the capabilities if given; masked values of ``config`` stay.

    Of the secrets, those that are named change, and an empty one is removed. What changes nothing is not recorded.
    """
    access.check(by, permission)
    with events.recording(by):
        agent = _locked(agent_id)
        if permission == "agents.change":  # a worker that registers says what it is itself
            _refuse_member(agent, "change")
        before, old_secrets = describe(agent), agent.secrets
        merged = {name: getattr(agent, name) for name in FIELDS} | dict(values)
        merged["config"] = secrets.restore(merged["config"], agent.config)
        check(agent.kind, merged, before["capabilities"] if capabilities is None else capabilities)
        for name in FIELDS:
            setattr(agent, name, merged[name])
        agent.secrets = merged_secrets(old_secrets, values)
        with name_taken_reported("an agent", agent.name):
            agent.save(update_fields=[*FIELDS, "secrets", "updated_at"])
        if capabilities is not None:
            _set_capabilities(agent, capabilities)
        old, new = _difference(before, describe(agent))
        if old != new or agent.secrets != old_secrets:
            raise_revision()
            _record("AgentChanged", agent, before=old, after=new, reason=reason, permission=permission)
    return agent


def remove(agent_id: int, *, by: Actor, reason: str = "") -> None:
    """Remove an agent that never worked; one with calls in its history is disabled instead, by :func:`set_status`."""
    access.check(by, "agents.remove")
    with events.recording(by):
        agent = _locked(agent_id, no_key=False)  # nothing may come to refer to it any more
        _refuse_member(agent, "remove")
        if AgentHealth.objects.filter(agent=agent, calls__gt=0).exists():
            raise _has_worked(agent)
        _record("AgentRemoved", agent, before=describe(agent), reason=reason, permission="agents.remove")
        try:
            agent.delete()
        except ProtectedError:
            raise _has_worked(agent) from None
        raise_revision()


def set_status(agent_id: int, status: AgentStatus, *, by: Actor, reason: str = "") -> Agent:
    """Enable (online), drain (calls end, none begin) or disable an agent. One with a process has to start first.

    What a person takes out of service stays so: the agent's pool leaves it alone until somebody enables it again.
    """
    access.check(by, "agents.operate")
    with events.recording(by):
        agent = _locked(agent_id)
        before, action = agent.status, STATUS_EVENTS[status]
        if status == AgentStatus.ONLINE and agent.kind == AgentKind.PROCESS and before != AgentStatus.DRAINING:
            status = AgentStatus(before) if before in WANTED else AgentStatus.STARTING
        if before == status:
            return agent
        aside = by.kind == "person" and status in SET_ASIDE
        if not AGENT_STATES.move(agent, status, set_aside=aside, updated_at=timezone.now()):
            raise IllegalTransition
        raise_revision()
        _record(
            action,
            agent,
            before={"status": before},
            after={"status": str(status)},
            reason=reason,
            permission="agents.operate",
        )
    return agent


def follow(agent: Agent, status: AgentStatus, action: str, *, by: Actor, reason: str = "") -> bool:
    """Let the status of a locked agent follow what is seen of its worker; joins the unit. False if it may not."""
    before = agent.status
    if before == status or not AGENT_STATES.allows(before, status):
        return False
    if not AGENT_STATES.move(agent, status, updated_at=timezone.now()):
        return False
    raise_revision()
    changed = {"before": {"status": before}, "after": {"status": str(status)}}
    _record(action, agent, permission="", reason=reason, actor=by, **changed)
    return True


def join(agent: Agent, pool: Pool) -> None:
    """Let a locked agent be a member of ``pool``, where its worker says so; joins the unit."""
    if agent.pool_id == pool.pk:
        return
    if agent.kind != pool.kind:
        raise Conflict(f"The pool {pool.name} has members of kind {pool.kind}; name one of kind {agent.kind}.")
    before = {"pool": agent.pool.name if agent.pool else ""}
    agent.pool = pool
    agent.save(update_fields=["pool", "updated_at"])
    raise_revision()
    _record_member("AgentChanged", agent, pool, before=before, after={"pool": pool.name}, permission="agents.work")


def registered(agent: Agent, by: Actor) -> None:
    """Note on a locked agent with whose token its worker registered; joins the unit, whose event tells of it."""
    agent.registered_by_id = int(by.id)
    agent.save(update_fields=["registered_by", "updated_at"])


def process_started(agent_id: int, *, reason: str, **told: Any) -> bool:
    """Its process is ready, so a starting agent is online from now on; False if it is not wanted any more."""
    with events.recording(KEEPER):
        agent = Agent.objects.select_for_update(no_key=True).filter(pk=agent_id).first()
        if agent is None or agent.status not in WANTED:
            return False
        before = agent.status
        if before == AgentStatus.STARTING:
            AGENT_STATES.move(agent, AgentStatus.ONLINE, updated_at=timezone.now())
        raise_revision()
        changed = {"before": {"status": before}, "after": {"status": str(agent.status), **told}}
        _record("AgentStarted", agent, permission="", reason=reason, **changed)
    return True


def process_ended(agent_id: int, *, reason: str, crashed: bool = False, only: str = "") -> bool:
    """Its process has ended or is about to: an online agent is to be started again, a drained one rests.

    ``only`` is the status that it must still have; False, and nothing is done, if it has another.
    """
    with events.recording(KEEPER):
        agent = Agent.objects.select_for_update(no_key=True).filter(pk=agent_id).first()
        if agent is None or (only and agent.status != only):
            return False
        before = AgentStatus(agent.status)
        if before in AFTER_ITS_PROCESS:
            AGENT_STATES.move(agent, AFTER_ITS_PROCESS[before], updated_at=timezone.now())
        raise_revision()
        changed = {"before": {"status": before}, "after": {"status": str(agent.status)}}
        outcome = Outcome.FAILED if crashed else Outcome.SUCCEEDED
        action = "AgentCrashed" if crashed else "AgentStopped"
        _record(action, agent, permission="", reason=reason, outcome=outcome, **changed)
    return True


def add_members(pool: Pool, names: Sequence[str], *, by: Actor, reason: str = "") -> list[Agent]:
    """Make members of a pool from its template, in a few statements; what is a process has to start first."""
    status = AgentStatus.STARTING if pool.kind in (AgentKind.PROCESS, AgentKind.REMOTE) else AgentStatus.ONLINE
    fields = {name: pool.template[name] for name in OF_TEMPLATE if name in pool.template}
    capabilities = list(dict.fromkeys(pool.template.get("capabilities", ())))
    with events.recording(by):
        made = Agent.objects.bulk_create(
            [
                Agent(name=name, kind=pool.kind, pool=pool, status=status, secrets=pool.secrets, **fields)
                for name in names
            ]
        )
        AgentHealth.objects.bulk_create([AgentHealth(agent=agent) for agent in made])
        Capability.objects.bulk_create([Capability(agent=agent, name=name) for agent in made for name in capabilities])
        raise_revision()
        for agent in made:
            _record_member("AgentCreated", agent, pool, after=_described(agent, capabilities), reason=reason)
    return made


def update_members(pool: Pool, *, by: Actor, reason: str = "") -> int:
    """Make all members of a pool what its template and secrets say; returns how many that changed."""
    plain = Agent()
    fields = {name: pool.template.get(name, getattr(plain, name)) for name in OF_TEMPLATE}
    capabilities = list(dict.fromkeys(pool.template.get("capabilities", ())))
    with events.recording(by):
        members = list(
            pool.members.select_for_update(no_key=True, of=("self",)).prefetch_related("capabilities").order_by("pk")
        )
        changed = 0
        for member in members:
            before, old_secrets = _described(member, [each.name for each in member.capabilities.all()]), member.secrets
            for name, value in {**fields, "secrets": pool.secrets}.items():
                setattr(member, name, value)
            old, new = _difference(before, _described(member, capabilities))
            if old != new or member.secrets != old_secrets:
                changed += 1
                _record_member("AgentChanged", member, pool, before=old, after=new, reason=reason)
        if changed:
            pool.members.update(**fields, secrets=pool.secrets, updated_at=timezone.now())
            Capability.objects.filter(agent__pool=pool).exclude(name__in=capabilities).delete()
            wanted = [Capability(agent=member, name=name) for member in members for name in capabilities]
            Capability.objects.bulk_create(wanted, ignore_conflicts=True)
            raise_revision()
    return changed


def move_members(pool: Pool, members: Sequence[Agent], status: AgentStatus, *, by: Actor, reason: str = "") -> int:
    """Move those of ``members``, which the caller has locked, from where the table allows it; in one statement."""
    moving = [member for member in members if AGENT_STATES.allows(member.status, status)]
    if not moving:
        return 0
    with events.recording(by):
        rows = Agent.objects.filter(pk__in=[member.pk for member in moving])
        moved = AGENT_STATES.move_all(rows, status, updated_at=timezone.now())
        raise_revision()
        for member in moving:
            changed = {"before": {"status": member.status}, "after": {"status": str(status)}}
            _record_member(STATUS_EVENTS[status], member, pool, reason=reason, **changed)
    return moved


def remove_members(pool: Pool, *, by: Actor, reason: str = "") -> bool:
    """Remove all members of a pool with their rows; False, and nothing is done, if one of them has ever worked."""
    with events.recording(by):
        members = list(pool.members.select_for_update(no_key=True, of=("self",)).order_by("pk"))
        if AgentHealth.objects.filter(agent__pool=pool, calls__gt=0).exists():
            return False
        try:
            with transaction.atomic():
                list(pool.members.select_for_update().order_by("pk"))  # nothing may come to refer to them any more
                pool.members.all().delete()
        except ProtectedError:
            return False
        raise_revision()
        for member in members:
            _record_member("AgentRemoved", member, pool, before={"status": member.status}, reason=reason)
    return True


def describe(agent: Agent) -> dict[str, Any]:
    """The agent as the audit trail keeps it; secrets only as names."""
    return _described(agent, agent.capabilities.values_list("name", flat=True))


def _described(agent: Agent, capabilities: Iterable[str]) -> dict[str, Any]:
    return {
        **{name: getattr(agent, name) for name in FIELDS if name != "config"},
        "config": secrets.mask(agent.config),
        "kind": agent.kind,
        "capabilities": sorted(capabilities),
        "secrets": sorted(agent.secrets or {}),
    }


def check(kind: str, values: Mapping[str, Any], capabilities: Sequence[str]) -> None:
    """Raise :class:`Invalid` that names every bad field, if there is one."""
    faults: list[FieldError] = []
    if kind not in KINDS:
        faults.append({"path": "kind", "message": f"Choose one of {', '.join(sorted(KINDS))}."})
    else:
        faults += _config_faults(kind, values.get("config") or {})
        faults += _secret_faults(kind, values.get("secrets") or {})
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


def _locked(agent_id: int, *, no_key: bool = True) -> Agent:
    agent = Agent.objects.select_for_update(no_key=no_key).filter(pk=agent_id).first()
    if agent is None:
        raise NotFound("There is no such agent; it may have been removed, so go back to the list.")
    return agent


def _pool(asked: str, kind: str) -> Pool | None:
    """The pool of that name or number, which must have members of ``kind``; none if none is asked for."""
    if not asked:
        return None
    pool = Pool.objects.filter(by_name_or_number(asked)).first()
    if pool is None:
        raise field_error("pool", f"There is no pool {asked}; give the name of one, or leave it out.")
    if pool.kind != kind:
        raise field_error("pool", f"The members of {pool.name} are of kind {pool.kind}; choose another pool or kind.")
    return pool


def _refuse_member(agent: Agent, verb: str) -> None:
    """Members of a pool are all alike, and as many as it wants."""
    if agent.pool is not None:
        instead = "change the pool's template" if verb == "change" else "scale the pool down"
        raise Conflict(f"{agent.name} belongs to the pool {agent.pool.name}; {instead} instead.")


def _has_worked(agent: Agent) -> Conflict:
    return Conflict(f"{agent.name} has calls in its history, which needs it; disable it instead.")


def _config_faults(kind: str, config: Mapping[str, Any]) -> list[FieldError]:
    if len(json.dumps(config)) > MAX_CONFIG:
        return [{"path": "config", "message": f"A configuration may have at most {MAX_CONFIG // 1024} KB."}]
    return [{"path": fault.path, "message": fault.message} for fault in KINDS[kind].faults(config)]


def _secret_faults(kind: str, given: Mapping[str, Any]) -> list[FieldError]:
    """What a function is given as secrets is its own affair; other kinds know theirs."""
    known = given if kind == AgentKind.PYTHON else KINDS[kind].secrets
    faults: list[FieldError] = []
    for name, value in given.items():
        if name not in known:
            said = f"There is no such secret; known: {', '.join(known) or 'none'}."
            faults.append({"path": f"secrets.{name}", "message": said})
        elif len(value) > MAX_SECRET or "\x00" in value:
            said = f"A secret has at most {MAX_SECRET:,} characters, without NUL."
            faults.append({"path": f"secrets.{name}", "message": said})
    return faults[:MAX_SECRETS]


def merged_secrets(stored: dict[str, Any] | None, values: Mapping[str, Any]) -> dict[str, Any] | None:
    merged = {**(stored or {}), **(values.get("secrets") or {})}
    return {name: value for name, value in merged.items() if value} or None


def _capability_faults(capabilities: Sequence[str]) -> list[FieldError]:
    if len(capabilities) > MAX_CAPABILITIES:
        said = f"Name at most {MAX_CAPABILITIES} capabilities; these are {len(capabilities):,}."
        return [{"path": "capabilities", "message": said}]
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


def _record_member(action: str, member: Agent, pool: Pool, **what: Any) -> None:
    parent = Ref("pool", pool.pk, pool.name)
    events.record(action, target=Ref("agent", member.pk, member.name), parent=parent, **what)


def _record(action: str, agent: Agent, *, permission: str, **what: Any) -> None:
    events.record(action, target=Ref("agent", agent.pk, agent.name), permission=permission, **what)
