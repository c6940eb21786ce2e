"""What people decide on an inquiry they hold: approve the draft, send it edited, or reject it.

Writes Review, as do a claim that lapses (``desk.py``) and a run that no longer waits for one (``observe.py``).

A decision names the lease it was made under; under any other lease nothing is sent and nothing changes. Runs and steps
are locked before the inquiry (the engine's order), so the lease is looked at twice: first to refuse before anything is
done, and again once the row is locked.
"""

from dataclasses import dataclass
from typing import Literal

from django.utils import timezone

from orchestra.kernel import events
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import NotFound, StaleLease, field_error
from workflows import engine
from workflows.customer_service import autosave, desk, flow, sla, words
from workflows.customer_service.arrivals import unreadable
from workflows.customer_service.intake import ref_of, tier_of
from workflows.customer_service.models import (
    INQUIRY_STATES,
    Category,
    Inquiry,
    InquiryStatus,
    Review,
    Verdict,
)
from workflows.models import Run

ACTIONS = {Verdict.APPROVED: "ReplyApproved", Verdict.EDITED: "ReplyEdited", Verdict.REJECTED: "DraftRejected"}

KINDS = ("approve", "edit", "reject")
SEQUELS = ("new", "closed")
"""What may follow a rejection: another draft, or nothing more."""


