"""Forms about runs: a new one, one that repeats another, a signal, a priority, a person's answer."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django import forms

from orchestra.kernel import schema_forms, secrets
from orchestra.kernel.errors import Invalid
from orchestra.kernel.fields import MomentField
from orchestra.kernel.schema_forms import AnyJSON
from workflows.definition import Definition, StepSpec
from workflows.models import Run

Result = TypeVar("Result")


class SchemaForm(forms.Form):
    """A form with the fields of a JSON Schema after its own; ``at`` is the path of their value."""

    at = "input"

    def __init__(self, data: Any = None, *, schema: Mapping[str, Any] | None, label: str, value: Any = None) -> None:
        super().__init__(data)
        self.of_schema = schema_forms.fields_of(schema, self.at, whole_label=label)
        own = dict(self.fields)
        self.fields.clear()
        self.fields.update({**self.of_schema, **own})
        if isinstance(value, Mapping):
            self.initial.update(schema_forms.initial_of(value, self.at, self.of_schema))

    def value(self) -> dict[str, Any]:
        """The value that the schema describes, as it was given."""
        return schema_forms.value_of(self.cleaned_data, self.at, self.of_schema)

    def carried_out(self, verb: Callable[[], Result]) -> Result | None:
        """What ``verb`` returns, or None after its faults were put beside the fields."""
        try:
            return verb()
        except Invalid as error:
            schema_forms.place_faults(self, error.errors)
            if not error.errors:
                self.add_error(None, error.detail)
            return None


class RunForm(SchemaForm):
    """A new run of a workflow: its input, and on which terms it begins."""

    priority = forms.IntegerField(initial=0, required=False, help_text="Higher goes first, from -100 to 100.")
    queue = forms.CharField(max_length=50, required=False, help_text="Empty: by the routing rules and the workflow.")
    tier = forms.CharField(max_length=20, required=False, help_text="The customer's, which counts for its place.")
    start_at = MomentField(label="Not before", help_text="Empty: at once.")
    deadline = MomentField(help_text="It fails if it has not ended by then.")
    reason = forms.CharField(max_length=1000, required=False, help_text="For the audit trail.")

    def terms(self) -> dict[str, Any]:
        """The terms as ``engine.start`` takes them."""
        names = ("priority", "queue", "tier", "start_at", "deadline", "reason")
        return {name: self.cleaned_data[name] for name in names} | {"priority": self.cleaned_data["priority"] or 0}


class ReplayForm(SchemaForm):
    """A run again with another input. What the keys call secret is shown hidden, and stays as it is."""

    version = forms.TypedChoiceField(coerce=int, choices=[])
    reason = forms.CharField(max_length=1000, required=False, help_text="For the audit trail.")

    def __init__(self, data: Any = None, *, run: Run, newest: int) -> None:
        super().__init__(data, schema=None, label="Input", value=secrets.mask(run.input))
        self.run = run
        field = self.fields["version"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(newest, f"{newest}, the newest")]
        if run.version.number != newest:
            field.choices.append((run.version.number, f"{run.version.number}, as that run"))

    def value(self) -> dict[str, Any]:
        return dict(secrets.restore(super().value(), self.run.input))


class SignalForm(forms.Form):
    """A signal to a run."""

    name = forms.CharField(max_length=100, widget=forms.TextInput(attrs={"list": "signals", "autocomplete": "off"}))
    payload = AnyJSON(required=False, help_text="What it carries, in JSON. Empty: nothing.")
    reason = forms.CharField(max_length=1000, required=False, help_text="For the audit trail.")


class PriorityForm(forms.Form):
    """Another priority for a run."""

    priority = forms.IntegerField(help_text="Higher goes first, from -100 to 100.")
    reason = forms.CharField(max_length=1000, required=False, help_text="For the audit trail.")


class AnswerForm(SchemaForm):
    """What a person answers to a step: the fields of the step's form, or any table of JSON."""

    at = "output"
    reason = forms.CharField(max_length=1000, required=False, help_text="For the audit trail.")

    @classmethod
    def of_step(cls, spec: StepSpec, data: Any = None) -> "AnswerForm":
        return cls(data, schema=spec.human.form if spec.human else None, label="Answer")


def new_run(definition: Definition, data: Any = None) -> RunForm:
    """The form for a run of ``definition``."""
    return RunForm(data, schema=definition.input_schema, label="Input")
