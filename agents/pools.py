"""The pools' verbs, and what the autoscaler writes: the only writer of Pool, PoolDecision and PoolSample.

Members are agents, which ``fleet.py`` writes; ``members.py`` says which of them begin and which drain.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, ProtectedError, Q
from django.utils import timezone

from agents import fleet, members, scaling, scaling_policy
from agents.models import AgentKind, AgentStatus, Decided, Pool, PoolDecision, PoolKind, PoolSample
from agents.ports import calls_in_flight
from agents.scaling import Decision, State
from orchestra.kernel import access, events, retention, right_of_way, secrets
from orchestra.kernel.access import Actor
from orchestra.kernel.clock import database_now
from orchestra.kernel.errors import Conflict, FieldError, Invalid, NotFound, field_error
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Role
from orchestra.kernel.naming import name_taken_reported

access.grant(
    {
        "pools.create": Role.ADMIN,
        "pools.change": Role.ADMIN,
        "pools.remove": Role.ADMIN,
        "pools.scale": Role.OPERATOR,
        "pools.try": Role.OPERATOR,
    }
)

AUTOSCALER = Actor.system("autoscaler")
FIELDS = ("name", "description", "template", "launcher", "min_size", "max_size", "policy", "autoscales")
LONGEST_NAME, LONGEST_DESCRIPTION = 80, 300
NAME = re.compile(r"[^\W_]([\w .-]*[\w.-])?")
"""Launchers are told it: in the words of a command it must not look like an option."""
LARGEST = scaling_policy.LARGEST
USUAL_MIN, USUAL_MAX = 1, 5
OF_TEMPLATE = frozenset({*fleet.OF_TEMPLATE, "capabilities"})

CREATED, MANUAL = "created", "manual"
"""Codes of decisions that no rule made."""

SAMPLES_KEPT_FOR = timedelta(days=8)
CHANGES_KEPT_FOR = timedelta(days=365)
"""Samples and decisions to stay are kept for the try-out over the last week, what changed the size for a year."""
LONGEST_OUTPUT = 10_000


def create(kind: str, values: Mapping[str, Any], *, by: Actor, reason: str = "") -> Pool:
    """Add a pool with its first members. ``values`` may hold :data:`FIELDS` and ``secrets``, a table.

    Raises :class:`Invalid` naming each bad field.
    """
    access.check(by, "pools.create")
    check(kind, values)
    fields = {name: values[name] for name in FIELDS if name in values}
    with events.recording(by):
        pool = Pool(kind=kind, secrets=fleet.merged_secrets(None, values), **fields)
        pool.target = first = min(pool.min_size, pool.max_size)
        with name_taken_reported("a pool", pool.name):
            pool.save(force_insert=True)
        _record("PoolCreated", pool, after=describe(pool), reason=reason, permission="pools.create")
        action = scaling.UP if first else scaling.STAY
        _decide(pool, Decision(action, first, CREATED, f"It begins with {first}."), 0, by=by)
        members.converge(pool, {}, database_now(), by=by, reason=reason)
    return pool


def change(pool_id: int, values: Mapping[str, Any], *, by: Actor, reason: str = "") -> Pool:
    """Change the fields that ``values`` names; masked values of the template's configuration stay.

    Members follow the template at once. Of the secrets, those that are named change, and an empty one is removed. What
    changes nothing is not recorded.
    """
    access.check(by, "pools.change")
    with events.recording(by):
        pool = _locked(pool_id)
        before, old_secrets, size = describe(pool), pool.secrets, pool.target
        merged = {name: getattr(pool, name) for name in FIELDS} | dict(values)
        merged["template"] = secrets.restore(merged["template"], pool.template)
        check(pool.kind, merged)
        for name in FIELDS:
            setattr(pool, name, merged[name])
        pool.secrets = fleet.merged_secrets(old_secrets, values)
        pool.target = min(size, pool.max_size)
        with name_taken_reported("a pool", pool.name):
            pool.save(update_fields=[*FIELDS, "secrets", "target", "updated_at"])
        old, new = _difference(before, describe(pool))
        if old != new or pool.secrets != old_secrets:
            _record("PoolChanged", pool, before=old, after=new, reason=reason, permission="pools.change")
            fleet.update_members(pool, by=by, reason=reason)
        if pool.target != size:
            why = f"It may have at most {pool.max_size}: {size - pool.target} fewer, down to {pool.target}."
            _scaled(pool, Decision(scaling.DOWN, pool.target, scaling.ABOVE_MAX, why), size, by=by, now=database_now())
    return pool


def remove(pool_id: int, *, by: Actor, reason: str = "") -> bool:
    """Remove a pool that never worked; one with calls in its history is retired to size 0, where its history stays.

    Returns whether it is gone.
    """
    access.check(by, "pools.remove")
    with events.recording(by):
        pool = _locked(pool_id)
        before = describe(pool)
        if not _runs_processes(pool) and fleet.remove_members(pool, by=by, reason=reason):
            _record("PoolRemoved", pool, before=before, reason=reason, permission="pools.remove")
            try:
                pool.delete()
            except ProtectedError:
                raise Conflict(f"A worker has just become a member of {pool.name}; remove it again.") from None
            return True
        size, pool.target, pool.min_size, pool.autoscales = pool.target, 0, 0, False
        pool.save(update_fields=["target", "min_size", "autoscales", "updated_at"])
        old, new = _difference(before, describe(pool))
        if old != new:
            _record("PoolChanged", pool, before=old, after=new, reason=reason, permission="pools.remove")
        if size:
            why = f"It is retired{f': {reason}' if reason else ''}."
            _scaled(pool, Decision(scaling.DOWN, 0, MANUAL, why), size, by=by, now=database_now())
    return False


def scale(pool_id: int, target: int, *, by: Actor, reason: str = "") -> Pool:
    """Have a pool of ``target`` members. While it autoscales, that holds until its policy asks for another size."""
    access.check(by, "pools.scale")
    with events.recording(by):
        pool = _locked(pool_id)
        low = pool.min_size if pool.autoscales else 0
        if not low <= target <= pool.max_size:
            raise field_error("target", f"Give a whole number from {low} to {pool.max_size}, its limits.")
        if target != pool.target:
            size, pool.target = pool.target, target
            action = scaling.UP if target > size else scaling.DOWN
            why = f"{by.label} asked for {target}{f': {reason}' if reason else ''}."
            _scaled(pool, Decision(action, target, MANUAL, why[:500]), size, by=by, now=database_now())
    return pool


def switch(pool_id: int, autoscales: bool, *, by: Actor, reason: str = "") -> Pool:
    """Let the policy decide on the size of a pool, or nobody but people."""
    access.check(by, "pools.scale")
    with events.recording(by):
        pool = _locked(pool_id)
        if pool.autoscales != autoscales:
            pool.autoscales = autoscales
            pool.save(update_fields=["autoscales", "updated_at"])
            was, now = {"autoscales": not autoscales}, {"autoscales": autoscales}
            _record("PoolChanged", pool, before=was, after=now, reason=reason, permission="pools.scale")
    return pool


def follow(pool_id: int, decision: Decision, state: State, load: Mapping[int, int], now: datetime) -> bool:
    """Do what the autoscaler decided on ``state``; False if somebody has scaled the pool meanwhile.

    ``load`` is how many calls each member has in flight. Where the size stays, members still come to what it should be.
    """
    with events.recording(AUTOSCALER):
        pool = Pool.objects.select_for_update(no_key=True).filter(pk=pool_id).first()
        if pool is None or pool.target != state.size:
            return False
        if decision.action == scaling.STAY:
            members.converge(pool, load, now, by=AUTOSCALER)
            return True
        pool.target = decision.target
        _scaled(pool, decision, state.size, by=AUTOSCALER, now=now, state=state, load=load)
    return True


def note(decisions: Iterable[tuple[Pool, Decision, State]], samples: Iterable[PoolSample], now: datetime) -> None:
    """Keep why pools stay as they are, and how they stood. Telemetry."""
    rows = [
        PoolDecision(pool=pool, at=now, by=AUTOSCALER.label, size_before=state.size, **_columns(decision, state))
        for pool, decision, state in decisions
    ]
    found = list(samples)
    if not rows and not found:
        return
    with right_of_way.announced(), transaction.atomic():
        PoolDecision.objects.bulk_create(rows)
        PoolSample.objects.bulk_create(found, ignore_conflicts=True)  # another ticker may have been there first


@dataclass(frozen=True, slots=True)
class Launching:
    """The right to run the launcher of a pool once, with its size as it was then, and the decision that it follows."""

    pool: Pool
    decision: int | None


def is_launch_due(pool: Pool, now: datetime) -> bool:
    """Whether the pool's launcher is to be told its size, and neither runs nor rests after it failed with that size."""
    if not pool.launcher or pool.launched == pool.target:
        return False
    return pool.launch_at is None or pool.launch_at <= now or pool.launch_failed_for not in {None, pool.target}


