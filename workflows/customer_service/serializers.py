"""What the API reads and says of inquiries and articles."""

from typing import Any, Self

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from orchestra.kernel import rest
from workflows.customer_service import decisions, sla
from workflows.customer_service.dossier import Dossier, Item
from workflows.customer_service.intake import tier_of
from workflows.customer_service.models import Category, Cause, Channel, Inquiry, InquiryStatus, Tier, Verdict


class PersonOut(rest.Serializer):
    """A person."""

    id = serializers.IntegerField()
    name = serializers.CharField(source="label")


class CustomerOut(rest.Serializer):
    """A customer; ``email`` is null where none is known."""

    id = serializers.IntegerField()
    email = serializers.EmailField(allow_null=True)
    name = serializers.CharField()
    tier = serializers.ChoiceField(Tier.choices)


class EscalationOut(rest.Serializer):
    """Why it came to the desk, in a word and in sentences."""

    cause = serializers.ChoiceField(Cause.choices)
    reason = serializers.CharField(source="escalation_reason")
    at = serializers.DateTimeField(source="escalated_at")


class LeaseOut(rest.Serializer):
    """Who holds it. ``token`` goes with a review; null where nobody holds it."""

    token = serializers.IntegerField(source="lease_token")
    holder = PersonOut(source="lease_holder")
    since = serializers.DateTimeField(source="claimed_at")
    expires_at = serializers.DateTimeField(source="lease_expires_at")


class SlaOut(rest.Serializer):
    """When an answer is due."""

    due_at = serializers.DateTimeField()
    hours = serializers.SerializerMethodField(help_text="What the customer's tier is owed.")
    is_overdue = serializers.BooleanField()

    def get_hours(self, inquiry: Inquiry) -> int:
        return sla.HOURS[tier_of(inquiry)]


class InquiryRow(rest.Serializer):
    """An inquiry in a list."""

    id = serializers.IntegerField()
    title = serializers.CharField()
    subject = serializers.CharField()
    status = serializers.ChoiceField(InquiryStatus.choices)
    category = serializers.CharField(help_text="Empty until triage has said one.")
    confidence = serializers.FloatField(allow_null=True)
    channel = serializers.ChoiceField(Channel.choices)
    external_id = serializers.CharField(allow_null=True)
    customer = CustomerOut(allow_null=True)
    escalation = serializers.SerializerMethodField()
    sla = SlaOut(source="*")
    assignee = PersonOut(allow_null=True)
    lease = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(EscalationOut(allow_null=True))
    def get_escalation(self, inquiry: Inquiry) -> Any:
        return EscalationOut(inquiry).data if inquiry.escalation_reason else None

    @extend_schema_field(LeaseOut(allow_null=True))
    def get_lease(self, inquiry: Inquiry) -> Any:
        return LeaseOut(inquiry).data if inquiry.lease_holder_id else None


class CitationOut(rest.Serializer):
    """What a draft says and where it stands: ``passage`` is in the article word for word."""

    article = serializers.IntegerField()
    title = serializers.CharField()
    passage = serializers.CharField()


class QualityOut(rest.Serializer):
    """How good the draft is: the least of its parts, each between 0 and 1."""

    score = serializers.FloatField()
    parts = serializers.DictField(child=serializers.FloatField())
    needs_escalation = serializers.BooleanField()
    reasons = serializers.ListField(child=serializers.CharField())


class InquiryRunOut(rest.Serializer):
    """The run that works on it now, or did last."""

    id = serializers.IntegerField()
    status = serializers.CharField()
    workflow = serializers.CharField(source="version.workflow.name")


class MessageOut(rest.Serializer):
    """One message of the conversation, oldest first."""

    direction = serializers.SerializerMethodField()
    who = serializers.CharField()
    at = serializers.DateTimeField()
    text = serializers.CharField()
    status = serializers.CharField(help_text="Of a reply: sent, undeliverable or failed.")
    message_id = serializers.CharField()

    def get_direction(self, item: Item) -> str:
        return "in" if item.is_incoming else "out"


