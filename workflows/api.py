"""Runs and workflows over the API. Values under a secret's name are masked in every answer."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from orchestra.kernel import registry, rest, secrets
from orchestra.kernel.lists import ListFilter, Search
from workflows import definitions, engine, progress
from workflows.models import Run, WorkflowVersion
from workflows.progress import RunProgress, StepProgress
from workflows.runs import RunList


class Masked(serializers.JSONField):
    """A JSON value in which secrets are hidden by the names of their keys."""

    def to_representation(self, value: Any) -> Any:
        return secrets.mask(value)


class CandidateOut(rest.Serializer):
    """An agent that could have done the step, with the weighted parts of its score."""

    agent = serializers.CharField()
    score = serializers.FloatField()
    parts = serializers.DictField(child=serializers.FloatField())


class WaitingOut(rest.Serializer):
    """Why it is not running: a code, a sentence, and the address of a page that shows what it waits for."""

    reason = serializers.CharField(source="code")
    detail = serializers.CharField()
    link = serializers.CharField()


class StepOut(rest.Serializer):
    """A step of a run; one that was not reached is ``pending``."""

    name = serializers.CharField()
    status = serializers.CharField()
    attempt = serializers.SerializerMethodField()
    agent = serializers.SerializerMethodField()
    candidates = serializers.SerializerMethodField()
    excluded = serializers.SerializerMethodField()
    waiting = WaitingOut(allow_null=True)
    started_at = serializers.DateTimeField(source="row.started_at", default=None, allow_null=True)
    finished_at = serializers.DateTimeField(source="row.finished_at", default=None, allow_null=True)
    input = Masked(source="row.input", default=None, allow_null=True)
    output = Masked(source="row.output", default=None, allow_null=True)
    error = serializers.CharField(source="row.error", default="")

    def get_attempt(self, step: StepProgress) -> int:
        return step.row.attempt if step.row else 0

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_agent(self, step: StepProgress) -> str | None:
        return step.agent or None

    @extend_schema_field(CandidateOut(many=True))
    def get_candidates(self, step: StepProgress) -> list[dict[str, Any]]:
        return step.choice.get("candidates", [])

    @extend_schema_field(serializers.DictField(child=serializers.IntegerField()))
    def get_excluded(self, step: StepProgress) -> dict[str, int]:
        return step.choice.get("excluded", {})


class RunOut(rest.Serializer):
    """A run, as lists show it."""

    id = serializers.IntegerField()
    status = serializers.CharField()
    workflow = serializers.CharField(source="version.workflow.name")
    version = serializers.IntegerField(source="version.number")
    queue = serializers.CharField()
    priority = serializers.IntegerField()
    error = serializers.CharField()
    correlation = serializers.CharField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    compensated = serializers.BooleanField()
    links = serializers.SerializerMethodField()

    @extend_schema_field(serializers.DictField(child=serializers.CharField()))
    def get_links(self, run: Run) -> dict[str, str]:
        """The addresses of its page, and of what it serves."""
        served = registry.link(run.serves_kind, run.serves_id)
        return {"run": reverse("run", args=[run.pk])} | ({run.serves_kind: served} if served else {})


class WholeRunOut(RunOut):
    """A run with everything about its steps. ``context`` is what expressions see beside the run's input."""

    input = Masked()
    output = Masked(allow_null=True)
    context = serializers.SerializerMethodField()  # type: ignore[assignment]  # the contract's word
    waiting = serializers.SerializerMethodField()
    steps = serializers.SerializerMethodField()

    @extend_schema_field(serializers.DictField())
    def get_context(self, run: Run) -> dict[str, Any]:
        reached = [(step.name, step.row) for step in self._progress.steps if step.row]
        return {"steps": {name: {"status": row.status, "output": secrets.mask(row.output)} for name, row in reached}}

    @extend_schema_field(WaitingOut(allow_null=True))
    def get_waiting(self, run: Run) -> Any:
        return WaitingOut(self._progress.waiting).data if self._progress.waiting else None

    @extend_schema_field(StepOut(many=True))
    def get_steps(self, run: Run) -> Any:
        return StepOut(self._progress.steps, many=True).data

    @property
    def _progress(self) -> RunProgress:
        return self._context["progress"]