def take_launch(pool_id: int, now: datetime, *, until: datetime) -> Launching | None:
    """Take the right to run the launcher of a pool once, if that is due; nobody else may before ``until``."""
    with right_of_way.announced(), transaction.atomic():
        pool = Pool.objects.select_for_update(no_key=True).filter(pk=pool_id).first()
        if pool is None or not is_launch_due(pool, now):
            return None
        pool.launch_at, pool.launch_failed_for = until, None
        pool.save(update_fields=["launch_at", "launch_failed_for"])
        changes = pool.decisions.exclude(decided=Decided.STAY).order_by("-id")
        return Launching(pool, changes.values_list("pk", flat=True).first())


def keep_launch(taken: Launching, *, exit_code: int | None, output: str, retry_at: datetime) -> None:
    """Keep what the launcher printed, with the decision that it followed; one that failed rests, for that size."""
    size, told = taken.pool.target, {"exit_code": exit_code, "output": output[:LONGEST_OUTPUT]}
    state: dict[str, Any] = {"launched": size, "launch_at": None, "launch_failures": 0}
    if exit_code != 0:
        failures = F("launch_failures") + 1
        state = {"launch_at": retry_at, "launch_failed_for": size, "launch_failures": failures}
    with right_of_way.announced(), transaction.atomic():
        Pool.objects.filter(pk=taken.pool.pk).update(**state)
        if taken.decision is not None:
            PoolDecision.objects.filter(pk=taken.decision).update(**told)


