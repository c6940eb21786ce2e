"""Everything that is known about one inquiry, for its page and its place in the API. Reads only.

Each part is read when it is first asked for, so that a region of the page costs no more than it shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Self

from django.db.models import QuerySet

from orchestra.kernel import registry
from orchestra.kernel.clock import database_now
from orchestra.kernel.errors import NotFound
from orchestra.kernel.models import Role, User
from workflows.customer_service import desk, words
from workflows.customer_service.models import SETTLED, Article, Category, DraftText, Inquiry, InquiryStatus, Review
from workflows.models import Step

EARLIER = 5
PARTS = {
    "answers_question": "Answers the question",
    "grounded": "Grounded in articles",
    "complete": "Complete",
    "tone": "Tone",
    "policy": "Policy",
}
THRESHOLD = 0.7


@dataclass(frozen=True, slots=True)
class Item:
    """One message of the conversation; ``status`` of a reply: sent, undeliverable or failed."""

    is_incoming: bool
    who: str
    at: datetime
    text: str
    status: str = ""
    note: str = ""
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the quality, by the words that pages use."""

    label: str
    value: float


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation, and whether its article can still be opened."""

    number: int
    title: str
    passage: str
    url: str


@dataclass(frozen=True, slots=True)
class StepTaken:
    """A step of the run: its status, and the seconds it took or has taken so far."""

    name: str
    status: str
    took_s: float | None


class Dossier:
    """``person`` is who looks at it; raises :class:`NotFound`."""

    def __init__(self, inquiry_id: int, person: User) -> None:
        rows = Inquiry.objects.select_related("customer", "lease_holder", "assignee", "run__version__workflow")
        inquiry = rows.defer("run__version__definition", "run__input", "run__output").filter(pk=inquiry_id).first()
        if inquiry is None:
            raise NotFound(f"There is no inquiry #{inquiry_id}; check its number, or go back to the desk.")
        self.inquiry = inquiry
        self.person = person

    @cached_property
    def now(self) -> datetime:
        return database_now()

    @cached_property
    def is_held(self) -> bool:
        return desk.is_held(self.inquiry, self.now)

    @property
    def is_mine(self) -> bool:
        return self.is_held and self.inquiry.lease_holder_id == self.person.pk

    @property
    def is_anothers(self) -> bool:
        return self.is_held and self.inquiry.lease_holder_id != self.person.pk

    @property
    def is_claimable(self) -> bool:
        return self.inquiry.status in (InquiryStatus.ESCALATED, InquiryStatus.IN_REVIEW) and not self.is_held

    @property
    def is_settled(self) -> bool:
        return self.inquiry.status in SETTLED

    @cached_property
    def conversation(self) -> list[Item]:
        inquiry = self.inquiry
        items = [Item(True, inquiry.sender, inquiry.created_at, inquiry.body, note=inquiry.get_channel_display())]
        for message in inquiry.messages.all():
            at = message.sent_at or message.created_at
            to = f"to {message.recipient}" if message.recipient else "no address is known"
            note = message.error or to
            items.append(Item(False, "Reply", at, message.body, message.status, note, message.message_id))
        return items

    @cached_property
    def typed(self) -> DraftText | None:
        """What somebody typed and has not sent yet."""
        return DraftText.objects.select_related("author").filter(inquiry=self.inquiry).first()

    @cached_property
    def text(self) -> str:
        """What stands in the reply field."""
        return self.typed.text if self.typed else self.inquiry.proposed

    def typing(self, text: str) -> Self:
        """The same with ``text`` in the reply field, which the page has just sent."""
        self.text = text
        return self

    @property
    def has_newer_draft(self) -> bool:
        """Whether another draft came after what was typed had been begun."""
        return self.typed is not None and self.typed.draft_number < self.inquiry.draft_number

    @property
    def difference(self) -> list[tuple[words.Kind, str]]:
        return words.difference(self.inquiry.proposed, self.text)

    @property
    def extent(self) -> words.Extent:
        return words.extent(self.inquiry.proposed, self.text)

    @cached_property
    def parts(self) -> list[Part]:
        parts: Mapping[str, float] = (self.inquiry.qa or {}).get("parts", {})
        return [Part(PARTS.get(name, name.replace("_", " ")), value) for name, value in parts.items()]

    @property
    def threshold(self) -> float:
        return float((self.inquiry.qa or {}).get("threshold", THRESHOLD))

    @cached_property
    def citations(self) -> list[Cited]:
        known = set(Article.objects.filter(pk__in=self._cited_ids()).values_list("pk", flat=True))
        return [
            Cited(
                number,
                citation["title"],
                citation.get("passage", ""),
                registry.link("article", str(citation["article"])) or "" if citation["article"] in known else "",
            )
            for number, citation in enumerate(self.inquiry.citations, start=1)
        ]

    @property
    def steps(self) -> list[StepTaken]:
        """The steps that its run has reached."""
        return [StepTaken(step.name, step.status, self._took_s(step)) for step in self._steps]

    @cached_property
    def _steps(self) -> list[Step]:
        if self.inquiry.run_id is None:
            return []
        columns = ("run_id", "name", "status", "started_at", "finished_at", "choice", "error")
        return list(Step.objects.filter(run=self.inquiry.run_id).only(*columns).order_by("pk"))

    @cached_property
    def choice(self) -> dict[str, Any]:
        """Why this specialist: candidates with their scores, and how many were excluded for which reason."""
        specialist = next((step for step in self._steps if step.name == "specialist"), None)
        return (specialist.choice or {}) if specialist else {}

    @cached_property
    def earlier(self) -> list[Inquiry]:
        """The latest of the customer's other inquiries."""
        if self.inquiry.customer_id is None:
            return []
        others = Inquiry.objects.listed().filter(customer=self.inquiry.customer_id).exclude(pk=self.inquiry.pk)
        return list(others.order_by("-pk")[:EARLIER])

    @cached_property
    def reviews(self) -> list[Review]:
        """What became of earlier claims, the latest first."""
        return list(self.inquiry.reviews.select_related("reviewer").defer("draft", "final")[:EARLIER])

    @property
    def reviewers(self) -> QuerySet[User]:
        """Whom it can be given to."""
        return User.objects.filter(is_active=True, role__in=[Role.OPERATOR, Role.ADMIN]).order_by("username")

    @property
    def category_choices(self) -> Sequence[tuple[str, str]]:
        return Category.choices

    def _took_s(self, step: Step) -> float | None:
        if step.started_at is None:
            return None
        return ((step.finished_at or self.now) - step.started_at).total_seconds()

    def _cited_ids(self) -> list[int]:
        return [citation["article"] for citation in self.inquiry.citations]
