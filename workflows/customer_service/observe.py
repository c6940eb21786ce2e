"""Follows the runs that serve inquiries: what the engine tells of steps and runs becomes the state of the inquiry.

The engine calls :func:`observe` in its own transaction, once a group. However many changes there are, this costs two
queries and one write for inquiries and at most one each for messages and reviews. No inquiry is ever lost
here: whatever ends without a reply brings it to the desk with the reason.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.utils import timezone

from orchestra.kernel import events
from orchestra.kernel.access import Actor
from orchestra.kernel.states import save_all
from workflows.customer_service.intake import ref_of
from workflows.customer_service.models import (
    AT_THE_DESK,
    INQUIRY_STATES,
    SETTLED,
    Cause,
    Inquiry,
    InquiryStatus,
    Message,
    MessageStatus,
    Review,
    Verdict,
)
from workflows.models import RUN_ENDS
from workflows.ports import Change, RunChange, StepChange

SERVICE = Actor.system("customer service")
FAILURES = frozenset({"failed", "dead"})
WORK = {"triage": "Triage", "specialist": "The specialist", "quality_check": "The quality check"}
FIELDS = (
    "status",
    "category",
    "confidence",
    "specialist",
    "draft",
    "draft_number",
    "citations",
    "qa",
    "reply",
    "cause",
    "escalation_reason",
    "escalated_at",
    "resolved_at",
    "review_step_id",
    "lease_holder_id",
    "lease_expires_at",
    "claimed_at",
)


def observe(changes: Sequence[Change]) -> None:
    """The engine's observer for the kind ``inquiry``."""
    numbers = {int(change.serves_id) for change in changes}
    rows = Inquiry.objects.select_for_update(no_key=True).filter(pk__in=numbers).order_by("pk").prefetch_related("run")
    following = Following({inquiry.pk: inquiry for inquiry in rows})
    for change in changes:
        following.follow(change)
    following.save()


def why_not_retried(inquiry_id: str) -> str:
    """A run of an inquiry is never gone through again: a reply may have left, or a person may have taken over."""
    return (
        f"This run belongs to inquiry {inquiry_id}, which is decided on at the desk: "
        "open the inquiry, and review it there or reopen it."
    )