@dataclass(frozen=True, slots=True)
class Decision:
    """``reply`` goes with ``edit``; ``category`` corrects triage; ``then`` says what follows a rejection."""

    kind: Literal["approve", "edit", "reject"]
    reply: str = ""
    category: str = ""
    reason: str = ""
    then: Literal["new", "closed"] = "new"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a decision comes to on the draft as it was read: ``final`` is what is sent, nothing after a rejection."""

    verdict: Verdict
    draft: str
    final: str
    extent: words.Extent
    step: int | None
    """The step that waited; answering it takes it off the inquiry."""


def decide(inquiry_id: int, decision: Decision, *, lease: int, by: Actor) -> Inquiry:
    """Carry out a decision made under ``lease``.

    Raises :class:`StaleLease` with the holder and how the texts differ, :class:`Invalid` naming the field. Texts are
    compared before the unit of work opens or after it has ended, so that nobody waits for that.
    """
    person = desk.person_of(by)
    text = _read(decision)
    inquiry = Inquiry.objects.select_related("customer", "lease_holder").filter(pk=inquiry_id).first()
    if inquiry is None:
        raise NotFound("There is no such inquiry; check its number, or go back to the desk.")
    try:
        desk.check_lease(inquiry, person, lease)
        ruling = _rule(decision, text, inquiry)
        return _carry_out(inquiry, decision, ruling, lease=lease, by=by)
    except StaleLease as error:
        error.data["difference"] = words.difference(_latest(inquiry_id), text) if text else []
        raise


def _read(decision: Decision) -> str:
    """The reply as it would be sent; raises :class:`Invalid` or :class:`TooLarge` where nobody could send it."""
    text = decision.reply.replace("\r\n", "\n").strip()
    if message := unreadable(text):
        raise field_error("reply", message)
    autosave.check_size(text)
    return text


def _latest(inquiry_id: int) -> str:
    """What stands in the reply field of the inquiry now."""
    inquiry = Inquiry.objects.select_related("typed").get(pk=inquiry_id)
    return inquiry.typed.text if hasattr(inquiry, "typed") else inquiry.proposed


def _rule(decision: Decision, text: str, inquiry: Inquiry) -> Ruling:
    if decision.category and decision.category not in Category.values:
        raise field_error("category", f"Choose one of {', '.join(Category.values)}.")
    draft, step = inquiry.proposed, inquiry.review_step_id
    verdict, final = _verdict(decision, text, draft)
    extent = words.extent(draft, final) if final else words.Extent()
    return Ruling(verdict, draft, final, extent, step)


def _verdict(decision: Decision, text: str, draft: str) -> tuple[Verdict, str]:
    """The verdict, and the text to send (nothing for a rejection). An edit that changes nothing is an approval."""
    match decision.kind:
        case "reject":
            if not decision.reason.strip():
                raise field_error("reason", "Say why, so that the next draft, or whoever reads this later, knows.")
            return Verdict.REJECTED, ""
        case "edit":
            if not text:
                raise field_error("reply", "Write the reply, or reject the draft.")
            return (Verdict.APPROVED, draft) if text == draft.strip() else (Verdict.EDITED, text)
        case "approve":
            if not draft:
                raise field_error("reply", "There is no draft to approve; write a reply and send it as edited.")
            if text and text != draft.strip():
                raise field_error("reply", "Approving sends the draft as it stands; send this text as edited.")
            return Verdict.APPROVED, draft


def _carry_out(inquiry: Inquiry, decision: Decision, ruling: Ruling, *, lease: int, by: Actor) -> Inquiry:
    with events.recording(by):
        run = _answer(inquiry, ruling, decision.reason, by=by)
        inquiry = desk.locked(inquiry.pk)
        desk.check_lease(inquiry, desk.person_of(by), lease)
        review = _keep_review(inquiry, decision, ruling)
        if ruling.final:
            _send(inquiry, review, run)
        elif decision.then == "closed":
            _close(inquiry, review)
        else:
            _begin_again(inquiry, review, by=by)
    return inquiry


def _answer(inquiry: Inquiry, ruling: Ruling, reason: str, *, by: Actor) -> Run | None:
    """Tell the run that waits. Where none does (it failed, was cancelled, or long ended) a run of its own sends."""
    if ruling.step is not None:
        output = {"send": bool(ruling.final), "reply": ruling.final, "verdict": ruling.verdict}
        engine.answer(ruling.step, output, by=by, reason=reason)
        return inquiry.run
    if not ruling.final:
        return None
    return engine.start(
        flow.REPLY,
        flow.input_of_reply(inquiry, ruling.final),
        by=by,
        serves=ref_of(inquiry),
        priority=sla.PRIORITY[tier_of(inquiry)],
    )


def _keep_review(inquiry: Inquiry, decision: Decision, ruling: Ruling) -> Review:
    return Review.objects.create(
        inquiry=inquiry,
        step_id=ruling.step,
        reviewer_id=inquiry.lease_holder_id,
        verdict=ruling.verdict,
        specialist=inquiry.specialist,
        draft=ruling.draft,
        final=ruling.final,
        word_difference=ruling.extent.as_dict(),
        qa=inquiry.qa,
        category_before=inquiry.category,
        category=decision.category or inquiry.category,
        reason=decision.reason,
        claimed_at=inquiry.claimed_at,
    )


def _send(inquiry: Inquiry, review: Review, run: Run | None) -> None:
    """The run sends it; the inquiry is resolved when that has succeeded."""
    _move(inquiry, InquiryStatus.IN_PROGRESS, review, reply=review.final, run=run)
    autosave.forget(inquiry)


def _close(inquiry: Inquiry, review: Review) -> None:
    _move(inquiry, InquiryStatus.CLOSED, review, resolved_at=timezone.now())
    autosave.forget(inquiry)


def _begin_again(inquiry: Inquiry, review: Review, *, by: Actor) -> None:
    """Another draft, without the articles that misled this one. What was typed stays: it may serve the next draft."""
    cited = [citation["article"] for citation in inquiry.citations]
    _move(
        inquiry,
        InquiryStatus.NEW,
        review,
        rejected_articles=sorted({*inquiry.rejected_articles, *cited}),
        draft="",
        citations=[],
        reply="",
        qa=None,
        assignee=None,
    )
    priority = sla.PRIORITY[tier_of(inquiry)]
    inquiry.run = engine.start(flow.INQUIRY, flow.input_of(inquiry), by=by, serves=ref_of(inquiry), priority=priority)
    inquiry.save(update_fields=["run"])


def _move(inquiry: Inquiry, status: InquiryStatus, review: Review, **changes: object) -> None:
    before = {"status": inquiry.status}
    if review.category != review.category_before:
        before["category"] = review.category_before
        changes |= {"category": review.category, "category_fixed": True}
    INQUIRY_STATES.move(
        inquiry, status, review_step=None, cause="", escalation_reason="", escalated_at=None, **desk.FREE, **changes
    )
    after = {name: getattr(inquiry, name) for name in before} | {"verdict": review.verdict}
    if review.final:
        before["reply"], after["reply"] = review.draft, review.final
    events.record(
        ACTIONS[Verdict(review.verdict)],
        target=ref_of(inquiry),
        before=before,
        after=after,
        reason=review.reason,
        permission="inquiries.review",
    )
