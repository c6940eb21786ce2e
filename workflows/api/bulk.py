"""Actions on many runs over the API: the filter is that of the list of runs."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from orchestra.kernel import rest
from orchestra.kernel.lists import Selection
from workflows import bulk
from workflows.models import BulkAction
from workflows.runs import RunList


class BulkIn(rest.Serializer):
    """What to do to which runs: those of ``filter`` (the parameters of the list), or those of ``ids``."""

    action = serializers.ChoiceField(choices=sorted(bulk.WORDS))
    filter = serializers.DictField(child=serializers.CharField(), required=False)
    ids = serializers.ListField(child=serializers.IntegerField(min_value=1), required=False, max_length=1000)
    reason = serializers.CharField(max_length=1000, allow_blank=True, required=False, default="")
    priority = serializers.IntegerField(required=False, min_value=-100, max_value=100)
    from_step = serializers.CharField(required=False, max_length=100)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if ("filter" in given) == ("ids" in given):
            raise serializers.ValidationError({"filter": "Give either a filter, which may be empty, or ids."})
        if (given["action"] == "prioritise") != ("priority" in given):
            raise serializers.ValidationError({"priority": "Give it with the action prioritise, and only there."})
        unknown = given.get("filter", {}).keys() - RunList.filters.keys()
        if unknown:  # a filter that is misspelt must never mean all runs
            message = f"There is no such filter; known are {', '.join(RunList.filters)}."
            raise serializers.ValidationError({"filter": dict.fromkeys(sorted(unknown), message)})
        return given


class RefusedOut(rest.Serializer):
    """A run to which nothing was done, and why."""

    label = serializers.CharField()  # type: ignore[assignment]  # the word of the answer
    url = serializers.CharField()
    reason = serializers.CharField()


class BulkOut(rest.Serializer):
    """How far it is: while ``finished_at`` is null, workers go on with it; ``runs/bulk/ID/`` tells the rest."""

    id = serializers.IntegerField()
    action = serializers.CharField()
    done = serializers.IntegerField()
    skipped = serializers.IntegerField()
    refused = serializers.IntegerField()
    reasons = RefusedOut(source="told", many=True)
    correlation = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class Bulk(rest.View):
    permissions = {"POST": "runs.view"}  # the verb checks what the action needs

    @extend_schema(request=BulkIn, responses=BulkOut)
    def post(self, request: rest.ApiRequest) -> Response:
        given = self.valid(BulkIn)
        listing = RunList(given.pop("filter", {}))
        selection = Selection(listing, tuple(given["ids"]) if given.get("ids") else None)
        given.pop("ids", None)

        def ask() -> Any:
            return BulkOut(bulk.ask(selection, given.pop("action"), by=request.actor, **given)).data

        known = rest.create_once(request, ask).data["id"]
        return Response(BulkOut(bulk.push(BulkAction.objects.get(pk=known))).data)


class BulkPage(rest.View):
    @extend_schema(responses=BulkOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(BulkOut(rest.found(BulkAction.objects.all(), pk=pk)).data)
