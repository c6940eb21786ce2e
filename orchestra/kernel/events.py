"""Units of work: a business write and the events that tell of it commit together or not at all.

``with recording(actor):`` opens the outermost transaction; nested units join it. Events gather in memory and are
appended to the chain as the last statements before the commit.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from orchestra.kernel import canonical, chain, doorbell, right_of_way
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Outcome, RefusalFold

__all__ = ["Actor", "Outcome", "Ref", "Unit", "record", "recording", "refused", "sweep_refusals"]

FOLD_FOR = timedelta(minutes=1)
SWEPT_AT_ONCE = 100  # folds; each is a commit, and the ticker has other work

TELEMETRY = {
    "kernel_apitoken.last_used_at",
    "kernel_encryptionkey",
    "kernel_idempotencyrecord",
    "kernel_lease",
    "kernel_pulse",
    "kernel_refusalfold",
    "django_session",
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "axes_accessattempt",
    "axes_accesslog",
    "axes_accessfailurelog",
    "axes_accessattemptexpiration",
    "django_q_ormq",
    "django_q_schedule",
    "django_q_task",
}
"""Tables, and columns of tables, that may be written outside a unit. Other apps add theirs in ``AppConfig.ready``, and
docs/events.md lists them all."""


@dataclass(frozen=True, slots=True)
class Ref:
    """What an event is about: kind, id and a label that still reads well when the object is gone."""

    kind: str
    id: str | int
    label: str = ""


NOTHING = Ref("", "")


@dataclass(slots=True)
class Unit:
    """The open unit of work of this thread: who acts, and the events gathered so far."""

    actor: Actor
    correlation: str
    request: str = ""
    address: str = ""
    drafts: list[chain.Draft] = field(default_factory=list)
    last_number: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """What the work of this thread serves: a request (id and the client's address), a bulk action (correlation)."""

    request: str = ""
    address: str = ""
    correlation: str = ""


NOWHERE = Origin()
_current: ContextVar[Unit | None] = ContextVar("unit", default=None)
_origin: ContextVar[Origin] = ContextVar("origin", default=NOWHERE)


def current() -> Unit | None:
    """The open unit, or None."""
    return _current.get()


@contextmanager
def serving(request: str, address: str) -> Iterator[None]:
    """Units opened inside say which request they came from; entered by the middleware."""
    token = _origin.set(Origin(request, address))
    try:
        yield
    finally:
        _origin.reset(token)


@contextmanager
def correlating(correlation: str = "") -> Iterator[str]:
    """Units opened inside share one correlation, which is given to the block: for bulk actions."""
    shared = correlation or uuid4().hex
    token = _origin.set(replace(_origin.get(), correlation=shared))
    try:
        yield shared
    finally:
        _origin.reset(token)


@contextmanager
def recording(actor: Actor, *, correlation: str = "", request: str = "", address: str = "") -> Iterator[Unit]:
    """Open a unit of work, or join the one that is open (then the arguments of the outer one hold)."""
    joined = _current.get()
    if joined is not None:
        yield joined
        return
    origin = _origin.get()
    shared = correlation or origin.correlation or uuid4().hex
    unit = Unit(actor, shared, request or origin.request, address or origin.address)
    with right_of_way.announced(), transaction.atomic(durable=True):
        token = _current.set(unit)
        try:
            yield unit
            if unit.drafts:
                unit.last_number = chain.append(unit.drafts, ring=doorbell.ringing())
        finally:
            _current.reset(token)


def record(  # noqa: PLR0913  what an event tells is many things, all but the first by name
    action: str,
    *,
    target: Ref,
    parent: Ref = NOTHING,
    before: Any = None,
    after: Any = None,
    reason: str = "",
    outcome: str = Outcome.SUCCEEDED,
    permission: str = "",
    actor: Actor | None = None,
    correlation: str = "",
) -> None:
    """Add an event to the open unit. ``action`` is past tense (``InquiryClaimed``) and listed in docs/events.md.

    ``before`` and ``after`` are JSON-like and hold only what changed; ``actor`` and ``correlation`` stand in for the
    unit's where one unit carries the doings of several (the executor's group commit).
    """
    unit = _current.get()
    if unit is None:
        raise RuntimeError(f"{action} was recorded outside a unit of work: wrap the write in events.recording().")
    actor = actor or unit.actor
    columns = (
        actor.kind,
        actor.id,
        actor.label[:150],
        actor.on_behalf_of,
        actor.model,
        actor.version,
        correlation or unit.correlation,
        unit.request,
        action,
        target.kind,
        str(target.id),
        target.label[:200],
        parent.kind,
        str(parent.id),
        parent.label[:200],
        str(outcome),
        permission,
        unit.address,
    )
    unit.drafts.append(chain.Draft(columns, timezone.now(), before, after, reason))


def refused(  # noqa: PLR0913  likewise
    actor: Actor,
    action: str,
    *,
    target: Ref,
    reason: str,
    permission: str = "",
    attempted: str = "",
    address: str = "",
    outcome: str = Outcome.DENIED,
) -> None:
    """Record that somebody was told no, in a unit of its own; equal refusals within a minute fold into one event.

    ``attempted`` says what was asked for, for example ``POST /desk/7/claim/``.
    """
    draft: dict[str, Any] = {
        "actor": asdict(actor),
        "action": action,
        "target": asdict(target),
        "reason": reason,
        "permission": permission,
        "attempted": attempted,
        "address": address or _origin.get().address,
        "outcome": str(outcome),
    }
    key = hashlib.sha256(canonical.text(draft).encode()).hexdigest()
    with recording(actor, address=draft["address"]):
        if _folded(key):
            return
        _flush(RefusalFold.objects.filter(key=key))
        RefusalFold.objects.update_or_create(key=key, defaults={"since": timezone.now(), "repeats": 0, "draft": draft})
        _record_refusal(draft, count=1)


def sweep_refusals() -> int:
    """Record the repeats of folds older than a minute, the oldest first; called by the ticker, again and again.

    Returns how many folds ended: at most :data:`SWEPT_AT_ONCE`.
    """
    ended = 0
    old = RefusalFold.objects.filter(since__lte=timezone.now() - FOLD_FOR).order_by("since")
    for fold in old[:SWEPT_AT_ONCE]:
        with recording(Actor.system("audit"), address=fold.draft["address"]):
            ended += _flush(RefusalFold.objects.filter(key=fold.key))
    return ended


def _folded(key: str) -> bool:
    fresh = RefusalFold.objects.filter(key=key, since__gt=timezone.now() - FOLD_FOR)
    return bool(fresh.update(repeats=F("repeats") + 1))


def _flush(folds: Any) -> int:
    ended = list(folds.select_for_update(no_key=True))
    for fold in ended:
        if fold.repeats:
            _record_refusal(fold.draft, count=fold.repeats)
    RefusalFold.objects.filter(key__in=[fold.key for fold in ended]).delete()
    return len(ended)


def _record_refusal(draft: dict[str, Any], *, count: int) -> None:
    record(
        draft["action"],
        target=Ref(**draft["target"]),
        after={"count": count} | ({"attempted": draft["attempted"]} if draft["attempted"] else {}),
        reason=draft["reason"],
        permission=draft["permission"],
        outcome=draft["outcome"],
        actor=Actor(**draft["actor"]),
    )
