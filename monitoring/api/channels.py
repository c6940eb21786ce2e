"""Channels over the API: administrators add, change and test them; secrets go in, never out."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from monitoring.models import Channel, ChannelKind
from monitoring.notification import channels, listing
from monitoring.notification.listing import ChannelList, ChannelRow
from orchestra.kernel import rest


class RouteRef(rest.Serializer):
    """A route by number and name."""

    id = serializers.IntegerField(source="pk")
    name = serializers.CharField()


class ChannelOut(rest.Serializer):
    """A channel, how its last test ended, and what it sent last."""

    id = serializers.IntegerField(source="channel.pk")
    name = serializers.CharField(source="channel.name")
    kind = serializers.ChoiceField(ChannelKind.choices, source="channel.kind")
    config = serializers.DictField(child=serializers.JSONField(allow_null=True), source="channel.config")
    secret_names = serializers.SerializerMethodField(help_text="Which secrets are stored; they are never shown.")
    goes_to = serializers.CharField(help_text="Where it leads, in words.")
    enabled = serializers.BooleanField(source="channel.enabled")
    tested_at = serializers.DateTimeField(source="channel.tested_at", allow_null=True)
    tested_by = serializers.CharField(source="channel.tested_by")
    test_passed = serializers.BooleanField(source="channel.test_passed", allow_null=True)
    test_said = serializers.CharField(source="channel.test_said")
    last_notification = serializers.IntegerField(source="last.pk", allow_null=True, default=None)
    last_status = serializers.CharField(source="last.status", allow_null=True, default=None)
    failed = serializers.IntegerField(help_text="Notifications that failed for good within a day.")
    routes = RouteRef(many=True)
    created_at = serializers.DateTimeField(source="channel.created_at")

    def get_secret_names(self, row: ChannelRow) -> list[str]:
        return sorted(row.channel.secrets or {})


class ChannelChange(rest.Serializer):
    """What can be changed of a channel. Of ``secrets`` those that are named change; an empty one is removed."""

    name = serializers.CharField(max_length=100)
    config = serializers.DictField(child=serializers.JSONField(allow_null=True), required=False)
    secrets = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    enabled = serializers.BooleanField(required=False)
    reason = serializers.CharField(max_length=1000, allow_blank=True, required=False)


class ChannelIn(ChannelChange):
    """A new channel."""

    kind = serializers.ChoiceField(ChannelKind.choices)


class TestOut(rest.Serializer):
    """How a test ended."""

    passed = serializers.BooleanField(source="test_passed")
    said = serializers.CharField(source="test_said")
    tested_at = serializers.DateTimeField()
    tested_by = serializers.CharField()


class Channels(rest.View):
    permissions = {"POST": "channels.create"}

    @rest.describes_list(ChannelList, ChannelOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, ChannelList, ChannelOut)

    @rest.describes_creation(ChannelIn, ChannelOut)
    def post(self, request: rest.ApiRequest) -> Response:
        given = self.valid(ChannelIn)
        kind, reason = given.pop("kind"), given.pop("reason", "")
        by = request.actor
        return rest.create_once(request, lambda: _shown(channels.create(kind, given, by=by, reason=reason).pk))


class ChannelPage(rest.View):
    permissions = {"PATCH": "channels.change", "DELETE": "channels.remove"}

    @extend_schema(responses=ChannelOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(_shown(pk))

    @extend_schema(request=ChannelChange(partial=True), responses=ChannelOut)
    def patch(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(ChannelChange, partial=True)
        reason = given.pop("reason", "")
        channels.change(pk, given, by=request.actor, reason=reason)
        return Response(_shown(pk))

    @extend_schema(request=rest.ReasonIn, responses={204: None})
    def delete(self, request: rest.ApiRequest, pk: int) -> Response:
        """Removes a channel that no route uses; one that a route uses stays (409)."""
        channels.remove(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(status=204)


class Test(rest.View):
    """Send a message that says that it is a test, at once; the answer says how that ended."""

    permissions = {"POST": "channels.test"}

    @extend_schema(request=None, responses=TestOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(TestOut(channels.test(pk, by=request.actor)).data)


def _shown(pk: int) -> Any:
    return ChannelOut(listing.channel_rows([rest.found(Channel.objects.all(), pk=pk)])[0]).data
