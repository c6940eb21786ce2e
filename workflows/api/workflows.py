"""Workflows over the API: versions, what differs between two, the form of definitions, and whether one is valid."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from orchestra.kernel import rest
from orchestra.kernel.errors import Invalid, field_error
from workflows import definitions
from workflows.definition import Definition
from workflows.definition_schema import SCHEMA
from workflows.workflow_list import VersionList, WorkflowList

SCHEMA_KEPT_S = 3600


@extend_schema_field({"oneOf": [{"type": "object", "additionalProperties": {}}, {"type": "string"}]})
class DefinitionField(serializers.JSONField):
    """A definition as an object, or as YAML or JSON text."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping | str):
            raise serializers.ValidationError("Give an object, or YAML or JSON as text.")
        return data


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
    definition = DefinitionField()
    reason = serializers.CharField(max_length=1000, allow_blank=True, required=False, default="")


class ValidateIn(rest.Serializer):
    """A definition to read: an object, or YAML or JSON text, one of them."""

    definition = serializers.DictField(child=serializers.JSONField(allow_null=True), required=False)
    text = serializers.CharField(allow_blank=True, trim_whitespace=False, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise field_error("definition", "Give either definition or text.")
        return attrs


class FaultOut(rest.Serializer):
    """A fault and where it lies."""

    path = serializers.CharField(help_text="For example `steps[2].needs`, or `line 3, column 5` of a text.")
    message = serializers.CharField()


class PlannedStepOut(rest.Serializer):
    """A step, in an order in which each stands after what it needs."""

    name = serializers.CharField()
    title = serializers.CharField()
    kind = serializers.CharField(help_text="agent, human, wait, signal, workflow, first_of or end.")
    needs = serializers.ListField(child=serializers.CharField())


class ValidityOut(rest.Serializer):
    """Whether the definition could be published; if not, every fault, and if so, its steps."""

    valid = serializers.BooleanField()
    errors = FaultOut(many=True)  # type: ignore[assignment]  # the contract's word
    steps = PlannedStepOut(many=True, required=False)


class ChangeOut(rest.Serializer):
    """A field or a whole step that differs."""

    path = serializers.CharField(help_text="With steps by their names: `steps.payment.timeout`.")
    kind = serializers.ChoiceField(choices=["added", "removed", "changed"])
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class ComparisonOut(rest.Serializer):
    """What version ``to`` says differently than version ``from``."""

    name = serializers.CharField()
    to = serializers.IntegerField()
    changes = ChangeOut(many=True)

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "from": serializers.IntegerField()}  # no name for a Python attribute


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


class Comparison(rest.View):
    @extend_schema(
        responses=ComparisonOut,
        parameters=[
            OpenApiParameter("from", int, description="A version; the one before `to` if not given."),
            OpenApiParameter("to", int, description="A version; the newest if not given."),
        ],
    )
    def get(self, request: rest.ApiRequest, name: str) -> Response:
        after = definitions.newest(name, _number(request, "to"))
        before = definitions.newest(name, _number(request, "from") or max(after.number - 1, 1))
        changes = definitions.compare(before, after)
        compared = {"name": name, "from": before.number, "to": after.number, "changes": changes}
        return Response(ComparisonOut(compared).data)


class DefinitionSchema(rest.View):
    """The JSON Schema of definitions, draft 2020-12."""

    @extend_schema(responses={200: {"type": "object", "additionalProperties": {}}})
    def get(self, request: rest.ApiRequest) -> Response:
        return Response(SCHEMA, headers={"Cache-Control": f"private, max-age={SCHEMA_KEPT_S}"})


class Validation(rest.View):
    permissions = {"POST": "workflows.view"}

    @extend_schema(request=ValidateIn, responses={200: ValidityOut})
    def post(self, request: rest.ApiRequest) -> Response:
        """Whether a definition could be published, which it is not."""
        (source,) = self.valid(ValidateIn).values()
        try:
            definition = definitions.check(source)
        except Invalid as error:
            return Response(ValidityOut({"valid": False, "errors": error.errors}).data)
        return Response(ValidityOut({"valid": True, "errors": [], "steps": _steps(definition)}).data)


def _steps(definition: Definition) -> list[dict[str, Any]]:
    return [
        {"name": step.name, "title": step.title, "kind": step.kind, "needs": step.needs} for step in definition.steps
    ]


def _number(request: rest.ApiRequest, name: str) -> int | None:
    """A version's number in the query, if it is there."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or not 0 < int(text[:10]) < 2**31 or len(text) > 10:
        raise field_error(name, "Give the number of a version.")
    return int(text)
