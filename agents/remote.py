"""Remote workers: they register, say that they live, claim tasks and say goodbye. Presence itself is ``presence.py``'s.

A registration has a name of its own, its *holder*, under which the worker claims. Whoever registers as the same agent
again takes its place: the one before is fenced, and what it held goes back to the queue.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from agents import fleet, presence, snapshot, work
from agents.kinds import remote as kind
from agents.models import Agent, AgentKind, AgentProcess, AgentStatus, Pool
from agents.presence import Figures
from agents.snapshot import AgentView
from agents.work import Abilities, Work
from orchestra.kernel import access, events
from orchestra.kernel.access import Actor
from orchestra.kernel.clock import database_now
from orchestra.kernel.errors import Conflict, Forbidden, NotFound, StaleLease, field_error
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Role

access.grant({"agents.work": Role.OPERATOR, "agents.take_over": Role.ADMIN})

PREFIX = "remote:"
WATCH = Actor.system("presence")
BATCH = 200


@dataclass(frozen=True, slots=True)
class Registration:
    """What a worker must know of itself: under which name it claims, and how often it has to say that it lives."""

    agent: Agent
    holder: str
    lease_s: float
    heartbeat_s: float


@dataclass(frozen=True, slots=True)
class Beat:
    """What a worker is told with its heartbeat: which tasks to stop, and whether to claim no more."""

    stop: list[int]
    drain: bool
    status: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim gave; with nothing, what may be waited for: the worker's abilities, none while it may not work."""

    work: list[Work]
    awaits: Abilities
    holder: str = ""


NEVER = frozenset({""})
"""No task asks for nothing by this name, so who has only this ability is never woken."""


def register(  # noqa: PLR0913  the words of the API
    name: str,
    values: Mapping[str, Any],
    capabilities: Sequence[str],
    *,
    by: Actor,
    pool: str = "",
    host: str = "",
    pid: int | None = None,
    reason: str = "",
) -> Registration:
    """Register a worker as the agent ``name``, which is made if need be. A worker registered before is fenced.

    ``values`` may hold max_concurrency, version and model. An agent that a person disabled stays so, and one that
    somebody registered is that person's: only an administrator may register a worker in its place.
    """
    access.check(by, "agents.work")
    with events.recording(by):
        agent = _its_agent(name, values, capabilities, by)
        _let_own(agent, by)
        if pool:
            fleet.join(agent, _pool(pool))
        if agent.status == AgentStatus.DISABLED:
            raise Conflict(f"{agent.name} is disabled; ask an operator to enable it, then register again.")
        holder = f"{PREFIX}{agent.pk}:{by.id}:{secrets.token_hex(8)}"
        before = _holder(agent.pk)
        if before:
            presence.release(before)
        presence.hold(agent.pk, holder, host[:255], pid, for_s=kind.heartbeat_s(agent.config))
        told = {"host": host, "pid": pid, "version": agent.version, "replaced": bool(before)}
        _record_registration(agent, by, reason, told)
        fleet.raise_revision()
    if before:
        _release_tasks(before)
    return Registration(agent, holder, settings.LEASE_S, kind.heartbeat_s(agent.config))


def heartbeat(  # noqa: PLR0913  the words of the API
    agent_id: int, holder: str, figures: Figures, tasks: Collection[int] | None, *, by: Actor, reason: str = ""
) -> Beat:
    """The worker lives and works on ``tasks``, or on all that it claimed if that is None; their leases are renewed.

    Here, in :func:`claim` and in :func:`goodbye` no ``holder`` stands for the present registration, if ``by`` made it.
    """
    agent, holder = _registered(agent_id, holder, by)
    agent = _back_online(agent, reason)
    if not presence.renew(holder, {agent_id: figures}, for_s=kind.heartbeat_s(agent.config)):
        raise _replaced(Ref("agent", agent.pk, agent.name))
    stop = [task for port in work.tasks for task in port.renew(holder, tasks)]
    return Beat(sorted(stop), agent.status != AgentStatus.ONLINE, agent.status)