def forget_old() -> int:
    """Remove old samples and decisions; returns how many."""
    now = timezone.now()
    stale = Q(decided=Decided.STAY, at__lt=now - SAMPLES_KEPT_FOR) | Q(at__lt=now - CHANGES_KEPT_FOR)
    old = (PoolSample.objects.filter(at__lt=now - SAMPLES_KEPT_FOR), PoolDecision.objects.filter(stale))
    return sum(retention.remove_in_slices(rows.order_by("pk")) for rows in old)


def check(kind: str, values: Mapping[str, Any]) -> None:
    """Raise :class:`Invalid` that names every bad field, if there is one."""
    faults = [*_faults_of_policy(values), *_faults_of_words(kind, values)]
    if kind not in PoolKind.values:
        faults.append({"path": "kind", "message": f"Choose one of {', '.join(sorted(PoolKind.values))}."})
    else:
        faults += _faults_of_template(kind, values.get("template") or {}, values.get("secrets") or {})
    if faults:
        raise Invalid(errors=faults)


def check_policy(values: Mapping[str, Any]) -> None:
    """The same for ``policy``, ``min_size`` and ``max_size`` alone."""
    if faults := _faults_of_policy(values):
        raise Invalid(errors=faults)


def describe(pool: Pool) -> dict[str, Any]:
    """The pool as the audit trail keeps it; secrets only as names."""
    shown = {name: getattr(pool, name) for name in FIELDS if name != "template"}
    return shown | {
        "kind": pool.kind,
        "template": secrets.mask(pool.template),
        "secrets": sorted(pool.secrets or {}),
    }


def _scaled(  # noqa: PLR0913  what a change of size is made of, by name
    pool: Pool,
    decision: Decision,
    size: int,
    *,
    by: Actor,
    now: datetime,
    state: State | None = None,
    load: Mapping[int, int] | None = None,
) -> None:
    """Keep a change of size with its reason, and bring the members to it; ``pool.target`` is set."""
    column = "scaled_up_at" if decision.action == scaling.UP else "scaled_down_at"
    setattr(pool, column, now)
    pool.save(update_fields=["target", column])
    _decide(pool, decision, size, by=by, state=state, now=now)
    changed = {"before": {"target": size}, "after": {"target": pool.target, "code": decision.code}}
    _record("PoolScaled", pool, reason=decision.reason, permission=_permission(by), **changed)
    if load is None:
        load = calls_in_flight(list(pool.members.values_list("pk", flat=True)))
    members.converge(pool, load, now, by=by, reason=decision.reason)


def _permission(by: Actor) -> str:
    return "pools.scale" if by.kind == "person" else ""


