"""Notifications over the API: what was sent, what was not, and why."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from monitoring.models import Notification, NotificationKind, NotificationStatus
from monitoring.notification import delivery
from monitoring.notification.listing import NotificationList
from orchestra.kernel import rest

MOST_NAMED = 100


class NotificationOut(rest.Serializer):
    """One message through one channel, or why none was sent. ``key`` is the Idempotency-Key of all its attempts."""

    id = serializers.IntegerField(source="pk")
    kind = serializers.ChoiceField(NotificationKind.choices)
    status = serializers.ChoiceField(NotificationStatus.choices)
    channel = serializers.IntegerField(source="channel_id", allow_null=True)
    channel_name = serializers.CharField()
    route = serializers.IntegerField(source="route_id", allow_null=True)
    subject = serializers.CharField()
    why = serializers.ListField(child=serializers.CharField(), help_text="The path of rules, a sentence each.")
    attempts = serializers.IntegerField()
    tries = serializers.ListField(child=serializers.DictField(child=serializers.JSONField(allow_null=True)))
    error = serializers.CharField()
    key = serializers.UUIDField()
    due_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)


class WholeNotificationOut(NotificationOut):
    """With its text and the alerts that it is about."""

    body = serializers.CharField()
    alerts = serializers.SerializerMethodField(help_text=f"The numbers of the newest {MOST_NAMED} of them.")

    def get_alerts(self, row: Notification) -> list[int]:
        return list(row.alerts.order_by("-pk").values_list("pk", flat=True)[:MOST_NAMED])


class Notifications(rest.View):
    @rest.describes_list(NotificationList, NotificationOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, NotificationList, NotificationOut)


class NotificationPage(rest.View):
    @extend_schema(responses=WholeNotificationOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(_shown(pk))


class Retry(rest.View):
    """Have a notification that failed sent again."""

    permissions = {"POST": "notifications.retry"}

    @extend_schema(request=rest.ReasonIn, responses=WholeNotificationOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        delivery.retry(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(_shown(pk))


def _shown(pk: int) -> Any:
    return WholeNotificationOut(rest.found(Notification.objects.all(), pk=pk)).data
