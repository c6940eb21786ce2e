"""Forms of the agents' pages. ``fleet`` judges the values; its faults are put beside the fields they belong to."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django import forms

from agents.kinds.python import FUNCTIONS
from agents.models import Agent, AgentKind
from orchestra.kernel import secrets
from orchestra.kernel.errors import Conflict, Invalid

Result = TypeVar("Result")


class Words(forms.CharField):
    """Names apart by spaces, commas or lines."""

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]  # a list is what it reads
        return str(value or "").replace(",", " ").split()

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value


class JSONTable(forms.CharField):
    """A JSON object; an empty field is an empty one."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> Any:
        try:
            table = json.loads(value or "{}")
        except ValueError as error:
            raise forms.ValidationError(f"This is not JSON: {error}.") from None
        if not isinstance(table, dict):
            raise forms.ValidationError('Give a table, for example {"name": "value"}.')
        return table

    def prepare_value(self, value: Any) -> Any:
        return json.dumps(value, indent=2, ensure_ascii=False) if isinstance(value, Mapping) else value


class AgentForm(forms.Form):
    """What every kind of agent has."""

    name = forms.CharField(max_length=100)
    version = forms.CharField(max_length=50, required=False)
    description = forms.CharField(max_length=300, required=False)
    capabilities = Words(
        required=False, help_text="What it can do, as steps ask for it: names apart by spaces or commas."
    )
    max_concurrency = forms.IntegerField(label="Slots", initial=4, help_text="Calls at a time, over all executors.")
    failure_threshold = forms.IntegerField(
        label="Failures until its breaker opens", initial=5, help_text="In a row, and by its own fault."
    )
    recovery_s = forms.IntegerField(
        label="Seconds until a probe", initial=60, help_text="How long an open breaker rests before one call may try."
    )
    reason = forms.CharField(max_length=1000, required=False, help_text="For the audit trail.")

    paths: Mapping[str, str] = {}
    """Field names by the paths of faults, where they differ."""

    def values(self) -> dict[str, Any]:
        """The fields as ``fleet`` takes them."""
        apart = {"capabilities", "reason"}
        return {name: value for name, value in self.cleaned_data.items() if name not in apart} | {"config": {}}

    def spoken(self, verb: Callable[[], Result]) -> Result:
        """What ``verb`` returns; the paths of its faults become the names of our fields."""
        try:
            return verb()
        except (Invalid, Conflict) as error:
            if not error.errors:
                raise
            faults = [{**fault, "path": self._field_of(fault["path"])} for fault in error.errors]
            raise Invalid(error.detail, errors=faults) from None  # type: ignore[arg-type]

    def _field_of(self, path: str) -> str:
        found = next((field for prefix, field in self.paths.items() if path.startswith(prefix)), path)
        return found.split("[")[0]

    @classmethod
    def filled(cls, agent: Agent) -> dict[str, Any]:
        """The initial values that show ``agent``."""
        values = {name: getattr(agent, name) for name in cls.base_fields if hasattr(agent, name)}
        return values | {"capabilities": sorted(capability.name for capability in agent.capabilities.all())}


class PythonAgentForm(AgentForm):
    """An agent that is a registered function."""

    function = forms.ChoiceField(choices=lambda: [(name, _named(name)) for name in sorted(FUNCTIONS)])
    options = JSONTable(
        required=False,
        initial="{}",
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
        help_text="As the function declares them, in JSON. A masked value stays as it is.",
    )

    field_order = ("name", "version", "description", "function", "options", "capabilities")
    paths = {"config.function": "function", "config": "options"}

    def values(self) -> dict[str, Any]:
        values = super().values()
        return values | {"config": {"function": values.pop("function"), **values.pop("options")}}

    @classmethod
    def filled(cls, agent: Agent) -> dict[str, Any]:
        options = {name: value for name, value in secrets.mask(agent.config).items() if name != "function"}
        return super().filled(agent) | {"function": agent.config.get("function", ""), "options": options}


FORMS: dict[str, type[AgentForm]] = {AgentKind.PYTHON: PythonAgentForm, AgentKind.HUMAN: AgentForm}


class TrialForm(forms.Form):
    """The input of a test."""

    input = JSONTable(
        required=False,
        widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "false"}),
        initial="{}",
        help_text="What a step would give it, as a JSON table.",
    )


def _named(function: str) -> str:
    summary = FUNCTIONS[function].summary
    return f"{function}: {summary}" if summary else function
