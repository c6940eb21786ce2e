"""Queues and their dead letters over the API."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from orchestra.kernel import events, rest
from orchestra.kernel.lists import Page, Selection
from workflows import dead, queue_rows, queues
from workflows.dead import DeadList
from workflows.models import Step, TaskQueue
from workflows.models.queues import MAX_WEIGHT
from workflows.queue_rows import QueueList


class QueueOut(rest.Serializer):
    """A queue, what is set for it, and how it stands. ``ready`` and ``dead`` are counted up to 1,001."""

    name = serializers.CharField(source="queue.name")
    weight = serializers.IntegerField(source="queue.weight")
    max_concurrency = serializers.IntegerField(source="queue.max_concurrency", allow_null=True)
    rate_per_s = serializers.FloatField(source="queue.rate_per_s", allow_null=True)
    burst = serializers.IntegerField(source="queue.burst", allow_null=True)
    key_limit = serializers.IntegerField(source="queue.key_limit", allow_null=True)
    paused = serializers.BooleanField(source="queue.paused")
    paused_reason = serializers.CharField(source="queue.paused_reason")
    in_use = serializers.IntegerField()
    ready = serializers.IntegerField()
    dead = serializers.IntegerField()
    waits_since = serializers.DateTimeField(allow_null=True, help_text="When the first in line became due.")


class QueueChange(rest.Serializer):
    """What can be set; null takes a limit away. Pausing needs a reason."""

    weight = serializers.IntegerField(min_value=1, max_value=MAX_WEIGHT, required=False)
    max_concurrency = serializers.IntegerField(allow_null=True, required=False)
    rate_per_s = serializers.FloatField(allow_null=True, required=False)
    burst = serializers.IntegerField(allow_null=True, required=False)
    key_limit = serializers.IntegerField(allow_null=True, required=False)
    paused = serializers.BooleanField(required=False)
    reason = serializers.CharField(max_length=1000, allow_blank=True, required=False)


class DeadOut(rest.Serializer):
    """A step that is not tried again, with the cause."""

    id = serializers.IntegerField()
    run = serializers.IntegerField(source="run_id")
    name = serializers.CharField()
    queue = serializers.CharField()
    workflow = serializers.CharField(source="run.version.workflow.name")
    capabilities = serializers.ListField(source="needs", child=serializers.CharField())
    error = serializers.CharField()
    attempt = serializers.IntegerField()
    agent = serializers.CharField(source="agent.name", default=None, allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class RequeueIn(rest.Serializer):
    """Which dead letters: those of ``filter`` (the parameters of the list; empty: all of the queue), or of ``ids``."""

    filter = serializers.DictField(child=serializers.CharField(), required=False)
    ids = serializers.ListField(child=serializers.IntegerField(min_value=1), required=False, max_length=1000)
    reason = serializers.CharField(max_length=1000)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if ("filter" in given) == ("ids" in given):
            raise serializers.ValidationError({"filter": "Give either a filter, which may be empty, or ids."})
        unknown = given.get("filter", {}).keys() - (DeadList.filters.keys() - {"queue"})
        if unknown:  # a filter that is misspelt must never mean all of them
            raise serializers.ValidationError({"filter": dict.fromkeys(sorted(unknown), "There is no such filter.")})
        return given


class LetterRefusedOut(rest.Serializer):
    """A step to which nothing was done, and why."""

    label = serializers.CharField()  # type: ignore[assignment]  # the tally's word
    url = serializers.CharField()
    reason = serializers.CharField()


class TallyOut(rest.Serializer):
    """What became of them. What there was no time for counts as skipped: ask again."""

    done = serializers.IntegerField()
    skipped = serializers.IntegerField()
    refused = serializers.IntegerField()
    reasons = LetterRefusedOut(source="told", many=True)


class DeadOfQueue(DeadList):
    """The dead letters of one queue."""

    filters = {name: each for name, each in DeadList.filters.items() if name != "queue"}

    def __init__(self, params: Mapping[str, str], *, queue: str = "") -> None:
        self.queue = queue
        super().__init__(params)

    def base(self) -> QuerySet[Step]:
        return super().base().filter(queue=self.queue)


class QueueStandings(QueueList):
    """Queues by name, with their figures."""

    def page(self) -> Page[Any]:
        page = super().page()
        return replace(page, rows=_rows(page.rows))


class Queues(rest.View):
    @rest.describes_list(QueueStandings, QueueOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, QueueStandings, QueueOut)


class QueuePage(rest.View):
    permissions = {"PATCH": "queues.operate"}

    @extend_schema(responses=QueueOut)
    def get(self, request: rest.ApiRequest, name: str) -> Response:
        return Response(QueueOut(_rows([queues.found(name)])[0]).data)

    @extend_schema(request=QueueChange(partial=True), responses=QueueOut)
    def patch(self, request: rest.ApiRequest, name: str) -> Response:
        given = self.valid(QueueChange, partial=True)
        reason, paused = given.pop("reason", ""), given.pop("paused", None)
        with events.recording(request.actor):
            if given or paused is None:
                queues.change(name, given, by=request.actor, reason=reason)
            if paused is True:
                queues.pause(name, by=request.actor, reason=reason)
            elif paused is False:
                queues.resume(name, by=request.actor, reason=reason)
        return Response(QueueOut(_rows([queues.found(name)])[0]).data)


class Dead(rest.View):
    @rest.describes_list(DeadOfQueue, DeadOut)
    def get(self, request: rest.ApiRequest, name: str) -> Response:
        return rest.page_of(request, DeadOfQueue, DeadOut, queue=name)


class Requeue(rest.View):
    permissions = {"POST": "queues.requeue"}

    @extend_schema(request=RequeueIn, responses=TallyOut)
    def post(self, request: rest.ApiRequest, name: str) -> Response:
        given = self.valid(RequeueIn)
        listing = DeadOfQueue(given.get("filter", {}), queue=name)
        ids = tuple(given["ids"]) if "ids" in given else None
        return Response(TallyOut(dead.requeue(Selection(listing, ids), by=request.actor, reason=given["reason"])).data)


def _rows(found: list[TaskQueue]) -> Any:
    return queue_rows.rows_of(found, timezone.now())
