"""The recommendations' verbs: found anew every few minutes, applied, undone, dismissed. The only writer of the table.

What is true of an open one (figures, weight, when it was last found so) is brought up to date without an event; that it
was made, withdrawn, applied, undone or dismissed is one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.utils import timezone

from monitoring.advice import actions, families, replayed
from monitoring.advice.advised import Advice
from monitoring.advice.families import FAMILIES, RULES, Family, Found
from monitoring.models import ADVICE_STATES, AdviceStatus, Recommendation
from orchestra.kernel import access, events
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, NotFound, field_error
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Role

access.grant(
    {
        "recommendations.apply": Role.OPERATOR,
        "recommendations.dismiss": Role.OPERATOR,
        "recommendations.try": Role.OPERATOR,
    }
)

ADVISER = Actor.system("advice")
Key = tuple[str, str, str]
"""Rule, kind and id of the subject."""

GROWN = 1.5
"""What was dismissed is advised again once its weight is so many times what it was then."""
STAYS = timedelta(minutes=12)
"""Advice that has not been found true for so long is withdrawn: one odd look does not make it come and go."""
UNSEEN = timedelta(days=1)
"""The same where nobody looks at its subject any more."""
MOST_REASON = 1_000
FOUND = ("subject_label", "sentence", "evidence", "weight", "action", "seen_at")


class NoLongerTrue(Conflict):
    """This was withdrawn, since it is not so any more; look at what is advised now."""

    code = "no_longer_true"


def refresh(now: datetime | None = None) -> int:
    """Look at everything anew; returns how many recommendations were made or withdrawn. One unit of work a family.

    A family that fails does not keep the others from theirs; then its error is raised.
    """
    now = now or timezone.now()
    changed, faults = 0, []
    for family in FAMILIES:
        try:
            changed += _refresh(family, now)
        except (OperationalError, InterfaceError):
            raise
        except Exception as fault:  # noqa: BLE001  whatever it is, the caller is told of it below
            faults.append(fault)
    if faults:
        raise faults[0]
    return changed


def apply(pk: int, *, by: Actor, reason: str = "") -> Recommendation:
    """Do what it advises, through the verb of whoever owns its subject, which checks its own permission.

    It is judged anew first. Raises :class:`Conflict` if it is not open, not true any more, or its subject has changed.
    """
    access.check(by, "recommendations.apply")
    _judge_anew(_open(pk))
    with events.recording(by):
        row = _open(pk)
        _decide(row, AdviceStatus.APPLIED, by, reason)
        _record("RecommendationApplied", row, reason=reason, permission="recommendations.apply")
        actions.perform(row.action, by=by, reason=reason or row.sentence[:MOST_REASON])
    return row


def undo(pk: int, *, by: Actor, reason: str) -> Recommendation:
    """Take back what applying it did, if nothing has changed it since; it counts as dismissed from then on."""
    access.check(by, "recommendations.apply")
    _ask_for(reason, "Say why it is undone, for whoever advises it next.")
    with events.recording(by):
        row = _found(pk)
        if row.status != AdviceStatus.APPLIED:
            raise Conflict("Only what was applied can be undone.", target=_ref(row))
        _decide(row, AdviceStatus.DISMISSED, by, reason)
        _record("RecommendationUndone", row, reason=reason, permission="recommendations.apply")
        actions.perform(row.action, by=by, reason=reason, undo=True)
    return row


def dismiss(pk: int, *, by: Actor, reason: str) -> Recommendation:
    """It is not made again unless its evidence grows by half."""
    access.check(by, "recommendations.dismiss")
    _ask_for(reason, "Say why it does not apply here.")
    with events.recording(by):
        row = _open(pk)
        _decide(row, AdviceStatus.DISMISSED, by, reason)
        _record("RecommendationDismissed", row, reason=reason, permission="recommendations.dismiss")
    return row


def _refresh(family: Family, now: datetime) -> int:
    """Withdraw before making: what is advised instead of something else comes after it."""
    found = family.find(now)
    advised = families.by_key(found.advice)
    rows = Recommendation.objects.filter(status=AdviceStatus.OPEN, rule__in=family.rules).order_by("pk")
    before = {_key(row) for row in rows}
    fresh = _not_decided([advice for key, advice in advised.items() if key not in before], now)
    columns = {advice.key: _columns(advice, now) for advice in fresh}
    if not before and not fresh:
        return 0
    with events.recording(ADVISER):
        known = {_key(row): row for row in rows.select_for_update(no_key=True)}
        _bring_up_to_date([(row, advised[key]) for key, row in known.items() if key in advised], now)
        lapsed = [row for key, row in known.items() if key not in advised and _has_lapsed(row, found, now)]
        for row in lapsed:
            _withdraw(row, now)
        made = [_make(key, values, now) for key, values in columns.items() if key not in known]
        return len(lapsed) + sum(made)


def _key(row: Recommendation) -> Key:
    return row.rule, row.subject_kind, row.subject_id


def _columns(advice: Advice, now: datetime) -> dict[str, Any]:
    """Of a new one, with what a replay says of it."""
    columns = advice.columns
    return columns | {"evidence": [*columns["evidence"], *map(asdict, replayed.evidence_for(advice, now))]}


def subject_of(row: Recommendation) -> tuple[str, str]:
    """Kind and id of the object whose page is about its subject: a step's is that of its workflow."""
    if row.subject_kind == "workflow_step":
        return "workflow", row.subject_id.partition(":")[0]
    return row.subject_kind, row.subject_id


