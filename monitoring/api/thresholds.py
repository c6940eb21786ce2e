"""Thresholds over the API."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from monitoring.alerting import standings, thresholds
from monitoring.alerting.listing import StandingList
from monitoring.alerting.versions import VersionList
from monitoring.api.threshold_shapes import RestoreIn, ThresholdChange, ThresholdIn, ThresholdOut, ThresholdVersionOut
from monitoring.models import Threshold
from orchestra.kernel import rest


class ThresholdStandings(StandingList):
    """Thresholds by name, each with the worst present value beside its limit."""


class VersionsOfThreshold(VersionList):
    """The versions of a threshold, the newest first."""


class Thresholds(rest.View):
    permissions = {"POST": "thresholds.create"}

    @rest.describes_list(ThresholdStandings, ThresholdOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, ThresholdStandings, ThresholdOut)

    @rest.describes_creation(ThresholdIn, ThresholdOut)
    def post(self, request: rest.ApiRequest) -> Response:
        given = self.valid(ThresholdIn)
        reason = given.pop("reason", "")
        return rest.create_once(request, lambda: _shown(thresholds.create(given, by=request.actor, reason=reason).pk))


class ThresholdPage(rest.View):
    permissions = {"PATCH": "thresholds.change", "DELETE": "thresholds.remove"}

    @extend_schema(responses=ThresholdOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(_shown(pk))

    @extend_schema(request=ThresholdChange(partial=True), responses=ThresholdOut)
    def patch(self, request: rest.ApiRequest, pk: int) -> Response:
        """Changes what is named; open alerts go on, and are looked at with the new limit from the next tick."""
        given = self.valid(ThresholdChange, partial=True)
        reason, seen = given.pop("reason", ""), given.pop("version", None)
        thresholds.change(pk, given, by=request.actor, reason=reason, seen=seen)
        return Response(_shown(pk))

    @extend_schema(request=rest.ReasonIn, responses={204: None})
    def delete(self, request: rest.ApiRequest, pk: int) -> Response:
        """Removes it; its open alerts end at the next tick."""
        thresholds.remove(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(status=204)


class Versions(rest.View):
    @rest.describes_list(VersionsOfThreshold, ThresholdVersionOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        rest.found(Threshold.objects.all(), pk=pk)
        return rest.page_of(request, VersionsOfThreshold, ThresholdVersionOut, threshold=pk)


class Restore(rest.View):
    """Make a threshold what it was in an earlier version, as a new version."""

    permissions = {"POST": "thresholds.change"}

    @extend_schema(request=RestoreIn, responses=ThresholdOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(RestoreIn)
        thresholds.restore(pk, given["version"], by=request.actor, reason=given["reason"])
        return Response(_shown(pk))


def _shown(pk: int) -> Any:
    threshold = rest.found(Threshold.objects.all(), pk=pk)
    return ThresholdOut(standings.read([threshold], timezone.now())[0]).data