def claim(agent_id: int, holder: str, most: int, *, by: Actor, reason: str = "") -> Claimed:
    """Claim up to ``most`` tasks for the worker, as many as it has free slots. To claim is a sign of life as well."""
    agent, holder = _registered(agent_id, holder, by)
    agent = _back_online(agent, reason)
    lasts_s = kind.heartbeat_s(agent.config)
    if _ends_within(agent, lasts_s / 2):
        presence.renew(holder, for_s=lasts_s)
    view = snapshot.read_one(agent_id)
    if view is None or view.status != AgentStatus.ONLINE:
        return Claimed([], NEVER)
    worker = replace(view, holder=holder)  # whoever has registered since the look above, it is this one that claims
    claimed = [each for port in work.tasks for each in port.claim(worker, most)]
    return Claimed(claimed, view.capabilities, holder)


def keep_registration(worker: AgentView) -> None:
    """Let ``worker`` be the one that is registered until the open transaction ends. Raises if another is by now.

    Who takes its place meanwhile waits for that end, and so finds what was claimed in it, to give it back.
    """
    if not presence.keep(worker.id, worker.holder):
        raise _replaced(Ref("agent", worker.id, worker.name))


def give_back(claimed: Claimed) -> int:
    """The worker was gone before it was told what it claimed, which goes back at once; returns how many tasks."""
    tasks = [each.task for each in claimed.work]
    return sum(port.release(claimed.holder, tasks) for port in work.tasks)


def goodbye(agent_id: int, holder: str, *, by: Actor, reason: str = "") -> int:
    """The worker stops: what it held goes back to the queue at once. Returns how many tasks that were."""
    _, holder = _registered(agent_id, holder, by)
    with events.recording(by):
        agent = Agent.objects.select_for_update(no_key=True).get(pk=agent_id)
        if presence.release(holder):
            reason = reason or "Its worker said goodbye."
            if agent.status == AgentStatus.ONLINE:
                fleet.follow(agent, AgentStatus.OFFLINE, "AgentWentOffline", by=by, reason=reason)
            fleet.raise_revision()
    return _release_tasks(holder)  # not before: a claim that is under way would be overlooked


def mark_offline() -> int:
    """Mark agents as offline whose worker is silent for too long; one query if there is none. The ticker's task."""
    silent = Agent.objects.filter(_is_silent(), kind=AgentKind.REMOTE, status=AgentStatus.ONLINE).order_by("pk")
    found = list(silent.values_list("pk", flat=True)[:BATCH])
    if not found:
        return 0
    with events.recording(WATCH):
        rows = Agent.objects.filter(pk__in=found).order_by("pk").select_for_update(no_key=True)
        locked = {agent.pk: agent for agent in rows}
        ends = dict(AgentProcess.objects.filter(pk__in=found).values_list("pk", "lease_expires_at"))
        still = set(Agent.objects.filter(_is_silent(), pk__in=found).values_list("pk", flat=True))
        return sum(
            fleet.follow(agent, AgentStatus.OFFLINE, "AgentWentOffline", by=WATCH, reason=_silence(ends.get(pk)))
            for pk, agent in locked.items()
            if pk in still
        )


def is_remote(holder: str) -> bool:
    """Whether a claimer is a remote worker."""
    return holder.startswith(PREFIX)


def check_owner(holder: str, by: Actor) -> None:
    """Raise :class:`Forbidden` unless ``by`` registered ``holder``: leases are numbers that anybody may guess."""
    if is_remote(holder) and by.kind == "person" and holder.split(":")[2] != by.id:
        raise Forbidden("Somebody else registered this worker; use the token that it was registered with.")


def _its_agent(name: str, values: Mapping[str, Any], capabilities: Sequence[str], by: Actor) -> Agent:
    """The agent's row under lock, made or brought up to date."""
    found = Agent.objects.filter(name=name).values_list("pk", "kind").first()
    if found is None:
        return fleet.create(AgentKind.REMOTE, {"name": name, **values}, capabilities, by=by, permission="agents.work")
    pk, its_kind = found
    if its_kind != AgentKind.REMOTE:
        raise Conflict(f"{name} is an agent of another kind ({its_kind}); register under another name.")
    return fleet.change(pk, values, capabilities, by=by, permission="agents.work")


