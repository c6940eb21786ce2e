"""The form of a threshold: limits in the units that people type in. ``thresholds`` judges the values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django import forms

from monitoring.alerting import limit_words, limits, scopes, thresholds
from monitoring.metrics.catalogue import SCOPES, Metric
from monitoring.models import NoData, Operator, ScopeKind, Severity, Threshold
from orchestra.kernel.errors import Conflict, FieldError, Invalid

Result = TypeVar("Result")
TYPED: Mapping[str, tuple[str, float, str]] = {
    "seconds": ("seconds", 1, "0.1"),
    "share": ("%", 0.01, "1"),
    "percent": ("%", 1, "1"),
    "bytes": ("MB", 1e6, "1"),
    "count": ("", 1, "1"),
}
"""What people type limits in, by the metric's unit: its name, its size in that unit, the step of an arrow key."""
LIMITS = ("value", "recovery_value")


class Duration(forms.CharField):
    """A length of time as people write it: ``90s``, ``2m``, ``1 h 30 m``."""

    def to_python(self, value: Any) -> int | None:  # type: ignore[override]  # seconds are what it reads
        text = str(value or "").strip()
        if not text:
            return None
        try:
            seconds = limits.seconds(text)
        except ValueError as fault:
            raise forms.ValidationError(str(fault)) from None
        return round(seconds)

    def prepare_value(self, value: Any) -> Any:
        return limit_words.span(value) if isinstance(value, int) else value


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that belong together, under a heading; those that are seldom changed may be ``folded``."""

    title: str
    fields: Sequence[forms.BoundField]
    folded: bool = False

    @property
    def is_wrong(self) -> bool:
        return any(field.errors for field in self.fields)


class ThresholdForm(forms.Form):
    """A threshold on ``metric``, of a new one or of ``threshold``."""

    name = forms.CharField(max_length=limits.LONGEST_NAME, required=False, help_text="Left empty, it says its limit.")
    scope_kind = forms.ChoiceField(label="Looks at")
    scope = forms.CharField(label="Which one", max_length=limits.LONGEST_WORD, required=False)
    operator = forms.ChoiceField(label="Breaches when it is", choices=Operator.choices)
    value = forms.FloatField()
    recovery_value = forms.FloatField(required=False)
    for_s = Duration(label="Fires after", help_text="It must have breached for so long. 0: at once.")
    keep_firing_s = Duration(label="Resolves after", help_text="It must have recovered for so long. 0: at once.")
    severity = forms.ChoiceField(choices=Severity.choices)
    instruction = forms.CharField(
        required=False,
        max_length=limits.LONGEST_INSTRUCTION,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What to do when it fires; goes with each notification.",
    )
    no_data = forms.ChoiceField(label="Without data", choices=NoData.choices)
    no_data_after_s = Duration(label="Data are missing after", help_text="So long a value counts, from 30 s on.")
    flap_changes = forms.IntegerField(label="More changes than", help_text="Then it is flapping.")
    flap_window_s = Duration(label="Within", help_text="Its notifications come as a digest until it is calm.")
    reason = forms.CharField(max_length=1000, required=False, help_text="For the audit trail.")
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, metric: Metric, threshold: Threshold | None = None, **initial: Any) -> None:
        super().__init__(data)
        self.metric, self.threshold = metric, threshold
        self.typed_in, self.factor, step = TYPED[metric.unit]
        for name, label in zip(LIMITS, ("Limit", "Recovers at"), strict=True):
            self.fields[name].label = f"{label}, {self.typed_in}" if self.typed_in else label
            self.fields[name].widget.attrs |= {"step": step}
        self.fields["recovery_value"].help_text = "Between this and the limit nothing changes. Empty: at the limit."
        kinds = SCOPES[metric.kind]
        labels = {kind: scopes.in_words(metric.name, kind, "…") for kind in kinds} | {"all": f"all {metric.kind}s"}
        self.fields["scope_kind"].choices = [(kind, labels[kind]) for kind in kinds]  # type: ignore[attr-defined]
        self.fields["scope"].widget.attrs |= {"list": "scope-names", "autocomplete": "off"}
        if len(kinds) == 1:
            del self.fields["scope_kind"], self.fields["scope"]
        self.initial = self._initial(threshold, initial)

    @property
    def groups(self) -> list[Group]:
        shown = {
            "What": ["scope_kind", "scope"],
            "Limit": ["operator", *LIMITS],
            "Times": ["for_s", "keep_firing_s"],
            "When it fires": ["severity", "instruction"],
            "Missing data": ["no_data", "no_data_after_s"],
            "Flapping": ["flap_changes", "flap_window_s"],
            "": ["name", "reason"],
        }
        folded = {"Missing data", "Flapping"}
        named = {title: [self[name] for name in names if name in self.fields] for title, names in shown.items()}
        return [Group(title, fields, title in folded) for title, fields in named.items() if fields]

    def values(self) -> dict[str, Any]:
        """The fields as ``thresholds`` takes them; what is left empty has its default."""
        given = {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
        values = {name: given[name] for name in thresholds.FIELDS if name in given and name != "scope_kind"}
        values |= {name: self._in_unit(values[name]) for name in LIMITS if name in values}
        values.setdefault("recovery_value", values["value"])
        values["instruction"] = self.cleaned_data["instruction"]
        kind = given.get("scope_kind", ScopeKind.ALL)
        word = given.get("scope", "") if kind != ScopeKind.ALL else ""
        return {**values, "metric": self.metric.name, "scope_kind": kind, "scope_value": self._kept(kind, word)}

    def unjudged(self) -> dict[str, Any]:
        """What can be shown while something is wrong: the metric of what is stored, or of everything."""
        stored = thresholds.values_of(self.threshold) if self.threshold else {}
        return {**limits.completed({"metric": self.metric.name, "value": 0.0}), **stored}

    def carried_out(self, verb: Callable[[], Result]) -> Result | None:
        """What ``verb`` returns, or None after its faults were put beside the fields."""
        try:
            return verb()
        except thresholds.Overtaken:
            raise
        except (Invalid, Conflict) as error:
            for fault in error.errors:
                self.add_error(self._field_of(fault), fault["message"])
            if not error.errors:
                self.add_error(None, error.detail)
            return None

    def _field_of(self, fault: FieldError) -> str | None:
        name = fault["path"]
        if name in {"scope_value", "scope"}:
            return "scope" if "scope" in self.fields else None
        return name if name in self.fields else None

    def _in_unit(self, typed: float) -> float:
        """Without noise of the floating point: 7 % is 0.07."""
        return float(f"{typed * self.factor:.12g}")

    def _kept(self, kind: str, word: str) -> str:
        """What is shown as the scope's name stands for the number that is kept of it."""
        row = self.threshold
        if row is not None and row.scope_kind == kind and word == self.initial.get("scope"):
            return row.scope_value
        return word

    def _initial(self, threshold: Threshold | None, given: Mapping[str, Any]) -> dict[str, Any]:
        if threshold is None:
            return {**limits.DEFAULTS, **given}
        shown = thresholds.values_of(threshold)
        shown |= {name: _plain(shown[name] / self.factor) for name in LIMITS}
        name = scopes.name_of(threshold.scope_kind, threshold.scope_value)
        return {**shown, "scope": name, "version": threshold.version}


def _plain(value: float) -> float | int:
    """A whole number without a point, and no noise of the floating point."""
    rounded = float(f"{value:.12g}")
    return int(rounded) if rounded.is_integer() else rounded