class RunIn(rest.Serializer):
    """What is to run: the newest version, unless one is named."""

    workflow = serializers.CharField(max_length=100)
    version = serializers.IntegerField(min_value=1, required=False)
    input = serializers.DictField(child=serializers.JSONField(allow_null=True), required=False, default=dict)
    priority = serializers.IntegerField(required=False, default=0)
    queue = serializers.CharField(max_length=50, allow_blank=True, required=False)
    reason = serializers.CharField(max_length=1000, allow_blank=True, required=False)


class CancelIn(rest.Serializer):
    """Why."""

    reason = serializers.CharField(max_length=1000)


class VersionOut(rest.Serializer):
    """A version of a workflow."""

    name = serializers.CharField(source="workflow.name")
    version = serializers.IntegerField(source="number")
    digest = serializers.CharField(help_text="SHA-256 of the definition's canonical text.")
    created_at = serializers.DateTimeField()


class WholeVersionOut(VersionOut):
    """A version with its definition."""

    definition = serializers.DictField()


class WorkflowIn(rest.Serializer):
    """A definition to publish; the same one again makes no new version."""

    name = serializers.CharField(max_length=100)
    definition = serializers.DictField(child=serializers.JSONField(allow_null=True))
    reason = serializers.CharField(max_length=1000, allow_blank=True, required=False, default="")


class WorkflowList(ListFilter[WorkflowVersion]):
    """The newest version of every workflow, by name."""

    filters = {"search": Search(("workflow__name",))}
    order = ("workflow__name",)

    def base(self) -> QuerySet[WorkflowVersion]:
        later = WorkflowVersion.objects.filter(workflow=OuterRef("workflow"), number__gt=OuterRef("number"))
        return WorkflowVersion.objects.filter(~Exists(later)).select_related("workflow").defer("definition")


class VersionList(ListFilter[WorkflowVersion]):
    """All versions of one workflow, the newest first."""

    order = ("-number",)

    def __init__(self, params: Mapping[str, str], *, workflow: str = "") -> None:
        self.workflow = workflow
        super().__init__(params)

    def base(self) -> QuerySet[WorkflowVersion]:
        versions = WorkflowVersion.objects.select_related("workflow").defer("definition")
        return versions.filter(workflow__name=self.workflow)


class Runs(rest.View):
    permissions = {"POST": "runs.start"}

    @rest.describes_list(RunList, RunOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, RunList, RunOut)

    @rest.describes_creation(RunIn, RunOut)
    def post(self, request: rest.ApiRequest) -> Response:
        given = self.valid(RunIn)
        return rest.create_once(request, lambda: RunOut(engine.start(**given, by=request.actor)).data)


class RunPage(rest.View):
    @extend_schema(responses=WholeRunOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        run = rest.found(Run.objects.select_related("version__workflow").defer("version__definition"), pk=pk)
        return Response(WholeRunOut(run, context={"progress": progress.of_run(run)}).data)


class Cancel(rest.View):
    permissions = {"POST": "runs.cancel"}

    @extend_schema(request=CancelIn, responses=RunOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(RunOut(engine.cancel(pk, by=request.actor, reason=self.valid(CancelIn)["reason"])).data)


class Workflows(rest.View):
    permissions = {"POST": "workflows.publish"}

    @rest.describes_list(WorkflowList, VersionOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, WorkflowList, VersionOut)

    @rest.describes_creation(WorkflowIn, WholeVersionOut)
    def post(self, request: rest.ApiRequest) -> Response:
        given = self.valid(WorkflowIn)

        def publish() -> Any:
            version = definitions.publish(given["name"], given["definition"], by=request.actor, reason=given["reason"])
            return WholeVersionOut(version).data

        return rest.create_once(request, publish)


class WorkflowPage(rest.View):
    @extend_schema(responses=WholeVersionOut)
    def get(self, request: rest.ApiRequest, name: str) -> Response:
        return Response(WholeVersionOut(definitions.newest(name)).data)


class Versions(rest.View):
    @rest.describes_list(VersionList, VersionOut)
    def get(self, request: rest.ApiRequest, name: str) -> Response:
        return rest.page_of(request, VersionList, VersionOut, workflow=name)