def _let_own(agent: Agent, by: Actor) -> None:
    """Under another's name a worker is given his tasks and options, so that takes an administrator."""
    if by.kind != "person" or str(agent.registered_by_id) == by.id:
        return
    if agent.registered_by_id is not None and not access.allows(by, "agents.take_over"):
        raise Forbidden(
            f"Somebody else registered the worker {agent.name}; register under another name, or ask an administrator.",
            target=Ref("agent", agent.pk, agent.name),
            permission="agents.take_over",
        )
    fleet.registered(agent, by)


def _pool(name: str) -> Pool:
    pool = Pool.objects.filter(name=name).first()
    if pool is None:
        raise field_error("pool", f"There is no pool named {name}; add it, or register without one.")
    return pool


def _record_registration(agent: Agent, by: Actor, reason: str, told: Mapping[str, Any]) -> None:
    before = agent.status
    if before in (AgentStatus.OFFLINE, AgentStatus.STARTING):
        why = reason or "A worker registered for it."
        fleet.follow(agent, AgentStatus.ONLINE, "AgentCameOnline", by=by, reason=why)
    events.record(
        "AgentRegistered",
        target=Ref("agent", agent.pk, agent.name),
        before={"status": before},
        after={"status": str(agent.status), **told},
        reason=reason,
        permission="agents.work",
    )


def _holder(agent_id: int) -> str:
    return AgentProcess.objects.filter(pk=agent_id).values_list("holder", flat=True).first() or ""


def _release_tasks(holder: str) -> int:
    return sum(port.release(holder) for port in work.tasks)


def _registered(agent_id: int, holder: str, by: Actor) -> tuple[Agent, str]:
    """The agent and its present registration, which is ``holder`` where that is given. Raises if it is not."""
    access.check(by, "agents.work")
    agent = Agent.objects.select_related("process").filter(pk=agent_id, kind=AgentKind.REMOTE).first()
    if agent is None:
        raise NotFound("There is no such remote agent; register again.")
    process = getattr(agent, "process", None)
    present = process.holder if process is not None else ""
    if not present or holder not in ("", present):
        raise _replaced(Ref("agent", agent.pk, agent.name))
    check_owner(present, by)
    return agent, present


def _replaced(agent: Ref) -> StaleLease:
    return StaleLease(
        f"This is not the present registration of {agent.label}: another worker took its place, or it said goodbye. "
        "Stop this worker, or register it again.",
        target=agent,
    )


def _back_online(agent: Agent, reason: str = "") -> Agent:
    """Let an agent be online whose worker was silent, or whose pool asks for it again.

    One that is offline although it was never silent was taken out of service, for example by its pool, and stays so;
    that shows only before its lease is renewed.
    """
    was_silent = agent.status == AgentStatus.OFFLINE and _ends_within(agent, 0)
    if not was_silent and agent.status != AgentStatus.STARTING:
        return agent
    with events.recording(WATCH):
        locked = Agent.objects.select_for_update(no_key=True, of=("self",)).select_related("process").get(pk=agent.pk)
        if locked.status == agent.status:
            why = reason or "Its worker sends heartbeats again."
            fleet.follow(locked, AgentStatus.ONLINE, "AgentCameOnline", by=WATCH, reason=why)
    return locked


def _ends_within(agent: Agent, seconds: float) -> bool:
    """Whether the registration of ``agent``, whose process was read with it, ends so soon unless it is renewed."""
    ends_at = agent.process.lease_expires_at
    return ends_at is None or ends_at <= database_now() + timedelta(seconds=seconds)


def _is_silent() -> Q:
    return Q(process__isnull=True) | Q(process__holder="") | Q(process__lease_expires_at__lte=database_now())


def _silence(since: Any) -> str:
    if since is None:
        return "No worker is registered for it."
    return f"Its worker has been silent for too long; it was expected by {timezone.localtime(since):%H:%M:%S}."
