"""Tasks over the API: single pieces of work, and the answers of those who work on steps elsewhere."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from agents.outcomes import Fault
from orchestra.kernel import rest, secrets
from orchestra.kernel.gate.parsing import CleaningJSONParser
from orchestra.kernel.lists import Choice, Exact, ListFilter
from workflows import tasks
from workflows.models import Step, StepStatus

STATUSES = (StepStatus.READY, StepStatus.RUNNING, StepStatus.WAITING, StepStatus.DEAD)
"""What may be asked for: those that few tasks are in at a time, each read from an index of its own."""

MOST_ERROR = 64 * 1024


class TaskList(ListFilter[Step]):
    """Tasks, the newest first: the steps of all runs."""

    filters = {
        "status": Choice([(str(status), str(status)) for status in STATUSES], "status"),
        "queue": Exact("queue"),
        "run": Exact("run_id", whole=True),
    }

    def base(self) -> QuerySet[Step]:
        return Step.objects.select_related("agent").defer("choice", "history")


class TaskOut(rest.Serializer):
    """A task: what is asked, of whom, and what it came to."""

    id = serializers.IntegerField()
    run = serializers.IntegerField(source="run_id")
    name = serializers.CharField()
    status = serializers.CharField()
    queue = serializers.CharField()
    capabilities = serializers.ListField(source="needs", child=serializers.CharField())
    agent = serializers.CharField(source="agent.name", default=None, allow_null=True)
    attempt = serializers.IntegerField()
    timeout = serializers.FloatField(source="timeout_s")
    error = serializers.CharField()
    input = serializers.SerializerMethodField()
    output = serializers.SerializerMethodField()
    available_at = serializers.DateTimeField()
    lease_expires_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)

    def get_input(self, step: Step) -> Any:
        return secrets.mask(step.input)

    def get_output(self, step: Step) -> Any:
        return secrets.mask(step.output)


class TaskIn(rest.Serializer):
    """What is to be done, and what the agent must be able to do for it."""

    capabilities = serializers.ListField(child=serializers.CharField(max_length=100), max_length=20)
    input = serializers.JSONField(required=False, default=None, allow_null=True)
    queue = serializers.CharField(max_length=50, allow_blank=True, required=False, default="")
    priority = serializers.IntegerField(required=False, default=0)
    timeout = serializers.FloatField(required=False, help_text="Seconds for one try.")
    deadline = serializers.DateTimeField(required=False)
    reason = serializers.CharField(max_length=1000, allow_blank=True, required=False, default="")


class LeaseIn(rest.ReasonIn):
    """The lease that the task was claimed with; a remote worker may name its registration (``holder``) as well."""

    lease = serializers.IntegerField(min_value=0)
    holder = serializers.CharField(max_length=100, allow_blank=True, required=False, default="")


class CompleteIn(LeaseIn):
    """What the task came to."""

    output = serializers.JSONField(required=False, default=None, allow_null=True)


class FailIn(LeaseIn):
    """Why it failed, and whether another try may help. ``fault``: the agent's own, or the caller's."""

    error = serializers.CharField(
        max_length=MOST_ERROR,
        allow_blank=True,
        help_text="Of a long one the beginning is kept, of odd characters a mark.",
    )
    retryable = serializers.BooleanField(required=False, default=True)
    fault = serializers.ChoiceField([Fault.AGENT.value, Fault.CALLER.value], required=False, default=Fault.AGENT.value)
    retry_after_s = serializers.FloatField(
        min_value=0, max_value=86_400, required=False, allow_null=True, default=None, help_text="Not sooner than this."
    )


class Tasks(rest.View):
    permissions = {"POST": "tasks.create"}

    @rest.describes_list(TaskList, TaskOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, TaskList, TaskOut)

    @rest.describes_creation(TaskIn, TaskOut)
    def post(self, request: rest.ApiRequest) -> Response:
        given = self.valid(TaskIn)
        given["timeout_s"] = given.pop("timeout", None)
        return rest.create_once(request, lambda: TaskOut(tasks.create(**given, by=request.actor)).data)


class TaskPage(rest.View):
    @extend_schema(responses=TaskOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(TaskOut(rest.found(Step.objects.select_related("agent"), pk=pk)).data)


class Complete(rest.View):
    permissions = {"POST": "tasks.answer"}

    @extend_schema(request=CompleteIn, responses=TaskOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(TaskOut(tasks.complete(pk, **self.valid(CompleteIn), by=request.actor)).data)


class Fail(rest.View):
    """Takes whatever a program said when it failed: to refuse that would have the task done again for nothing."""

    permissions = {"POST": "tasks.answer"}
    parser_classes = [CleaningJSONParser]

    @extend_schema(request=FailIn, responses=TaskOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(FailIn)
        given["fault"] = Fault(given["fault"])
        return Response(TaskOut(tasks.fail(pk, **given, by=request.actor)).data)


class Extend(rest.View):
    permissions = {"POST": "tasks.answer"}

    @extend_schema(request=LeaseIn, responses=TaskOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(TaskOut(tasks.extend(pk, **self.valid(LeaseIn), by=request.actor)).data)
