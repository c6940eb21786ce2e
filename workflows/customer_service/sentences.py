"""Events of customer service as sentences, for the audit trail."""

from collections.abc import Callable

from orchestra.kernel.models import Event


def _of(words: str) -> Callable[[Event], str]:
    """Somebody did something to inquiry #7: "Olga claimed #7 Charged twice"."""
    return lambda event: f"{event.actor_label} {words} #{event.target_id} {event.target_label}".strip()


def _by_itself(words: str) -> Callable[[Event], str]:
    return lambda event: f"#{event.target_id} {event.target_label} {words}"


def _of_named(words: str) -> Callable[[Event], str]:
    return lambda event: f"{event.actor_label} {words} {event.target_label}"


PHRASES: dict[str, Callable[[Event], str]] = {
    "InquiryReceived": _of("took in"),
    "InquiryTriaged": _by_itself("was triaged"),
    "InquiryEscalated": _by_itself("came to the desk"),
    "InquiryClaimed": _of("claimed"),
    "InquiryReleased": _of("released"),
    "InquiryReassigned": _of("reassigned"),
    "InquiryReopened": _of("reopened"),
    "InquiryResolved": _by_itself("was resolved"),
    "ReplyApproved": _of("approved the reply to"),
    "ReplyEdited": _of("edited the reply to"),
    "DraftRejected": _of("rejected the draft for"),
    "ReviewTimedOut": lambda event: f"The claim on #{event.target_id} {event.target_label} ran out",
    "ReviewWithdrawn": _by_itself("no longer has a run that waits for its review"),
    "CustomerAdded": _of_named("added the customer"),
    "CustomerChanged": _of_named("changed the customer"),
    "ArticleAdded": _of_named("added the article"),
    "ArticleChanged": _of_named("changed the article"),
    "ArticleEnabled": _of_named("enabled the article"),
    "ArticleDisabled": _of_named("disabled the article"),
    "ArticleRemoved": _of_named("removed the article"),
}
