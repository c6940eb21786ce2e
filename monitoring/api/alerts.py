"""Alerts over the API."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from monitoring.alerting import alert_rows, alerts
from monitoring.alerting.alert_rows import AlertRow, Alerts
from monitoring.api.notifications import NotificationOut
from monitoring.models import Alert, AlertStatus, Severity
from monitoring.notification import told
from orchestra.kernel import rest
from orchestra.kernel.errors import field_error
from orchestra.kernel.models import User

FLAGS = ("acknowledged", "silenced", "flapping")


class SubjectOut(rest.Serializer):
    """What an alert is about; ``id`` is the number of an agent or pool, the name of a queue or workflow."""

    kind = serializers.CharField(source="subject_kind")
    id = serializers.CharField(source="subject_id")
    label = serializers.CharField(source="subject_label")  # type: ignore[assignment]  # the word of the contract


class OwnerOut(rest.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField(source="label")


class AlertOut(rest.Serializer):
    """An alert: its status with the flags beside it, value and limit, who looks after it, who was told last."""

    id = serializers.IntegerField(source="alert.pk")
    name = serializers.CharField(source="alert.name")
    metric = serializers.CharField(source="alert.metric")
    severity = serializers.ChoiceField(Severity.choices, source="alert.severity")
    status = serializers.ChoiceField(AlertStatus.choices, source="alert.status")
    acknowledged = serializers.BooleanField(source="is_acknowledged")
    silenced = serializers.SerializerMethodField()
    flapping = serializers.BooleanField(source="alert.flapping")
    flags = serializers.ListField(child=serializers.ChoiceField([(flag, flag) for flag in FLAGS]))
    subject = SubjectOut(source="alert")
    labels = serializers.DictField(child=serializers.CharField(), source="alert.labels")
    value = serializers.FloatField(source="alert.value", allow_null=True)
    value_at = serializers.DateTimeField(source="alert.value_at", allow_null=True)
    limit = serializers.FloatField(source="alert.limit")
    worst = serializers.FloatField(source="alert.worst", allow_null=True)
    threshold = serializers.IntegerField(source="alert.threshold_id", allow_null=True)
    threshold_version = serializers.IntegerField(source="alert.threshold_version")
    owner = OwnerOut(source="alert.owner", allow_null=True)
    note = serializers.CharField(source="alert.note")
    acknowledged_by = serializers.CharField(source="alert.acknowledged_by")
    acknowledged_at = serializers.DateTimeField(source="alert.acknowledged_at", allow_null=True)
    acknowledged_until = serializers.DateTimeField(source="alert.acknowledged_until", allow_null=True)
    silence = serializers.IntegerField(source="silence.pk", allow_null=True, default=None)
    since = serializers.DateTimeField(source="alert.since")
    began_at = serializers.DateTimeField(source="alert.began_at")
    fired_at = serializers.DateTimeField(source="alert.fired_at", allow_null=True)
    resolved_at = serializers.DateTimeField(source="alert.resolved_at", allow_null=True)
    resolved_by = serializers.CharField(source="alert.resolved_by")
    resolve_reason = serializers.CharField(source="alert.resolve_reason")
    notified = serializers.CharField(source="said", help_text="What became of the last notifications, in words.")
    notified_at = serializers.DateTimeField(source="said_at", allow_null=True)

    def get_silenced(self, row: AlertRow) -> bool:
        return row.silence is not None


class AlertDetail(AlertOut):
    """The same with its last notifications."""

    notifications = serializers.SerializerMethodField()

    @extend_schema_field(NotificationOut(many=True))
    def get_notifications(self, row: AlertRow) -> list[dict[str, Any]]:
        return list(NotificationOut(told.of(row.alert.pk), many=True).data)


class AcknowledgeIn(rest.Serializer):
    """Until when, four hours from now if not given, 30 days at most; a note takes the place of the one before."""

    until = serializers.DateTimeField(required=False, allow_null=True)
    note = serializers.CharField(max_length=alerts.LONGEST_NOTE, allow_blank=True, required=False, default="")


class ExtendIn(rest.ReasonIn):
    until = serializers.DateTimeField()


class ResolveIn(rest.Serializer):
    """Why it is resolved by hand."""

    reason = serializers.CharField(max_length=1000)


class NoteIn(rest.Serializer):
    """The note that takes the place of the one before."""

    note = serializers.CharField(max_length=alerts.LONGEST_NOTE, allow_blank=True)


class AssignIn(rest.ReasonIn):
    """Who looks after it: the name they sign in with, or null for nobody."""

    owner = serializers.CharField(max_length=150, allow_null=True)


class AllAlerts(rest.View):
    @rest.describes_list(Alerts, AlertOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, Alerts, AlertOut)


class AlertPage(rest.View):
    @extend_schema(responses=AlertDetail)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(_shown(pk))


class Acknowledge(rest.View):
    """Say that one looks after it; nobody is reminded of it until then. 409 says whose it is already."""

    permissions = {"POST": "alerts.acknowledge"}

    @extend_schema(request=AcknowledgeIn, responses=AlertDetail)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(AcknowledgeIn)
        alerts.acknowledge(pk, by=request.actor, until=given.get("until"), note=given["note"])
        return Response(_shown(pk))


class Extend(rest.View):
    """Let an acknowledgement last longer."""

    permissions = {"POST": "alerts.acknowledge"}

    @extend_schema(request=ExtendIn, responses=AlertDetail)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(ExtendIn)
        alerts.extend(pk, given["until"], by=request.actor, reason=given["reason"])
        return Response(_shown(pk))


class Unacknowledge(rest.View):
    """Take an acknowledgement back; owner and note stay."""

    permissions = {"POST": "alerts.acknowledge"}

    @extend_schema(request=rest.ReasonIn, responses=AlertDetail)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        alerts.unacknowledge(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(_shown(pk))


class Resolve(rest.View):
    """End it by hand; if its threshold is still breached, it fires again after its time."""

    permissions = {"POST": "alerts.resolve"}

    @extend_schema(request=ResolveIn, responses=AlertDetail)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        alerts.resolve(pk, by=request.actor, reason=self.valid(ResolveIn)["reason"])
        return Response(_shown(pk))


class Note(rest.View):
    """Keep a note with it."""

    permissions = {"POST": "alerts.note"}

    @extend_schema(request=NoteIn, responses=AlertDetail)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        alerts.note(pk, self.valid(NoteIn)["note"], by=request.actor)
        return Response(_shown(pk))


class Assign(rest.View):
    """Hand it over; the acknowledgement stays."""

    permissions = {"POST": "alerts.assign"}

    @extend_schema(request=AssignIn, responses=AlertDetail)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(AssignIn)
        alerts.assign(pk, _person(given["owner"]), by=request.actor, reason=given["reason"])
        return Response(_shown(pk))


def _person(name: str | None) -> User | None:
    if name is None:
        return None
    person = User.objects.filter(username=name, is_active=True).first()
    if person is None:
        raise field_error("owner", "Nobody signs in with this name; give another, or null for nobody.")
    return person


def _shown(pk: int) -> Any:
    alert = rest.found(Alert.objects.select_related("threshold", "owner"), pk=pk)
    return AlertDetail(alert_rows.read([alert], timezone.now())[0]).data