def _decide(  # noqa: PLR0913  likewise
    pool: Pool,
    decision: Decision,
    size: int,
    *,
    by: Actor,
    state: State | None = None,
    now: datetime | None = None,
) -> None:
    PoolDecision.objects.create(
        pool=pool, at=now or database_now(), by=by.label[:150], size_before=size, **_columns(decision, state)
    )


def _columns(decision: Decision, state: State | None) -> dict[str, Any]:
    figures = {}
    if state is not None:
        figures = {
            "waiting": state.waiting,
            "oldest_s": round(state.oldest_s, 1),
            "in_use": state.in_use,
            "slots": state.slots,
        }
    reason = decision.reason[:500]
    return {
        "decided": decision.action,
        "target": decision.target,
        "code": decision.code,
        "reason": reason,
        "figures": figures,
    }


def _locked(pool_id: int) -> Pool:
    pool = Pool.objects.select_for_update(no_key=True).filter(pk=pool_id).first()
    if pool is None:
        raise NotFound("There is no such pool; it may have been removed, so go back to the list.")
    return pool


def _runs_processes(pool: Pool) -> bool:
    """Whether a process of the pool may still run, which its executor has to end first."""
    members = pool.members.exclude(status=AgentStatus.OFFLINE)
    return pool.kind == AgentKind.PROCESS and members.exists()


def _faults_of_policy(values: Mapping[str, Any]) -> list[FieldError]:
    policy, most = values.get("policy") or {}, values.get("max_size", USUAL_MAX)
    return [*_faults_of_limits(values), *scaling_policy.faults(policy, at="policy", max_size=most)]


def _faults_of_limits(values: Mapping[str, Any]) -> list[FieldError]:
    low, high = values.get("min_size", USUAL_MIN), values.get("max_size", USUAL_MAX)
    faults: list[FieldError] = []
    if not 0 <= low <= LARGEST:
        faults.append({"path": "min_size", "message": f"Give a whole number from 0 to {LARGEST:,}."})
    if not 1 <= high <= LARGEST:
        faults.append({"path": "max_size", "message": f"Give a whole number from 1 to {LARGEST:,}."})
    if not faults and low > high:
        faults.append({"path": "min_size", "message": f"Give at most {high}, the most that it may have."})
    return faults


def _faults_of_words(kind: str, values: Mapping[str, Any]) -> list[FieldError]:
    faults: list[FieldError] = []
    name, launcher = str(values.get("name", "")), values.get("launcher", "")
    if not name.strip() or len(name) > LONGEST_NAME:
        faults.append({"path": "name", "message": f"Give it a name of at most {LONGEST_NAME} characters."})
    elif not NAME.fullmatch(name):
        said = "Begin with a letter or a digit; after it, letters, digits, -, _, . and spaces between them are allowed."
        faults.append({"path": "name", "message": said})
    if len(values.get("description", "")) > LONGEST_DESCRIPTION:
        faults.append({"path": "description", "message": f"Give at most {LONGEST_DESCRIPTION} characters."})
    if launcher and launcher not in settings.COMMANDS:
        known = ", ".join(sorted(settings.COMMANDS)) or "none so far"
        faults.append({"path": "launcher", "message": f"Name an entry of the setting COMMANDS: {known}."})
    elif launcher and kind == PoolKind.PROCESS:
        faults.append({"path": "launcher", "message": "Leave it empty: executors start the processes of this kind."})
    return faults


def _faults_of_template(kind: str, template: Mapping[str, Any], given: Mapping[str, Any]) -> list[FieldError]:
    known = ", ".join(sorted(OF_TEMPLATE))
    if unknown := sorted(template.keys() - OF_TEMPLATE):
        message = f"Members have no such field; known: {known}."
        return [{"path": f"template.{name}", "message": message} for name in unknown]
    try:
        fleet.check(kind, {**template, "name": "member", "secrets": given}, template.get("capabilities", ()))
    except Invalid as error:
        return [{**fault, "path": _place(fault["path"])} for fault in error.errors]
    return []


def _place(path: str) -> str:
    """Secrets stand beside the template, everything else of a member in it."""
    return path if path.startswith("secrets") else f"template.{path}"


def _difference(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    changed = [key for key in after if before.get(key) != after[key]]
    return {key: before.get(key) for key in changed}, {key: after[key] for key in changed}


def _record(action: str, pool: Pool, *, permission: str, **what: Any) -> None:
    events.record(action, target=Ref("pool", pool.pk, pool.name), permission=permission, **what)
