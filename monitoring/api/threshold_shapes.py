"""Thresholds as the API reads and shows them."""

from typing import Any

from django.forms import model_to_dict
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from monitoring.alerting.limits import CHOICES, OPERATORS, SCOPE_KINDS, WITHOUT_DATA
from monitoring.alerting.scopes import NUMBERED
from monitoring.alerting.standings import Standing
from monitoring.models import ScopeKind, Severity, Threshold
from orchestra.kernel import rest

_TRUE = {"type": "boolean", "enum": [True]}
_NAME = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
SCOPE = {
    "description": 'What it looks at: {"all": true} or "all", or one agent, pool, capability, workflow or queue by its '
    "name; agents and pools by their number too.",
    "anyOf": [
        {"type": "string", "enum": ["all"]},
        {
            "type": "object",
            "properties": {"all": {"type": "boolean", "enum": [True]}},
            "required": ["all"],
            "additionalProperties": False,
        },
        *(
            {"type": "object", "properties": {kind: _NAME}, "required": [kind], "additionalProperties": False}
            for kind in SCOPE_KINDS[1:]
        ),
    ],
}
DURATION = {
    "description": "Seconds, or a text such as 30s, 2m or 1h 30m.",
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}],
}
OPERATOR = {
    "description": "As a sign or a word.",
    "type": "string",
    "enum": [*OPERATORS, *(word for words in OPERATORS.values() for word in words)],
}
NO_DATA = {
    "description": f"One of {', '.join(WITHOUT_DATA)}, or another word for it; capitals do not matter.",
    "type": "string",
    "enum": [*WITHOUT_DATA, *(word for words in WITHOUT_DATA.values() for word in words)],
}


@extend_schema_field(SCOPE)
class ScopeField(serializers.JSONField):
    """Read by ``limits``."""


@extend_schema_field(DURATION)
class DurationField(serializers.JSONField):
    """Likewise."""


@extend_schema_field(OPERATOR)
class OperatorField(serializers.CharField):
    """Likewise."""


@extend_schema_field(NO_DATA)
class NoDataField(serializers.CharField):
    """Likewise."""


class RuleIn(rest.Serializer):
    """A threshold as it is given, all but its name. What is left out has its default, or stays as it is."""

    metric = serializers.CharField(max_length=50, help_text="One of docs/metrics.md.")
    scope = ScopeField(required=False, help_text="Left out: all.")
    operator = OperatorField(required=False, max_length=20, help_text="Left out: above.")
    value = serializers.FloatField(help_text="In the metric's unit: seconds, a share from 0 to 1, bytes.")
    recovery_value = serializers.FloatField(
        required=False,
        allow_null=True,
        help_text="It has recovered where this is not breached; left out: value.",
    )
    for_s = DurationField(required=False, help_text="It fires when it has breached for so long.")
    keep_firing_s = DurationField(required=False, help_text="It resolves when it has recovered for so long.")
    no_data = NoDataField(required=False, max_length=20, help_text="What to do without data; left out: keep.")
    no_data_after_s = DurationField(required=False)
    flap_changes = serializers.IntegerField(required=False)
    flap_window_s = DurationField(required=False)
    severity = serializers.ChoiceField(Severity.choices, required=False)
    enabled = serializers.BooleanField(required=False)


class ThresholdIn(RuleIn):
    """A new threshold; without a name it is named after its limit."""

    name = serializers.CharField(max_length=100, required=False)
    instruction = serializers.CharField(max_length=5000, allow_blank=True, required=False)
    reason = serializers.CharField(max_length=1000, allow_blank=True, required=False)


class ThresholdChange(ThresholdIn):
    """What can be changed of a threshold. ``version`` is the one that was edited: refused if there is a newer one."""

    version = serializers.IntegerField(required=False, min_value=1)


class RestoreIn(rest.ReasonIn):
    """Which version to bring back."""

    version = serializers.IntegerField(min_value=1)


class ThresholdRuleOut(rest.Serializer):
    """All that a person can set of a threshold."""

    name = serializers.CharField()
    metric = serializers.CharField()
    scope = serializers.SerializerMethodField()
    operator = serializers.ChoiceField(list(OPERATORS))
    value = serializers.FloatField()
    recovery_value = serializers.FloatField()
    for_s = serializers.IntegerField()
    keep_firing_s = serializers.IntegerField()
    no_data = serializers.ChoiceField(CHOICES["no_data"])
    no_data_after_s = serializers.IntegerField()
    flap_changes = serializers.IntegerField()
    flap_window_s = serializers.IntegerField()
    severity = serializers.ChoiceField(Severity.choices)
    instruction = serializers.CharField()
    enabled = serializers.BooleanField()

    @extend_schema_field(SCOPE)
    def get_scope(self, row: dict[str, Any]) -> dict[str, Any]:
        kind, value = row["scope_kind"], row["scope_value"]
        if kind == ScopeKind.ALL:
            return {"all": True}
        return {kind: int(value) if kind in NUMBERED else value}


class CurrentOut(rest.Serializer):
    """The worst present value in the scope; ``share`` is how much of the way to the limit it has gone."""

    subject = serializers.CharField(source="subject_id", help_text="A number, a name; of the system empty.")
    subject_label = serializers.CharField(source="subject")
    value = serializers.FloatField()
    share = serializers.FloatField()
    breaches = serializers.BooleanField()


class ThresholdOut(ThresholdRuleOut):
    """A threshold and how it stands."""

    id = serializers.IntegerField()
    version = serializers.IntegerField()
    unit = serializers.CharField()
    limit = serializers.CharField(help_text="In words.")
    scope_label = serializers.CharField()
    current = CurrentOut(allow_null=True, help_text="Null while nothing in its scope has a value.")
    firing = serializers.IntegerField(help_text="How many of its alerts fire.")
    open_alerts = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def to_representation(self, standing: Standing) -> Any:
        threshold: Threshold = standing.threshold
        shown: dict[str, Any] = model_to_dict(threshold) | {"created_at": threshold.created_at}
        shown |= {
            "updated_at": threshold.updated_at,
            "unit": standing.metric.unit,
            "limit": standing.limit,
            "scope_label": standing.scope,
            "current": None if standing.value is None else standing,
            "firing": standing.firing,
            "open_alerts": standing.open,
        }
        return super().to_representation(shown)


class ThresholdVersionOut(rest.Serializer):
    """What a threshold was from ``made_at`` until its next version, and what that changed."""

    number = serializers.IntegerField()
    values = ThresholdRuleOut()
    made_by = serializers.CharField()
    made_at = serializers.DateTimeField()
    reason = serializers.CharField()
    restores = serializers.IntegerField(allow_null=True)