class Following:
    """The inquiries of one group, under lock, and what is to be written about them."""

    def __init__(self, inquiries: Mapping[int, Inquiry]) -> None:
        self.inquiries = inquiries
        self.changed: dict[int, Inquiry] = {}
        self.messages: list[Message] = []
        self.reviews: list[Review] = []
        self.now = timezone.now()

    def follow(self, change: Change) -> None:
        inquiry = self.inquiries.get(int(change.serves_id))
        if inquiry is None or inquiry.status in SETTLED:
            return
        is_current = inquiry.run_id == change.run
        if isinstance(change, RunChange):
            if is_current and change.status in RUN_ENDS:
                self._run_ended(inquiry, change)
        elif is_current or (change.name, change.status) in OF_ANY_RUN:
            handle = HANDLERS.get((change.name, "failed" if change.status in FAILURES else change.status))
            if handle is not None:
                handle(self, inquiry, change)
                self.changed[inquiry.pk] = inquiry

    def save(self) -> None:
        save_all(Inquiry, list(self.changed.values()), FIELDS)
        Message.objects.bulk_create(self.messages)
        Review.objects.bulk_create(self.reviews)

    def triaged(self, inquiry: Inquiry, change: StepChange) -> None:
        inquiry.category, inquiry.confidence = change.output["category"], change.output["confidence"]
        if inquiry.status == InquiryStatus.NEW:
            INQUIRY_STATES.stage(inquiry, InquiryStatus.IN_PROGRESS)
        after = {"status": inquiry.status, "category": inquiry.category, "confidence": f"{inquiry.confidence:.2f}"}
        self._record("InquiryTriaged", inquiry, after=after)

    def drafted(self, inquiry: Inquiry, change: StepChange) -> None:
        inquiry.specialist = change.agent
        inquiry.draft, inquiry.citations = change.output["text"], change.output["citations"]
        inquiry.draft_number += 1

    def judged(self, inquiry: Inquiry, change: StepChange) -> None:
        inquiry.qa = change.output
        if change.output["needs_escalation"]:
            inquiry.cause = change.output["cause"]
            inquiry.escalation_reason = " ".join(change.output["reasons"])

    def step_failed(self, inquiry: Inquiry, change: StepChange) -> None:
        """A failure on the way: the run goes on to the review, which finds the reason here."""
        inquiry.cause = Cause.FAILURE
        who = f"{WORK[change.name]} ({change.agent})" if change.agent else WORK[change.name]
        inquiry.escalation_reason = f"{who} failed: {change.error}"

    def awaits_person(self, inquiry: Inquiry, change: StepChange) -> None:
        inquiry.review_step_id = change.step
        inquiry.cause = inquiry.cause or Cause.POLICY
        self._escalate(inquiry, inquiry.escalation_reason or "The workflow asks for a person's decision.")

    def review_ended(self, inquiry: Inquiry, change: StepChange) -> None:
        inquiry.review_step = None

    def replied(self, inquiry: Inquiry, change: StepChange) -> None:
        output = change.output
        is_sent = output["status"] == MessageStatus.SENT
        self.messages.append(
            Message(
                inquiry=inquiry,
                body=change.input["text"],
                status=output["status"],
                recipient=output["to"],
                message_id=output["message_id"],
                created_at=self.now,
                sent_at=self.now if is_sent else None,
            )
        )
        before = {"status": inquiry.status}
        INQUIRY_STATES.stage(inquiry, InquiryStatus.RESOLVED)
        inquiry.reply, inquiry.resolved_at, inquiry.review_step = change.input["text"], self.now, None
        inquiry.lease_holder = inquiry.lease_expires_at = inquiry.claimed_at = None
        after = {"status": inquiry.status, "reply": output["status"]}
        self._record("InquiryResolved", inquiry, before=before, after=after)

    def not_sent(self, inquiry: Inquiry, change: StepChange) -> None:
        """The run fails with this step; its end brings the inquiry to the desk, the text with it."""
        text = (change.input or {}).get("text") or inquiry.proposed
        inquiry.reply = text
        inquiry.cause = Cause.FAILURE
        inquiry.escalation_reason = f"The reply could not be sent: {change.error}"
        self.messages.append(
            Message(inquiry=inquiry, body=text, status=MessageStatus.FAILED, error=change.error, created_at=self.now)
        )

    def _run_ended(self, inquiry: Inquiry, change: RunChange) -> None:
        """A run that ended without a reply: to the desk, or a note there that it no longer waits for the decision."""
        if inquiry.status in AT_THE_DESK:
            self._withdraw(inquiry, change)
            return
        inquiry.cause = inquiry.cause or Cause.FAILURE
        reason = {
            "succeeded": "The run ended without a reply.",
            "cancelled": f"The run was cancelled: {change.error}",
        }.get(change.status, f"The run failed: {change.error}")
        self._escalate(inquiry, inquiry.escalation_reason or reason)

    def _withdraw(self, inquiry: Inquiry, change: RunChange) -> None:
        if change.status == "succeeded":
            return  # a person has just answered its review; what follows is theirs to say
        self.changed[inquiry.pk] = inquiry
        if inquiry.lease_holder_id is not None:
            self.reviews.append(self._withdrawn(inquiry, change.error))
        self._record("ReviewWithdrawn", inquiry, after={"verdict": Verdict.WITHDRAWN}, reason=change.error)

    def _withdrawn(self, inquiry: Inquiry, reason: str) -> Review:
        return Review(
            inquiry=inquiry,
            verdict=Verdict.WITHDRAWN,
            specialist=inquiry.specialist,
            draft=inquiry.proposed,
            qa=inquiry.qa,
            category_before=inquiry.category,
            category=inquiry.category,
            reason=reason,
            claimed_at=inquiry.claimed_at,
            decided_at=self.now,
        )

    def _escalate(self, inquiry: Inquiry, reason: str) -> None:
        before = {"status": inquiry.status}
        INQUIRY_STATES.stage(inquiry, InquiryStatus.ESCALATED)
        inquiry.escalation_reason, inquiry.escalated_at = reason, self.now
        self.changed[inquiry.pk] = inquiry
        after = {"status": inquiry.status, "cause": inquiry.cause}
        self._record("InquiryEscalated", inquiry, before=before, after=after, reason=reason)

    def _record(self, action: str, inquiry: Inquiry, **what: Any) -> None:
        correlation = inquiry.run.correlation if inquiry.run else ""
        events.record(action, target=ref_of(inquiry), actor=SERVICE, correlation=correlation, **what)


HANDLERS: Mapping[tuple[str, str], Callable[[Following, Inquiry, StepChange], None]] = {
    ("triage", "succeeded"): Following.triaged,
    ("triage", "failed"): Following.step_failed,
    ("specialist", "succeeded"): Following.drafted,
    ("specialist", "failed"): Following.step_failed,
    ("quality_check", "succeeded"): Following.judged,
    ("quality_check", "failed"): Following.step_failed,
    ("review", "waiting"): Following.awaits_person,
    ("review", "succeeded"): Following.review_ended,
    ("review", "cancelled"): Following.review_ended,
    ("reply", "succeeded"): Following.replied,
    ("reply", "failed"): Following.not_sent,
}
OF_ANY_RUN = frozenset({("reply", "succeeded")})
"""What counts even from a run that another has replaced: a reply that has left cannot be taken back."""
