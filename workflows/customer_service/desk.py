"""Who holds an inquiry: claim, release, reassign, reopen. A claim is a lease that runs out unless its holder types.

Every verb locks the row of its inquiry first: of two simultaneous claims exactly one wins, the other is told whose.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F
from django.utils.timezone import localtime

from orchestra.kernel import access, events
from orchestra.kernel.access import RANK, Actor
from orchestra.kernel.clock import database_now
from orchestra.kernel.errors import Forbidden, Held, IllegalTransition, NotFound, StaleLease, field_error
from orchestra.kernel.models import Role, User
from workflows.customer_service import sla
from workflows.customer_service.intake import ref_of, tier_of
from workflows.customer_service.models import (
    INQUIRY_STATES,
    SETTLED,
    Cause,
    Inquiry,
    InquiryStatus,
    Review,
    Verdict,
)

access.grant({"inquiries.review": Role.OPERATOR})

DESK = Actor.system("desk")
LAPSE_BATCH = 200
FREE: dict[str, Any] = {"lease_holder": None, "lease_expires_at": None, "claimed_at": None}
"""The columns of an inquiry that nobody holds."""


def claim(inquiry_id: int, *, by: Actor, reason: str = "") -> Inquiry:
    """Take an escalated inquiry for REVIEW_LEASE_S; claiming again what one holds renews the lease.

    Raises :class:`Held` naming who holds it, or :class:`IllegalTransition` where nothing is to be reviewed.
    """
    person = person_of(by)
    with events.recording(by):
        inquiry, now = locked(inquiry_id), database_now()
        if is_held(inquiry, now):
            refuse_unless_held_by(person, inquiry)
            renew(inquiry, now)
            return inquiry
        if inquiry.status == InquiryStatus.IN_REVIEW:
            _lapse(inquiry)
        _check_claimable(inquiry)
        INQUIRY_STATES.move(
            inquiry,
            InquiryStatus.IN_REVIEW,
            lease_holder_id=person,
            assignee_id=person,
            lease_token=F("lease_token") + 1,
            lease_expires_at=_lease_end(now),
            claimed_at=now,
        )
        inquiry = locked(inquiry_id)
        after = {"status": inquiry.status, "lease": inquiry.lease_token, "until": inquiry.lease_expires_at}
        _record("InquiryClaimed", inquiry, before={"status": InquiryStatus.ESCALATED}, after=after, reason=reason)
    return inquiry


def release(inquiry_id: int, *, by: Actor, reason: str = "") -> Inquiry:
    """Give an inquiry back undecided; what was typed stays with it."""
    person = person_of(by)
    with events.recording(by):
        inquiry = locked(inquiry_id)
        check_lease(inquiry, person)
        INQUIRY_STATES.move(inquiry, InquiryStatus.ESCALATED, assignee=None, **FREE)
        change = {"before": {"status": InquiryStatus.IN_REVIEW}, "after": {"status": inquiry.status}}
        _record("InquiryReleased", inquiry, reason=reason, **change)
    return inquiry


def reassign(inquiry_id: int, to: int | None, *, by: Actor, reason: str = "") -> Inquiry:
    """Say whose an open inquiry is (nobody's with None); one's own claim ends. Raises :class:`Held` on another's."""
    person = person_of(by)
    with events.recording(by):
        inquiry = locked(inquiry_id)
        if inquiry.status in SETTLED:
            message = f"This inquiry is {inquiry.status}; reopen it before you give it to someone."
            raise IllegalTransition(message, target=ref_of(inquiry))
        assignee = _reviewer(to) if to is not None else None
        before = {"assignee": inquiry.assignee.label if inquiry.assignee else None, "status": inquiry.status}
        if is_held(inquiry, database_now()):
            refuse_unless_held_by(person, inquiry)
        elif inquiry.status == InquiryStatus.IN_REVIEW:
            _lapse(inquiry)
            before["status"] = inquiry.status
        if inquiry.status == InquiryStatus.IN_REVIEW:
            INQUIRY_STATES.move(inquiry, InquiryStatus.ESCALATED, **FREE)
        inquiry.assignee = assignee
        inquiry.save(update_fields=["assignee"])
        after = {"assignee": assignee.label if assignee else None, "status": inquiry.status}
        _record("InquiryReassigned", inquiry, before=before, after=after, reason=reason)
    return inquiry


def reopen(inquiry_id: int, *, by: Actor, reason: str = "") -> Inquiry:
    """Bring a settled inquiry back to the desk, with a new due time and without the draft that was used up."""
    person = person_of(by)
    with events.recording(by):
        inquiry, now = locked(inquiry_id), database_now()
        before = {"status": inquiry.status}
        INQUIRY_STATES.move(
            inquiry,
            InquiryStatus.ESCALATED,
            cause=Cause.REOPENED,
            escalation_reason=f"{by.label} reopened it: {reason}" if reason else f"{by.label} reopened it.",
            escalated_at=now,
            resolved_at=None,
            due_at=sla.due_at(now, tier_of(inquiry)),
            assignee_id=person,
            draft="",
            draft_number=F("draft_number") + 1,
            citations=[],
            qa=None,
            reply="",
            review_step=None,
        )
        inquiry = locked(inquiry_id)
        after = {"status": inquiry.status, "due_at": inquiry.due_at}
        _record("InquiryReopened", inquiry, before=before, after=after, reason=reason)
    return inquiry


def lapse_expired() -> int:
    """Bring back to the desk what was claimed and neither decided nor typed in; a tick. Returns how many."""
    expired = Inquiry.objects.filter(status=InquiryStatus.IN_REVIEW, lease_expires_at__lte=database_now())
    found = list(expired.order_by("pk").values_list("pk", flat=True)[:LAPSE_BATCH])
    if not found:
        return 0
    with events.recording(DESK):
        rows = list(expired.filter(pk__in=found).order_by("pk").select_for_update(no_key=True))
        for inquiry in rows:
            _lapse(inquiry)
    return len(rows)


def renew(inquiry: Inquiry, now: datetime) -> None:
    """Extend the lease of a locked inquiry: telemetry, no event."""
    inquiry.lease_expires_at = _lease_end(now)
    inquiry.save(update_fields=["lease_expires_at"])


def locked(inquiry_id: int) -> Inquiry:
    """The inquiry, locked until the unit ends; raises :class:`NotFound`.

    Nothing is joined: after waiting for the lock, PostgreSQL gives the row anew but what was joined as it was before.
    """
    inquiry = Inquiry.objects.select_for_update(no_key=True).filter(pk=inquiry_id).first()
    if inquiry is None:
        raise NotFound("There is no such inquiry; check its number, or go back to the desk.")
    return inquiry


def is_held(inquiry: Inquiry, now: datetime) -> bool:
    """Whether somebody holds an unexpired lease on it."""
    return inquiry.lease_expires_at is not None and inquiry.lease_expires_at > now


def check_lease(inquiry: Inquiry, person: int, token: int | None = None) -> None:
    """Raise :class:`StaleLease` saying who holds it unless ``person`` does, under ``token`` if one is given."""
    holds = is_held(inquiry, database_now()) and inquiry.lease_holder_id == person
    if holds and token in (None, inquiry.lease_token):
        return
    raise StaleLease(_why_stale(inquiry, person), target=ref_of(inquiry), holder=holder_of(inquiry))


def holder_of(inquiry: Inquiry) -> dict[str, Any] | None:
    """Who holds it, since when and until when; None if nobody does (any more)."""
    if inquiry.lease_holder is None or not is_held(inquiry, database_now()):
        return None
    return {
        "id": inquiry.lease_holder.pk,
        "name": inquiry.lease_holder.label,
        "since": inquiry.claimed_at,
        "until": inquiry.lease_expires_at,
    }


def refuse_unless_held_by(person: int, inquiry: Inquiry) -> None:
    """Raise :class:`Held` where somebody else holds it."""
    if inquiry.lease_holder_id == person or inquiry.lease_holder is None:
        return
    since, until = (f"{localtime(at):%H:%M}" for at in (inquiry.claimed_at, inquiry.lease_expires_at))
    raise Held(
        f"{inquiry.lease_holder.label} has held this inquiry since {since}, until {until} at least; "
        "wait until it is released, or ask them for it.",
        target=ref_of(inquiry),
        holder=holder_of(inquiry),
    )


def _check_claimable(inquiry: Inquiry) -> None:
    if inquiry.status == InquiryStatus.ESCALATED:
        return
    if inquiry.status in SETTLED:
        message = f"This inquiry is {inquiry.status}; reopen it to answer again."
    else:
        message = "Agents are still working on this inquiry; it comes to the desk if they need a person."
    raise IllegalTransition(message, target=ref_of(inquiry))


def _why_stale(inquiry: Inquiry, person: int) -> str:
    if inquiry.lease_holder is None:
        now = f"it is {inquiry.get_status_display()} now"
    elif not is_held(inquiry, database_now()):
        now = f"your claim ran out at {localtime(inquiry.lease_expires_at):%H:%M}"
    elif inquiry.lease_holder_id != person:
        now = f"{inquiry.lease_holder.label} has held it since {localtime(inquiry.claimed_at):%H:%M}"
    else:
        now = "you have claimed it again since, perhaps in another window"
    return f"You do not hold this inquiry under this claim ({now}), so nothing was sent or changed; claim it again."


def _lapse(inquiry: Inquiry) -> None:
    """End a claim that ran out, on a locked row. The review names nobody: that nobody decided is nobody's decision."""
    Review.objects.create(
        inquiry=inquiry,
        step_id=inquiry.review_step_id,
        verdict=Verdict.TIMED_OUT,
        specialist=inquiry.specialist,
        draft=inquiry.proposed,
        qa=inquiry.qa,
        category_before=inquiry.category,
        category=inquiry.category,
        claimed_at=inquiry.claimed_at,
    )
    INQUIRY_STATES.move(inquiry, InquiryStatus.ESCALATED, assignee=None, **FREE)
    _record(
        "ReviewTimedOut",
        inquiry,
        before={"status": InquiryStatus.IN_REVIEW},
        after={"status": inquiry.status, "verdict": Verdict.TIMED_OUT},
        reason="The claim ran out before anything was decided; what was typed is kept.",
        outcome=events.Outcome.TIMED_OUT,
        actor=DESK,
    )


def _record(action: str, inquiry: Inquiry, **what: Any) -> None:
    events.record(action, target=ref_of(inquiry), permission="inquiries.review", **what)


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.REVIEW_LEASE_S)


def person_of(by: Actor) -> int:
    """The number of the person who acts; raises :class:`Forbidden` for all others: agents decide nothing here."""
    access.check(by, "inquiries.review")
    if by.kind != "person":
        raise Forbidden("Only people claim and decide at the desk.")
    return int(by.id)


def _reviewer(user_id: int) -> User:
    able = [role for role, rank in RANK.items() if rank >= RANK[Role.OPERATOR]]
    user = User.objects.filter(pk=user_id, is_active=True, role__in=able).first()
    if user is None:
        raise field_error("assignee", "Choose somebody who is active and may review inquiries.")
    return user
