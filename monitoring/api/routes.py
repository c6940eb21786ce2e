"""Routes and inhibitions over the API."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from monitoring.api.silences import MatcherShape
from monitoring.models import Inhibition, Route, Severity
from monitoring.notification import inhibitions, listing, matchers, routes
from monitoring.notification.listing import InhibitionList, RouteList
from orchestra.kernel import rest

LABELS = [(name, name) for name in matchers.LABELS]


class RouteOut(rest.Serializer):
    """A route, which takes the alerts that fit it. ``position`` says in which order routes are asked."""

    id = serializers.IntegerField(source="pk")
    name = serializers.CharField()
    position = serializers.IntegerField()
    words = serializers.SerializerMethodField(help_text="Which alerts it takes, in words.")
    severities = serializers.ListField(child=serializers.CharField())
    matchers = MatcherShape(many=True)
    channels = serializers.SerializerMethodField(help_text="The numbers of the channels that it tells.")
    group_by = serializers.ListField(child=serializers.CharField())
    wait_s = serializers.IntegerField()
    interval_s = serializers.IntegerField()
    repeat_s = serializers.IntegerField()
    quiet = serializers.DictField(child=serializers.JSONField())
    escalate_after_s = serializers.IntegerField()
    escalate_to = serializers.SerializerMethodField(help_text="Who is told as well when nobody acknowledges.")
    continues = serializers.BooleanField()
    enabled = serializers.BooleanField()

    def get_words(self, route: Route) -> str:
        return listing.route_words(route)

    def get_channels(self, route: Route) -> list[int]:
        return sorted(channel.pk for channel in route.channels.all())

    def get_escalate_to(self, route: Route) -> list[int]:
        return sorted(channel.pk for channel in route.escalate_to.all())


class RouteChange(rest.Serializer):
    """What can be changed of a route. Times are in seconds; ``quiet`` is ``{timezone, blocks, except}`` or empty."""

    name = serializers.CharField(max_length=100)
    severities = serializers.ListField(child=serializers.ChoiceField(Severity.choices), required=False)
    matchers = MatcherShape(many=True, required=False)
    channels = serializers.ListField(child=serializers.IntegerField(), required=False)
    group_by = serializers.ListField(child=serializers.ChoiceField(LABELS), required=False)
    wait_s = serializers.IntegerField(required=False)
    interval_s = serializers.IntegerField(required=False)
    repeat_s = serializers.IntegerField(required=False)
    quiet = serializers.DictField(child=serializers.JSONField(), required=False)
    escalate_after_s = serializers.IntegerField(required=False)
    escalate_to = serializers.ListField(child=serializers.IntegerField(), required=False)
    continues = serializers.BooleanField(required=False)
    enabled = serializers.BooleanField(required=False)
    reason = serializers.CharField(max_length=1000, allow_blank=True, required=False)


class RouteIn(RouteChange):
    """A new route; it is asked after all others until it is moved."""


class MoveIn(rest.Serializer):
    """Which way."""

    up = serializers.BooleanField(help_text="True: it is asked before the one above it; false: after the one below.")


class InhibitionOut(rest.Serializer):
    """An inhibition: while what fits ``source`` fires, nobody is told of what fits ``target``."""

    id = serializers.IntegerField(source="pk")
    name = serializers.CharField()
    words = serializers.SerializerMethodField(help_text="The rule as a sentence.")
    source = MatcherShape(many=True)  # type: ignore[assignment]  # DRF has a word of its own here
    target = MatcherShape(many=True)
    equal = serializers.ListField(child=serializers.CharField())
    enabled = serializers.BooleanField()

    def get_words(self, rule: Inhibition) -> str:
        return listing.inhibition_words(rule)


class InhibitionChange(rest.Serializer):
    """What can be changed of an inhibition. ``equal`` are the labels that both alerts must share."""

    name = serializers.CharField(max_length=100)
    source = MatcherShape(many=True)  # type: ignore[assignment]  # likewise
    target = MatcherShape(many=True)
    equal = serializers.ListField(child=serializers.ChoiceField(LABELS), required=False)
    enabled = serializers.BooleanField(required=False)
    reason = serializers.CharField(max_length=1000, allow_blank=True, required=False)


class InhibitionIn(InhibitionChange):
    """A new inhibition."""


class Routes(rest.View):
    permissions = {"POST": "routes.create"}

    @rest.describes_list(RouteList, RouteOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, RouteList, RouteOut)

    @rest.describes_creation(RouteIn, RouteOut)
    def post(self, request: rest.ApiRequest) -> Response:
        given = self.valid(RouteIn)
        by, reason = request.actor, given.pop("reason", "")
        return rest.create_once(request, lambda: _route(routes.create(given, by=by, reason=reason).pk))


class RoutePage(rest.View):
    permissions = {"PATCH": "routes.change", "DELETE": "routes.remove"}

    @extend_schema(responses=RouteOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(_route(pk))

    @extend_schema(request=RouteChange(partial=True), responses=RouteOut)
    def patch(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(RouteChange, partial=True)
        reason = given.pop("reason", "")
        routes.change(pk, given, by=request.actor, reason=reason)
        return Response(_route(pk))

    @extend_schema(request=rest.ReasonIn, responses={204: None})
    def delete(self, request: rest.ApiRequest, pk: int) -> Response:
        routes.remove(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(status=204)


class Move(rest.View):
    """Have a route asked earlier or later."""

    permissions = {"POST": "routes.change"}

    @extend_schema(request=MoveIn, responses=RouteOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        routes.move(pk, up=self.valid(MoveIn)["up"], by=request.actor)
        return Response(_route(pk))


class Inhibitions(rest.View):
    permissions = {"POST": "inhibitions.create"}

    @rest.describes_list(InhibitionList, InhibitionOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, InhibitionList, InhibitionOut)

    @rest.describes_creation(InhibitionIn, InhibitionOut)
    def post(self, request: rest.ApiRequest) -> Response:
        given = self.valid(InhibitionIn)
        by, reason = request.actor, given.pop("reason", "")
        return rest.create_once(request, lambda: _inhibition(inhibitions.create(given, by=by, reason=reason).pk))


class InhibitionPage(rest.View):
    permissions = {"PATCH": "inhibitions.change", "DELETE": "inhibitions.remove"}

    @extend_schema(responses=InhibitionOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(_inhibition(pk))

    @extend_schema(request=InhibitionChange(partial=True), responses=InhibitionOut)
    def patch(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(InhibitionChange, partial=True)
        reason = given.pop("reason", "")
        inhibitions.change(pk, given, by=request.actor, reason=reason)
        return Response(_inhibition(pk))

    @extend_schema(request=rest.ReasonIn, responses={204: None})
    def delete(self, request: rest.ApiRequest, pk: int) -> Response:
        inhibitions.remove(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(status=204)


def _route(pk: int) -> Any:
    return RouteOut(rest.found(RouteList({}).base(), pk=pk)).data


def _inhibition(pk: int) -> Any:
    return InhibitionOut(rest.found(Inhibition.objects.all(), pk=pk)).data
