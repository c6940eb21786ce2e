"""Recommendations over the API."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from monitoring.advice import actions, recommendations
from monitoring.advice.families import RULES
from monitoring.advice.listing import RecommendationList
from monitoring.models import AdviceStatus, Recommendation
from orchestra.kernel import rest


class EvidenceOut(rest.Serializer):
    """A figure that speaks for it; ``value`` may be a text, whose ``unit`` is empty."""

    label = serializers.CharField()  # type: ignore[assignment]
    value = serializers.SerializerMethodField()
    unit = serializers.CharField(help_text="count, seconds, share, percent or bytes.")
    url = serializers.CharField()

    @extend_schema_field(OpenApiTypes.ANY)
    def get_value(self, evidence: Mapping[str, Any]) -> Any:
        return evidence["value"]


class ActionOut(rest.Serializer):
    """What applying it does; ``open`` only leads somewhere. ``before`` and ``after`` are among the arguments."""

    verb = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    arguments = serializers.DictField(child=serializers.JSONField(allow_null=True))


class RecommendationOut(rest.Serializer):
    """What a rule advises, the figures that speak for it, and what became of it."""

    id = serializers.IntegerField()
    rule = serializers.CharField(help_text=f"One of {', '.join(RULES)}.")
    subject = serializers.SerializerMethodField(help_text="kind:id")
    subject_label = serializers.CharField()
    sentence = serializers.CharField()
    evidence = EvidenceOut(many=True)
    weight = serializers.FloatField(help_text="How strong the evidence is, on the rule's own scale.")
    action = ActionOut()
    can_be_applied = serializers.SerializerMethodField()
    status = serializers.ChoiceField(AdviceStatus.choices)
    created_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField(help_text="When it was last found so.")
    decided_at = serializers.DateTimeField(allow_null=True)
    decided_by = serializers.CharField()
    reason = serializers.CharField()

    def get_subject(self, row: Recommendation) -> str:
        return f"{row.subject_kind}:{row.subject_id}"

    def get_can_be_applied(self, row: Recommendation) -> bool:
        return row.status == AdviceStatus.OPEN and actions.can_be_applied(row.action)


class Recommendations(rest.View):
    """What the rules advise, the newest first; ``status=open`` are those to decide on."""

    @rest.describes_list(RecommendationList, RecommendationOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, RecommendationList, RecommendationOut)


class RecommendationPage(rest.View):
    @extend_schema(responses=RecommendationOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(_shown(pk))


class Apply(rest.View):
    """Does what it advises, through the verb of its subject, which asks for its own role as well."""

    permissions = {"POST": "recommendations.apply"}

    @extend_schema(request=rest.ReasonIn, responses=RecommendationOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        recommendations.apply(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(_shown(pk))


class Dismiss(rest.View):
    """It is not made again unless its evidence grows by half; needs a reason."""

    permissions = {"POST": "recommendations.dismiss"}

    @extend_schema(request=rest.ReasonIn, responses=RecommendationOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        recommendations.dismiss(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(_shown(pk))


class Undo(rest.View):
    """Takes back what applying it did, while nothing else has changed it; needs a reason."""

    permissions = {"POST": "recommendations.apply"}

    @extend_schema(request=rest.ReasonIn, responses=RecommendationOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        recommendations.undo(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(_shown(pk))


def _shown(pk: int) -> Any:
    return RecommendationOut(rest.found(Recommendation.objects.all(), pk=pk)).data
