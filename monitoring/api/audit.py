"""The audit trail over the API: its list, its verification, its export."""

from datetime import UTC, datetime
from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring.audit import seal, sentences
from monitoring.audit.entries import contents, detail_of
from monitoring.audit.export import FORMS, Export
from monitoring.audit.trail import AuditList
from orchestra.kernel import rest
from orchestra.kernel.errors import Invalid, field_error
from orchestra.kernel.models import Event

FILTERS = [
    OpenApiParameter("actor", description="person, agent or system; kind:id; or the name of one."),
    OpenApiParameter("action", description="An action, or several separated by commas."),
    OpenApiParameter("target", description="A kind of object, or kind:id for one object and what belongs to it."),
    OpenApiParameter("outcome", description="succeeded, failed, denied or timed_out; several separated by commas."),
    OpenApiParameter("correlation", description="All events of one story."),
    OpenApiParameter("since", description="An instant, or how long ago: 30m, 24h, 7d."),
    OpenApiParameter("until", description="An instant, or how long ago."),
    OpenApiParameter("search", description="Words in the names of actor, target and parent, among the last events."),
]


class ActorOut(rest.Serializer):
    kind = serializers.CharField(source="actor_kind")
    id = serializers.CharField(source="actor_id")
    label = serializers.CharField(source="actor_label")  # type: ignore[assignment]
    on_behalf_of = serializers.CharField()
    model = serializers.CharField(source="actor_model")
    version = serializers.CharField(source="actor_version")


class TargetOut(rest.Serializer):
    kind = serializers.CharField(source="target_kind")
    id = serializers.CharField(source="target_id")
    label = serializers.CharField(source="target_label")  # type: ignore[assignment]


class ParentOut(rest.Serializer):
    kind = serializers.CharField(source="parent_kind")
    id = serializers.CharField(source="parent_id")
    label = serializers.CharField(source="parent_label")  # type: ignore[assignment]


class EventOut(rest.Serializer):
    """An event, as a sentence and in its parts; secrets are masked."""

    number = serializers.IntegerField()
    happened = serializers.DateTimeField()
    recorded = serializers.DateTimeField()
    sentence = serializers.SerializerMethodField()
    actor = ActorOut(source="*")
    action = serializers.CharField()
    target = TargetOut(source="*")
    parent = ParentOut(source="*")
    outcome = serializers.CharField()
    reason = serializers.SerializerMethodField()
    before = serializers.SerializerMethodField()
    after = serializers.SerializerMethodField()
    permission = serializers.CharField()
    correlation = serializers.CharField()
    request = serializers.CharField()
    address = serializers.CharField()
    erased_by = serializers.SerializerMethodField()
    hash = serializers.CharField()

    def get_sentence(self, event: Event) -> str:
        return sentences.sentence(event)

    def get_reason(self, event: Event) -> str:
        detail = detail_of(event)
        return detail.reason if detail else ""

    @extend_schema_field(OpenApiTypes.ANY)
    def get_before(self, event: Event) -> Any:
        return contents(detail_of(event))[0]

    @extend_schema_field(OpenApiTypes.ANY)
    def get_after(self, event: Event) -> Any:
        return contents(detail_of(event))[1]

    def get_erased_by(self, event: Event) -> int | None:
        detail = detail_of(event)
        return detail.erased_by if detail else None


class VerdictOut(rest.Serializer):
    valid = serializers.BooleanField(allow_null=True, help_text="null: never verified yet.")
    events = serializers.IntegerField(help_text="Number of the last event that was found right.")
    head = serializers.IntegerField(help_text="Number of the last event there is; those after `events` are unverified.")
    erased = serializers.IntegerField()
    anchored_to = serializers.IntegerField(allow_null=True)
    first_bad = serializers.IntegerField(allow_null=True)
    problem = serializers.CharField()
    verified_at = serializers.DateTimeField(allow_null=True)
    running = serializers.BooleanField()


class AuditEvents(rest.View):
    """Every event, the newest first."""

    @rest.describes_list(AuditList, EventOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, AuditList, EventOut)


class AuditVerification(rest.View):
    """Whether the chain is whole. A short one is verified at once; of a long one, this is the last verdict."""

    permissions = {"POST": "audit.verify"}

    @extend_schema(responses=VerdictOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return Response(VerdictOut(seal.answer()).data)

    @extend_schema(request=None, responses={202: VerdictOut})
    def post(self, request: rest.ApiRequest) -> Response:
        """Have all of it verified by the workers."""
        seal.begin(request.actor)
        return Response(VerdictOut(seal.answer()).data, status=202)


class AuditExport(rest.View):
    """The events that match, oldest first, as a file of any length."""

    http_method_names = ["get", "options"]

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        return JSONRenderer(), JSONRenderer.media_type  # of errors: ``format`` is that of the file

    @extend_schema(
        parameters=[*FILTERS, OpenApiParameter("format", enum=list(FORMS), default="csv")],
        responses={(200, form.media_type.split(";")[0]): OpenApiTypes.STR for form in FORMS.values()},
    )
    def get(self, request: rest.ApiRequest) -> StreamingHttpResponse:
        params = request.query_params.dict()
        form = params.pop("format", "csv")
        if form not in FORMS:
            raise field_error("format", f"Choose one of {', '.join(FORMS)}.")
        unknown = params.keys() - AuditList.filters.keys()
        if unknown:
            raise Invalid(
                errors=[{"path": name, "message": "The export has no such filter."} for name in sorted(unknown)]
            )
        export = Export(request.actor, params, form)
        name = f"audit-{datetime.now(UTC):%Y-%m-%d}.{form}"
        return StreamingHttpResponse(
            export.stream(),
            content_type=export.form.media_type,
            headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
        )
