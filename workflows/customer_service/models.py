"""The tables of customer service.

``intake.py`` writes Customer and new inquiries. An inquiry is moved by ``desk.py`` (who holds it), ``decisions.py``
(what people decide, with Review) and ``observe.py`` (what its runs come to, with Message). ``autosave.py`` writes
DraftText, ``knowledge.py`` Article and KnowledgeRevision.
"""

from datetime import timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import ExpressionWrapper, F, Q
from django.db.models.functions import Lower
from django.utils import timezone

from orchestra.kernel.states import Machine
from workflows.models import Run, Step


class Category(models.TextChoices):
    TECHNICAL = "technical_issue", "technical"
    BILLING = "billing_question", "billing"
    ACCOUNT = "account_management", "account"
    PRODUCT = "product_inquiry", "product"
    GENERAL = "general", "general"


class Tier(models.TextChoices):
    """How soon a customer is owed an answer; ``sla.py`` has the hours."""

    STANDARD = "standard", "standard"
    SILVER = "silver", "silver"
    GOLD = "gold", "gold"


class Channel(models.TextChoices):
    EMAIL = "email", "e-mail"
    WEB = "web", "web form"
    CHAT = "chat", "chat"
    PHONE = "phone", "telephone"
    API = "api", "API"
    FILE = "file", "file"


class InquiryStatus(models.TextChoices):
    NEW = "new", "new"
    IN_PROGRESS = "in_progress", "in progress"
    ESCALATED = "escalated", "escalated"
    IN_REVIEW = "in_review", "in review"
    RESOLVED = "resolved", "resolved"
    CLOSED = "closed", "closed"
    FAILED = "failed", "failed"


INQUIRY_STATES = Machine(
    {
        InquiryStatus.NEW: [
            InquiryStatus.IN_PROGRESS,
            InquiryStatus.ESCALATED,
            InquiryStatus.RESOLVED,
            InquiryStatus.FAILED,
        ],
        InquiryStatus.IN_PROGRESS: [InquiryStatus.ESCALATED, InquiryStatus.RESOLVED, InquiryStatus.FAILED],
        InquiryStatus.ESCALATED: [InquiryStatus.IN_REVIEW, InquiryStatus.RESOLVED],
        InquiryStatus.IN_REVIEW: [
            InquiryStatus.ESCALATED,
            InquiryStatus.IN_PROGRESS,
            InquiryStatus.NEW,
            InquiryStatus.RESOLVED,
            InquiryStatus.CLOSED,
        ],
        InquiryStatus.RESOLVED: [InquiryStatus.ESCALATED],
        InquiryStatus.CLOSED: [InquiryStatus.ESCALATED],
        InquiryStatus.FAILED: [InquiryStatus.ESCALATED],
    }
)
AT_THE_DESK = (InquiryStatus.ESCALATED, InquiryStatus.IN_REVIEW)
SETTLED = (InquiryStatus.RESOLVED, InquiryStatus.CLOSED)
OPEN = tuple(status for status in InquiryStatus.values if status not in SETTLED)


DUE = Q(is_due__in=[True])
"""Waits for a person. Spelled as a comparison, since SQLite has no use for an index on a bare column."""
UNSETTLED = Q(is_open__in=[True])
DONE = Q(is_open__in=[False])


class Cause(models.TextChoices):
    """Why an inquiry needs a person, in one word; ``escalation_reason`` says it in sentences."""

    UNSURE = "unsure", "unsure of the category"
    NO_ARTICLE = "no_article", "no article"
    WEAK = "weak", "weak draft"
    POLICY = "policy", "policy"
    FAILURE = "failure", "failure"
    REOPENED = "reopened", "reopened"


PRESSING = timedelta(minutes=30)