class ReviewOut(rest.Serializer):
    """What became of a claim. A review that timed out or was withdrawn names nobody."""

    verdict = serializers.ChoiceField(Verdict.choices)
    reviewer = PersonOut(allow_null=True)
    reason = serializers.CharField()
    word_difference = serializers.DictField(child=serializers.IntegerField())
    decided_at = serializers.DateTimeField()


class InquiryOut(InquiryRow):
    """An inquiry with all that is known about it."""

    body = serializers.CharField()
    specialist = serializers.CharField()
    draft = serializers.CharField()
    citations = CitationOut(many=True)
    reply = serializers.CharField()
    qa = QualityOut(allow_null=True)
    run = InquiryRunOut(allow_null=True)
    messages = serializers.SerializerMethodField()
    reviews = serializers.SerializerMethodField()

    @classmethod
    def of(cls, dossier: Dossier) -> Self:
        return cls(dossier.inquiry, context={"dossier": dossier})

    @extend_schema_field(MessageOut(many=True))
    def get_messages(self, inquiry: Inquiry) -> Any:
        return MessageOut(self.context["dossier"].conversation, many=True).data

    @extend_schema_field(ReviewOut(many=True))
    def get_reviews(self, inquiry: Inquiry) -> Any:
        return ReviewOut(self.context["dossier"].reviews, many=True).data


class LeaseField(serializers.JSONField):
    """The token of a lease, or the lease as a claim answered it."""

    def to_internal_value(self, data: Any) -> int:  # type: ignore[override]  # the stubs expect an object
        token = data.get("token") if isinstance(data, dict) else data
        if isinstance(token, bool) or not isinstance(token, int):
            raise serializers.ValidationError("Give the lease that the claim answered, or its token.")
        return token


class CustomerIn(rest.Serializer):
    """Who asks; recognised by the address."""

    email = serializers.CharField(allow_blank=True, allow_null=True, required=False)
    name = serializers.CharField(allow_blank=True, required=False)
    tier = serializers.CharField(allow_blank=True, required=False, help_text=", ".join(Tier.values))


class InquiryIn(rest.ReasonIn):
    """A new inquiry; under a known external_id only the same one is taken."""

    subject = serializers.CharField(allow_blank=True, required=False)
    body = serializers.CharField(allow_blank=True, trim_whitespace=False)
    customer = CustomerIn(required=False, allow_null=True)
    channel = serializers.CharField(required=False, default=Channel.API, help_text=", ".join(Channel.values))
    external_id = serializers.CharField(allow_blank=True, allow_null=True, required=False)


class ReviewIn(rest.ReasonIn):
    """A decision under a lease; ``reply`` goes with ``edit``, ``then`` with ``reject``."""

    lease = LeaseField()
    decision = serializers.ChoiceField(decisions.KINDS)
    reply = serializers.CharField(allow_blank=True, required=False, default="", trim_whitespace=False)
    category = serializers.ChoiceField(["", *Category.values], required=False, default="", allow_blank=True)
    then = serializers.ChoiceField(decisions.SEQUELS, required=False, default="new")


class ReassignIn(rest.ReasonIn):
    """Whose it is to be: the id of a person, or null for nobody."""

    assignee = serializers.IntegerField(allow_null=True)


class ArticleIn(rest.ReasonIn):
    """An article; a change names only what it changes."""

    title = serializers.CharField(allow_blank=True)
    body = serializers.CharField(allow_blank=True, trim_whitespace=False)
    category = serializers.CharField(help_text=", ".join(Category.values))
    questions = serializers.ListField(child=serializers.CharField(allow_blank=True), required=False)
    enabled = serializers.BooleanField(required=False)


class ArticleOut(rest.Serializer):
    """An article of the knowledge base."""

    id = serializers.IntegerField()
    title = serializers.CharField()
    body = serializers.CharField()
    category = serializers.ChoiceField(Category.choices)
    questions = serializers.ListField(child=serializers.CharField())
    enabled = serializers.BooleanField()
    version = serializers.IntegerField()
    updated_at = serializers.DateTimeField()
