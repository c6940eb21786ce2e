"""Schedules over the API. Values under a secret's name are masked in every answer."""

from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from orchestra.kernel import rest, secrets
from orchestra.kernel.errors import Invalid
from workflows import cron, schedules
from workflows.models import LastOutcome, Missed, Overlap, Schedule
from workflows.schedule_list import ScheduleList, whole

SHOWN_TIMES = 5


class LastRunOut(rest.Serializer):
    """The last run that it started."""

    id = serializers.IntegerField()
    status = serializers.CharField()


class ScheduleOut(rest.Serializer):
    """A schedule, as lists show it. ``description`` is its expression in words."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    workflow = serializers.CharField(source="workflow.name")
    cron = serializers.CharField()
    description = serializers.CharField(source="words")
    timezone = serializers.CharField()
    enabled = serializers.BooleanField()
    missed = serializers.ChoiceField(Missed.choices)
    overlap = serializers.ChoiceField(Overlap.choices)
    priority = serializers.IntegerField()
    queue = serializers.CharField()
    next_at = serializers.DateTimeField(allow_null=True)
    last_at = serializers.DateTimeField(allow_null=True)
    last_outcome = serializers.ChoiceField(LastOutcome.choices, allow_blank=True)
    last_run = LastRunOut(allow_null=True)
    note = serializers.CharField(help_text="What is worth knowing of the last time.")
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    links = serializers.SerializerMethodField()

    @extend_schema_field(serializers.DictField(child=serializers.CharField()))
    def get_links(self, schedule: Schedule) -> dict[str, str]:
        """The addresses of its page, and of its last run's."""
        pages = {"schedule": reverse("schedule", args=[schedule.pk])}
        return pages | ({"run": reverse("run", args=[schedule.last_run_id])} if schedule.last_run_id else {})


class WholeScheduleOut(ScheduleOut):
    """A schedule with its input, and its next five times while it is enabled."""

    input = serializers.SerializerMethodField()
    next_times = serializers.SerializerMethodField()

    @extend_schema_field(serializers.DictField())
    def get_input(self, schedule: Schedule) -> dict[str, Any]:
        return secrets.mask(schedule.input)

    @extend_schema_field(serializers.ListField(child=serializers.DateTimeField()))
    def get_next_times(self, schedule: Schedule) -> list[datetime]:
        return schedule.upcoming(timezone.now(), SHOWN_TIMES) if schedule.enabled else []


class ScheduleIn(rest.Serializer):
    """What runs when. Without a time zone it is UTC's; the newest version of the workflow runs."""

    name = serializers.CharField(max_length=100)
    workflow = serializers.CharField(max_length=100)
    cron = serializers.CharField(max_length=cron.MAX_LENGTH)
    timezone = serializers.CharField(max_length=64, required=False)
    input = serializers.DictField(child=serializers.JSONField(allow_null=True), required=False)
    enabled = serializers.BooleanField(required=False)
    missed = serializers.ChoiceField(Missed.choices, required=False)
    overlap = serializers.ChoiceField(Overlap.choices, required=False)
    priority = serializers.IntegerField(required=False)
    queue = serializers.CharField(max_length=50, allow_blank=True, required=False)
    reason = serializers.CharField(max_length=1000, allow_blank=True, required=False)


class NewScheduleIn(ScheduleIn):
    """Likewise; without a name it is called after workflow and expression."""

    name = serializers.CharField(max_length=100, required=False)


class ExpressionIn(rest.Serializer):
    """A cron expression to try."""

    cron = serializers.CharField(max_length=cron.MAX_LENGTH)
    timezone = serializers.CharField(max_length=64, required=False, default="UTC")


class ExpressionOut(rest.Serializer):
    """It in words, and its next five times."""

    description = serializers.CharField()
    next_times = serializers.ListField(child=serializers.DateTimeField())


class Schedules(rest.View):
    permissions = {"POST": "schedules.change"}

    @rest.describes_list(ScheduleList, ScheduleOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, ScheduleList, ScheduleOut)

    @rest.describes_creation(NewScheduleIn, WholeScheduleOut)
    def post(self, request: rest.ApiRequest) -> Response:
        given = self.valid(NewScheduleIn)
        given.setdefault("name", f"{given['workflow']} {given['cron']}"[:100])
        reason = given.pop("reason", "")
        return rest.create_once(request, lambda: _shown(schedules.create(given, by=request.actor, reason=reason).pk))


class SchedulePage(rest.View):
    permissions = {"PATCH": "schedules.change", "DELETE": "schedules.change"}

    @extend_schema(responses=WholeScheduleOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(_shown(pk))

    @extend_schema(request=ScheduleIn(partial=True), responses=WholeScheduleOut)
    def patch(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(ScheduleIn, partial=True)
        reason = given.pop("reason", "")
        schedules.change(pk, given, by=request.actor, reason=reason)
        return Response(_shown(pk))

    @extend_schema(request=rest.ReasonIn, responses={204: None})
    def delete(self, request: rest.ApiRequest, pk: int) -> Response:
        schedules.remove(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(status=204)


class Switch(rest.View):
    """Enable or disable it."""

    permissions = {"POST": "schedules.operate"}
    enabled = True

    @extend_schema(request=rest.ReasonIn, responses=WholeScheduleOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        verb = schedules.enable if self.enabled else schedules.disable
        verb(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(_shown(pk))


class Fire(rest.View):
    """Start a run of it now, beside its times."""

    permissions = {"POST": "schedules.operate"}

    @rest.describes_creation(rest.ReasonIn, WholeScheduleOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        reason = self.valid(rest.ReasonIn)["reason"]

        def fire() -> Any:
            schedules.fire_now(pk, by=request.actor, reason=reason)
            return _shown(pk)

        return rest.create_once(request, fire)


class Preview(rest.View):
    """What an expression means, and when it comes next."""

    permissions = {"POST": "schedules.view"}

    @extend_schema(request=ExpressionIn, responses=ExpressionOut)
    def post(self, request: rest.ApiRequest) -> Response:
        given = self.valid(ExpressionIn)
        when, zone = given["cron"], given["timezone"]
        faults = [("cron", cron.fault(when)), ("timezone", cron.fault_of_zone(zone))]
        if any(message for _, message in faults):
            raise Invalid(errors=[{"path": path, "message": message} for path, message in faults if message])
        times = cron.upcoming(when, zone, timezone.now(), SHOWN_TIMES)
        return Response(ExpressionOut({"description": cron.describe(when), "next_times": times}).data)


def _shown(pk: int) -> Any:
    return WholeScheduleOut(rest.found(whole(), pk=pk)).data
