"""Resources and reservations over the API."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from agents import reservations, resource_rows, resources
from agents.models import Reservation, ReservationStatus, Resource
from agents.resource_listing import ReservationStandings, ResourceStandings, with_ahead
from agents.resources import MAX_CAPACITY
from orchestra.kernel import rest


class ResourceOut(rest.Serializer):
    """A resource with what is in use of it. ``waiting`` counts who waits for its type."""

    id = serializers.IntegerField(source="resource.pk")
    name = serializers.CharField(source="resource.name")
    type = serializers.CharField(source="resource.type")
    capacity = serializers.IntegerField(source="resource.capacity")
    specs = serializers.DictField(source="resource.specs", child=serializers.JSONField())
    enabled = serializers.BooleanField(source="resource.enabled")
    description = serializers.CharField(source="resource.description")
    in_use = serializers.IntegerField(source="used", help_text="Units, by unexpired leases.")
    waiting = serializers.IntegerField()
    created_at = serializers.DateTimeField(source="resource.created_at")
    updated_at = serializers.DateTimeField(source="resource.updated_at")


class ResourceChange(rest.Serializer):
    """What can be changed of a resource; ``specs`` are replaced as a whole."""

    name = serializers.CharField(max_length=100)
    type = serializers.CharField(max_length=100, help_text="Lower-case letters, digits and underscores.")
    capacity = serializers.IntegerField(min_value=1, max_value=MAX_CAPACITY, required=False)
    specs = serializers.DictField(child=serializers.JSONField(), required=False)
    enabled = serializers.BooleanField(required=False)
    description = serializers.CharField(max_length=300, allow_blank=True, required=False)
    reason = serializers.CharField(max_length=1000, allow_blank=True, required=False)


class LineOut(rest.Serializer):
    """One of the things that a reservation is over. ``resource`` is null until it is granted, and if that is gone."""

    name = serializers.CharField()
    type = serializers.CharField()
    units = serializers.IntegerField()
    specs = serializers.DictField(source="wants", child=serializers.JSONField(), help_text="What was asked for.")
    resource = serializers.IntegerField(source="resource_id", allow_null=True)
    resource_name = serializers.CharField()


class ReservationOut(rest.Serializer):
    """What a run, or a step of it, asks for or holds: all of it or nothing."""

    id = serializers.IntegerField()
    kind = serializers.CharField()
    run = serializers.IntegerField()
    step = serializers.CharField(source="task", help_text="Empty for the whole run.")
    label = serializers.CharField()  # type: ignore[assignment]  # the word of reservations
    status = serializers.ChoiceField(ReservationStatus.choices)
    ahead = serializers.IntegerField(
        default=None, allow_null=True, help_text="While it waits: how many stand before it."
    )
    created_at = serializers.DateTimeField()
    granted_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(help_text="Renewed while its holder lives.")
    ended_at = serializers.DateTimeField(allow_null=True)
    why = serializers.CharField(help_text="Why it ended.")
    lines = LineOut(many=True)


class NeededReasonIn(rest.Serializer):
    """Why it is done."""

    reason = serializers.CharField(max_length=1000)


class Resources(rest.View):
    permissions = {"POST": "resources.create"}

    @rest.describes_list(ResourceStandings, ResourceOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, ResourceStandings, ResourceOut)

    @rest.describes_creation(ResourceChange, ResourceOut)
    def post(self, request: rest.ApiRequest) -> Response:
        given = self.valid(ResourceChange)
        reason = given.pop("reason", "")

        def create() -> Any:
            return _shown(resources.create(given, by=request.actor, reason=reason).pk)

        return rest.create_once(request, create)


class ResourcePage(rest.View):
    permissions = {"PATCH": "resources.change", "DELETE": "resources.remove"}

    @extend_schema(responses=ResourceOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(_shown(pk))

    @extend_schema(request=ResourceChange(partial=True), responses=ResourceOut)
    def patch(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(ResourceChange, partial=True)
        reason = given.pop("reason", "")
        resources.change(pk, given, by=request.actor, reason=reason)
        return Response(_shown(pk))

    @extend_schema(request=rest.ReasonIn, responses={204: None})
    def delete(self, request: rest.ApiRequest, pk: int) -> Response:
        resources.remove(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(status=204)


class Reservations(rest.View):
    @rest.describes_list(ReservationStandings, ReservationOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, ReservationStandings, ReservationOut)


class Release(rest.View):
    """Take back what is held."""

    permissions = {"POST": "resources.release"}

    @extend_schema(request=NeededReasonIn, responses=ReservationOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        reservations.release(pk, by=request.actor, reason=self.valid(NeededReasonIn)["reason"])
        row = rest.found(Reservation.objects.prefetch_related("lines"), pk=pk)
        return Response(ReservationOut(with_ahead([row])[0]).data)


def _shown(pk: int) -> Any:
    return ResourceOut(resource_rows.rows_of([rest.found(Resource.objects.all(), pk=pk)])[0]).data
