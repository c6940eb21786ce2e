"""Reply text while it is typed: saved after every pause, kept through reload, change of owner and new drafts.

The only writer of DraftText. Telemetry: a saved pause is no decision, so nothing here records an event.
"""

from django.utils import timezone

from orchestra.kernel import events
from orchestra.kernel.access import Actor
from orchestra.kernel.clock import database_now
from orchestra.kernel.errors import Conflict, TooLarge
from workflows.customer_service import desk
from workflows.customer_service.arrivals import MAX_BODY
from workflows.customer_service.models import DraftText, Inquiry


class TextMoved(Conflict):
    """This text was changed in another window meanwhile; reload the page to go on from there."""

    code = "text_moved"


def save(inquiry_id: int, text: str, *, version: int, by: Actor) -> DraftText:
    """Keep ``text`` and renew the lease. ``version`` is that of the text it was typed from, 0 where none was saved.

    Raises :class:`~orchestra.kernel.errors.StaleLease` where ``by`` holds the inquiry no longer, :class:`TextMoved`
    where another window has saved since.
    """
    person = desk.person_of(by)
    check_size(text)
    with events.recording(by):
        inquiry = desk.locked(inquiry_id)
        desk.check_lease(inquiry, person)
        desk.renew(inquiry, database_now())
        saved = DraftText.objects.filter(inquiry=inquiry).first()
        if version != (saved.version if saved else 0):
            raise TextMoved
        columns = {"text": text, "version": version + 1, "author_id": person, "saved_at": timezone.now()}
        begun = {"draft_number": saved.draft_number if saved else inquiry.draft_number}
        row, _ = DraftText.objects.update_or_create(inquiry=inquiry, defaults=columns | begun)
    return row


def discard(inquiry_id: int, *, by: Actor) -> None:
    """Forget what was typed, to begin anew from the draft."""
    person = desk.person_of(by)
    with events.recording(by):
        inquiry = desk.locked(inquiry_id)
        desk.check_lease(inquiry, person)
        forget(inquiry)


def forget(inquiry: Inquiry) -> None:
    """Remove the text of a locked inquiry: it was sent, or is not wanted."""
    DraftText.objects.filter(inquiry=inquiry).delete()


def check_size(text: str) -> None:
    """Raise :class:`TooLarge` above what a reply may have."""
    if len(text.encode()) > MAX_BODY:
        raise TooLarge(f"A reply may have at most {MAX_BODY // 1024} KB; shorten it.")
