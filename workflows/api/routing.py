"""Routing rules over the API."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from orchestra.kernel import rest
from orchestra.kernel.lists import Exact, ListFilter
from workflows import routing
from workflows.models import RoutingRule


class RuleList(ListFilter[RoutingRule]):
    """Rules in the order in which they are asked."""

    filters = {"queue": Exact("queue"), "workflow": Exact("workflow"), "tier": Exact("tier")}
    order = ("position", "id")

    def base(self) -> QuerySet[RoutingRule]:
        return RoutingRule.objects.all()


class RuleOut(rest.Serializer):
    """A rule; an empty condition matches any run. ``position`` 1 is asked first, and the first that matches decides."""

    id = serializers.IntegerField()
    position = serializers.IntegerField()
    enabled = serializers.BooleanField()
    workflow = serializers.CharField()
    capability = serializers.CharField()
    tier = serializers.CharField()
    queue = serializers.CharField()


class RuleChange(rest.Serializer):
    """What can be changed of a rule."""

    position = serializers.IntegerField(min_value=1, required=False)
    enabled = serializers.BooleanField(required=False)
    workflow = serializers.CharField(max_length=100, allow_blank=True, required=False)
    capability = serializers.CharField(max_length=100, allow_blank=True, required=False)
    tier = serializers.CharField(max_length=20, allow_blank=True, required=False)
    queue = serializers.CharField(max_length=50)
    reason = serializers.CharField(max_length=1000, allow_blank=True, required=False)


class RuleIn(RuleChange):
    """A new rule; it comes last."""

    position = None  # type: ignore[assignment]  # the last


class Rules(rest.View):
    permissions = {"POST": "routing.change"}

    @rest.describes_list(RuleList, RuleOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, RuleList, RuleOut)

    @rest.describes_creation(RuleIn, RuleOut)
    def post(self, request: rest.ApiRequest) -> Response:
        given = self.valid(RuleIn)
        reason = given.pop("reason", "")

        def create() -> Any:
            return RuleOut(routing.create(given, by=request.actor, reason=reason)).data

        return rest.create_once(request, create)


class RulePage(rest.View):
    permissions = {"PATCH": "routing.change", "DELETE": "routing.change"}

    @extend_schema(responses=RuleOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(RuleOut(rest.found(RoutingRule.objects.all(), pk=pk)).data)

    @extend_schema(request=RuleChange(partial=True), responses=RuleOut)
    def patch(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(RuleChange, partial=True)
        reason = given.pop("reason", "")
        return Response(RuleOut(routing.change(pk, given, by=request.actor, reason=reason)).data)

    @extend_schema(request=rest.ReasonIn, responses={204: None})
    def delete(self, request: rest.ApiRequest, pk: int) -> Response:
        routing.remove(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(status=204)