def _has_lapsed(row: Recommendation, found: Found, now: datetime) -> bool:
    looked_at = found.examined is None or (row.subject_kind, row.subject_id) in found.examined
    return row.seen_at <= now - (STAYS if looked_at else UNSEEN)


def _bring_up_to_date(pairs: Sequence[tuple[Recommendation, Advice]], now: datetime) -> None:
    """What was replayed stays as long as the same is advised."""
    for row, advice in pairs:
        columns = advice.columns
        if columns["action"] == row.action:
            columns["evidence"] += [each for each in row.evidence if each["label"] == replayed.SAVED]
        for name, value in {**columns, "seen_at": now}.items():
            setattr(row, name, value)
    Recommendation.objects.bulk_update([row for row, _ in pairs], FOUND)


def _withdraw(row: Recommendation, now: datetime) -> None:
    ADVICE_STATES.move(row, AdviceStatus.WITHDRAWN, decided_at=now, decided_by=ADVISER.label)
    _record("RecommendationWithdrawn", row, reason="It is not so any more.")


def _make(key: Key, columns: Mapping[str, Any], now: datetime) -> bool:
    """False if somebody else has just made it."""
    rule, kind, subject = key
    row = Recommendation(rule=rule, subject_kind=kind, subject_id=subject, created_at=now, seen_at=now, **columns)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return False
    after = {"rule": rule, "sentence": row.sentence, "weight": round(row.weight, 3), "action": row.action}
    _record("RecommendationMade", row, after=after)
    return True


def _not_decided(fresh: Sequence[Advice], now: datetime) -> list[Advice]:
    """Those on which nobody has decided, or not on evidence so strong; in one query, over an index."""
    if not fresh:
        return []
    rows = Recommendation.objects.filter(
        rule__in={advice.rule for advice in fresh},
        subject_id__in={advice.subject.id for advice in fresh},
        status__in=[AdviceStatus.APPLIED, AdviceStatus.DISMISSED],
    )
    last = {_key(row): row for row in rows.order_by("pk")}
    return [advice for advice in fresh if advice.key not in last or _is_news(advice, last[advice.key], now)]


def _is_news(advice: Advice, decided: Recommendation, now: datetime) -> bool:
    if decided.status == AdviceStatus.DISMISSED:
        return advice.weight >= GROWN * decided.weight
    return decided.decided_at is None or decided.decided_at <= now - RULES[advice.rule].rests


def _judge_anew(row: Recommendation) -> None:
    """Raise :class:`NoLongerTrue`, and withdraw it, if its rule has looked at its subject and does not find it so."""
    family = families.family_of(row.rule)
    found = family.find(timezone.now()) if family else Found([])
    if _key(row) in families.by_key(found.advice):
        return
    if found.examined is not None and (row.subject_kind, row.subject_id) not in found.examined:
        return
    with events.recording(ADVISER):
        _withdraw(_open(row.pk), timezone.now())
    raise NoLongerTrue(target=_ref(row))


def _found(pk: int) -> Recommendation:
    row = Recommendation.objects.filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such recommendation; the list shows those there are.")
    return row


def _open(pk: int) -> Recommendation:
    row = _found(pk)
    if row.status != AdviceStatus.OPEN:
        raise _is_decided(row)
    return row


def _decide(row: Recommendation, status: AdviceStatus, by: Actor, reason: str) -> None:
    decided = {"decided_at": timezone.now(), "decided_by": by.label[:150], "reason": reason[:MOST_REASON]}
    if not ADVICE_STATES.move(row, status, **decided):
        raise _is_decided(_found(row.pk))


def _is_decided(row: Recommendation) -> Conflict:
    who = f" by {row.decided_by}" if row.decided_by and row.status != AdviceStatus.WITHDRAWN else ""
    return Conflict(f"This recommendation is {row.get_status_display()}{who} already.", target=_ref(row))


def _ask_for(reason: str, sentence: str) -> None:
    if not reason.strip():
        raise field_error("reason", sentence)


def _ref(row: Recommendation) -> Ref:
    return Ref("recommendation", row.pk, row.sentence)


def _record(action: str, row: Recommendation, **what: Any) -> None:
    kind, subject = subject_of(row)
    events.record(action, target=_ref(row), parent=Ref(kind, subject, row.subject_label), **what)