class Customer(models.Model):
    """Somebody who wrote. Recognised by the address; without one, every inquiry is from somebody new."""

    email = models.EmailField(null=True, blank=True, unique=True)
    name = models.CharField(max_length=150, blank=True)
    tier = models.CharField(max_length=10, choices=Tier.choices, default=Tier.STANDARD)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(name="customer_tier_is_known", condition=Q(tier__in=Tier.values)),
            models.CheckConstraint(
                name="customer_email_is_lower_case", condition=Q(email__isnull=True) | Q(email=Lower("email"))
            ),
            models.CheckConstraint(name="customer_is_somebody", condition=Q(email__isnull=False) | ~Q(name="")),
        ]

    def __str__(self) -> str:
        return self.name or self.email or f"customer {self.pk}"


class InquiryQuerySet(models.QuerySet["Inquiry"]):
    def listed(self) -> Self:
        """What a list shows of each, without the texts that make rows long."""
        rows = self.select_related("customer", "lease_holder", "assignee")
        return rows.defer("body", "draft", "reply", "citations", "qa", "rejected_articles")


class Inquiry(models.Model):
    """What a customer asked, and how far the answer has come.

    ``category`` is triage's choice until a person corrects it (``category_fixed``). ``draft`` is what the specialist
    wrote, ``reply`` what was or is about to be sent. A claim is a lease: ``lease_token`` grows with every claim and
    never again means an earlier one.
    """

    customer = models.ForeignKey(
        Customer, null=True, blank=True, on_delete=models.PROTECT, related_name="inquiries", db_index=False
    )
    title = models.CharField(max_length=200, help_text="The subject, or the beginning of the text where there is none.")
    subject = models.CharField(max_length=200, blank=True)
    body = models.TextField()
    channel = models.CharField(max_length=10, choices=Channel.choices, default=Channel.EMAIL)
    external_id = models.CharField(max_length=200, null=True, blank=True, unique=True)
    digest = models.CharField(max_length=64, editable=False, help_text="SHA-256 of what was received.")
    status = models.CharField(max_length=12, choices=InquiryStatus.choices, default=InquiryStatus.NEW)
    category = models.CharField(max_length=20, choices=Category.choices, blank=True)
    category_fixed = models.BooleanField(default=False)
    confidence = models.FloatField(null=True)
    specialist = models.CharField(max_length=100, blank=True)
    draft = models.TextField(blank=True)
    draft_number = models.PositiveIntegerField(default=0, help_text="Grows with every draft.")
    citations = models.JSONField(default=list)
    rejected_articles = models.JSONField(default=list, help_text="Articles that no further draft may cite.")
    qa = models.JSONField(null=True)
    reply = models.TextField(blank=True)
    cause = models.CharField(max_length=12, choices=Cause.choices, blank=True)
    escalation_reason = models.TextField(blank=True)
    escalated_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField()
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    lease_holder = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    lease_token = models.PositiveBigIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="+")
    review_step = models.ForeignKey(Step, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    resolved_at = models.DateTimeField(null=True, help_text="When it was resolved or closed.")

    is_due = models.GeneratedField(
        expression=ExpressionWrapper(Q(status__in=AT_THE_DESK), output_field=models.BooleanField()),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    """Whether it waits for a person: with :attr:`is_open`, what lets one index serve a list of several statuses."""
    is_open = models.GeneratedField(
        expression=ExpressionWrapper(Q(status__in=OPEN), output_field=models.BooleanField()),
        output_field=models.BooleanField(),
        db_persist=True,
    )

    objects = InquiryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "inquiries"
        indexes = [
            models.Index(fields=["is_due", "due_at", "id"], name="inquiry_due"),
            models.Index(fields=["is_open", "due_at", "id"], name="inquiry_open"),
            models.Index(fields=["assignee", "is_open", "due_at", "id"], name="inquiry_assignee"),
            models.Index(fields=["cause", "is_due", "due_at", "id"], name="inquiry_cause"),
            models.Index(fields=["category", "is_due", "due_at", "id"], name="inquiry_category"),
            models.Index(fields=["status", "-id"], name="inquiry_status"),
            models.Index(fields=["customer", "-id"], name="inquiry_customer"),
            models.Index(fields=["lease_expires_at"], name="inquiry_leased", condition=Q(status="in_review")),
        ]
        constraints = [
            models.CheckConstraint(name="inquiry_status_is_known", condition=Q(status__in=InquiryStatus.values)),
            models.CheckConstraint(name="inquiry_category_is_known", condition=Q(category__in=["", *Category.values])),
            models.CheckConstraint(name="inquiry_channel_is_known", condition=Q(channel__in=Channel.values)),
            models.CheckConstraint(name="inquiry_cause_is_known", condition=Q(cause__in=["", *Cause.values])),
            models.CheckConstraint(name="inquiry_says_something", condition=~Q(body="")),
            models.CheckConstraint(
                name="inquiry_confidence_is_a_share",
                condition=Q(confidence__isnull=True) | Q(confidence__gte=0, confidence__lte=1),
            ),
            models.CheckConstraint(
                name="inquiry_in_review_is_leased",
                condition=Q(
                    status=InquiryStatus.IN_REVIEW,
                    lease_holder__isnull=False,
                    lease_expires_at__isnull=False,
                    claimed_at__isnull=False,
                )
                | (~Q(status=InquiryStatus.IN_REVIEW) & Q(lease_holder__isnull=True, lease_expires_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="inquiry_at_the_desk_says_why",
                condition=~Q(status__in=AT_THE_DESK)
                | (~Q(escalation_reason="") & ~Q(cause="") & Q(escalated_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="inquiry_settled_has_a_time",
                condition=Q(status__in=SETTLED, resolved_at__isnull=False)
                | (~Q(status__in=SETTLED) & Q(resolved_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="inquiry_resolved_has_a_reply", condition=~Q(status=InquiryStatus.RESOLVED) | ~Q(reply="")
            ),
        ]

    def __str__(self) -> str:
        return f"inquiry {self.pk}"

    @property
    def proposed(self) -> str:
        """What would be sent if nobody changed it: a decided reply that could not be sent yet, else the draft."""
        return self.reply or self.draft

    @property
    def is_overdue(self) -> bool:
        return self.resolved_at is None and self.due_at <= timezone.now()

    @property
    def is_pressing(self) -> bool:
        """Whether an answer is due within half an hour."""
        return self.resolved_at is None and self.due_at <= timezone.now() + PRESSING

    @property
    def sender(self) -> str:
        return str(self.customer) if self.customer else "Unknown sender"


class MessageStatus(models.TextChoices):
    SENT = "sent", "sent"
    UNDELIVERABLE = "undeliverable", "undeliverable"
    FAILED = "failed", "failed"


class Message(models.Model):
    """A reply as it left, or why it could not; never changed afterwards. Written by ``observe.py``."""

    inquiry = models.ForeignKey(Inquiry, on_delete=models.CASCADE, related_name="messages", db_index=False)
    body = models.TextField()
    status = models.CharField(max_length=13, choices=MessageStatus.choices)
    recipient = models.EmailField(blank=True)
    message_id = models.CharField(max_length=200, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["inquiry", "id"], name="message_inquiry")]
        constraints = [
            models.CheckConstraint(name="message_status_is_known", condition=Q(status__in=MessageStatus.values)),
            models.CheckConstraint(
                name="message_sent_has_a_time",
                condition=Q(status=MessageStatus.SENT, sent_at__isnull=False)
                | (~Q(status=MessageStatus.SENT) & Q(sent_at__isnull=True)),
            ),
            models.UniqueConstraint(fields=["message_id"], name="message_id_once", condition=~Q(message_id="")),
        ]

    def __str__(self) -> str:
        return f"reply to inquiry {self.inquiry_id}"


class Verdict(models.TextChoices):
    APPROVED = "approved", "approved"
    EDITED = "edited", "edited"
    REJECTED = "rejected", "rejected"
    TIMED_OUT = "timed_out", "timed out"
    WITHDRAWN = "withdrawn", "withdrawn"


class Review(models.Model):
    """What became of one claim: the draft, what a person made of it, and why. A timeout never names a person."""

    inquiry = models.ForeignKey(Inquiry, on_delete=models.CASCADE, related_name="reviews", db_index=False)
    step = models.ForeignKey(Step, null=True, on_delete=models.SET_NULL, related_name="+")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    specialist = models.CharField(max_length=100, blank=True, help_text="Whose draft it was.")
    draft = models.TextField(blank=True)
    final = models.TextField(blank=True)
    word_difference = models.JSONField(default=dict, help_text="Words kept, inserted and deleted.")
    qa = models.JSONField(null=True)
    category_before = models.CharField(max_length=20, choices=Category.choices, blank=True)
    category = models.CharField(max_length=20, choices=Category.choices, blank=True)
    reason = models.TextField(blank=True)
    claimed_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["inquiry", "-id"], name="review_inquiry"),
            models.Index(fields=["specialist", "verdict"], name="review_specialist"),
        ]
        constraints = [
            models.CheckConstraint(name="review_verdict_is_known", condition=Q(verdict__in=Verdict.values)),
            models.CheckConstraint(
                name="review_timeout_names_nobody",
                condition=~Q(verdict__in=[Verdict.TIMED_OUT, Verdict.WITHDRAWN]) | Q(reviewer__isnull=True),
            ),
            models.CheckConstraint(
                name="review_decision_has_a_person",
                condition=Q(verdict__in=[Verdict.TIMED_OUT, Verdict.WITHDRAWN]) | Q(reviewer__isnull=False),
            ),
            models.CheckConstraint(
                name="review_approved_is_the_draft",
                condition=~Q(verdict=Verdict.APPROVED) | (Q(final=F("draft")) & ~Q(final="")),
            ),
            models.CheckConstraint(
                name="review_edited_differs",
                condition=~Q(verdict=Verdict.EDITED) | (~Q(final=F("draft")) & ~Q(final="")),
            ),
            models.CheckConstraint(
                name="review_rejected_says_why",
                condition=~Q(verdict=Verdict.REJECTED) | (Q(final="") & ~Q(reason="")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verdict} review of inquiry {self.inquiry_id}"


class DraftText(models.Model):
    """A reply as it is being typed. Telemetry: saved after every pause, without events; the decision is the event."""

    inquiry = models.OneToOneField(Inquiry, primary_key=True, on_delete=models.CASCADE, related_name="typed")
    text = models.TextField(blank=True)
    version = models.PositiveIntegerField(default=1)
    draft_number = models.PositiveIntegerField(help_text="The draft it was begun from.")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    saved_at = models.DateTimeField(default=timezone.now)


class Article(models.Model):
    """What the company says about one question. Specialists draft from these, cite them, and say nothing else."""

    key = models.SlugField(max_length=60, null=True, blank=True, unique=True, help_text="Its name in a content file.")
    title = models.CharField(max_length=200)
    body = models.TextField()
    category = models.CharField(max_length=20, choices=Category.choices)
    questions = models.JSONField(default=list, blank=True, help_text="Ways in which customers ask this.")
    enabled = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["title", "id"]
        indexes = [
            models.Index(fields=["title", "id"], name="article_title"),
            models.Index(fields=["category", "title", "id"], name="article_category"),
        ]
        constraints = [
            models.CheckConstraint(name="article_category_is_known", condition=Q(category__in=Category.values)),
            models.CheckConstraint(name="article_says_something", condition=~Q(title="") & ~Q(body="")),
        ]

    def __str__(self) -> str:
        return self.title


class KnowledgeRevision(models.Model):
    """One row whose number grows with every change of an article, so that processes know when to index again."""

    number = models.PositiveBigIntegerField(default=0)
