"""Forms of the agents' pages. ``fleet`` judges the values; its faults are put beside the fields they belong to.

What a kind is configured by has a field for each property of the kind's schema, and a password field for each secret.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django import forms

from agents.kinds import KINDS
from agents.models import Agent
from orchestra.kernel import schema_forms, secrets
from orchestra.kernel.errors import Conflict, FieldError, Invalid
from orchestra.kernel.schema_forms import AnyJSON

Result = TypeVar("Result")
CONFIG, SECRETS = "config", "secrets"
REMOVE = ".remove"


class Words(forms.CharField):
    """Names apart by spaces, commas or lines."""

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]  # a list is what it reads
        return str(value or "").replace(",", " ").split()

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that belong together, under a heading."""

    title: str
    fields: Sequence[forms.BoundField]


class AgentForm(forms.Form):
    """An agent of one kind: what it is, how it is reached, what it can do, its limits."""

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

    def __init__(
        self, data: Any = None, *, kind: str, agent: Agent | None = None, stored: Mapping[str, Any] | None = None
    ) -> None:
        """``agent`` is what is edited; ``stored`` the secrets that there are, unless they are the agent's."""
        super().__init__(data)
        stored = stored or (agent.secrets or {} if agent else {})
        self.of_config = config_fields(KINDS[kind].schema)
        self.of_secrets = secret_fields(KINDS[kind].secrets, stored)
        self.fields.update({**self.of_config, **self.of_secrets})
        self.order_fields(field.name for group in self.groups for field in group.fields)
        if agent:
            self.initial.update(_initial_of(agent, self.of_config))

    @property
    def groups(self) -> list[Group]:
        """The fields as the page shows them."""
        shown = {
            "What it is": ["name", "version", "description"],
            "How it works": [*self.of_config, *self.of_secrets],
            "What it can do": ["capabilities"],
            "Limits and breaker": ["max_concurrency", "failure_threshold", "recovery_s"],
            "": ["reason"],
        }
        return [Group(title, [self[name] for name in names]) for title, names in shown.items() if names]

    def values(self) -> dict[str, Any]:
        """The fields as ``fleet`` takes them."""
        apart = {"capabilities", "reason", *self.of_config, *self.of_secrets}
        values = {name: value for name, value in self.cleaned_data.items() if name not in apart}
        return values | {CONFIG: self._config(), SECRETS: secrets_given(self.cleaned_data, self.of_secrets)}

    def carried_out(self, verb: Callable[[], Result]) -> Result | None:
        """What ``verb`` returns, or None after its faults were put beside the fields."""
        try:
            return verb()
        except (Invalid, Conflict) as error:
            schema_forms.place_faults(self, [_of_whole_field(fault) for fault in error.errors])
            if not error.errors:
                self.add_error(None, error.detail)
            return None

    def _config(self) -> dict[str, Any]:
        given = [name for name in self.of_config if name != CONFIG]
        return {**self.cleaned_data.get(CONFIG, {}), **schema_forms.value_of(self.cleaned_data, CONFIG, given)}


class TrialForm(forms.Form):
    """The input of a test."""

    input = AnyJSON(
        required=False,
        widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "false", "class": "mono"}),
        initial={},
        help_text="What a step would give it, in JSON.",
    )

    def clean_input(self) -> Any:
        return {} if self.cleaned_data["input"] is None else self.cleaned_data["input"]


def config_fields(schema: Mapping[str, Any]) -> dict[str, forms.Field]:
    """A field for each property, and one more for what else the schema lets through."""
    properties, is_open = schema.get("properties"), schema.get("additionalProperties") is not False
    fields = schema_forms.fields_of(schema, CONFIG, whole_label="Configuration") if properties or is_open else {}
    if is_open and CONFIG not in fields:
        help_text = "As the function declares them, in JSON. A masked value stays as it is."
        fields[CONFIG] = AnyJSON(table=True, required=False, label="Options", help_text=help_text)
    return fields


def secret_fields(purposes: Mapping[str, str], stored: Mapping[str, Any]) -> dict[str, forms.Field]:
    """A field for each secret, and for each that is stored one more by which it can be removed."""
    fields: dict[str, forms.Field] = {}
    for name, purpose in purposes.items():
        label, is_stored = name.replace("_", " ").capitalize().replace("Api", "API"), name in stored
        hint = f"{purpose} One is stored; leave this empty to keep it." if is_stored else purpose
        widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
        fields[f"{SECRETS}.{name}"] = forms.CharField(required=False, label=label, help_text=hint, widget=widget)
        if is_stored:
            fields[f"{SECRETS}.{name}{REMOVE}"] = forms.BooleanField(
                required=False, label=f"Remove the stored {name.replace('_', ' ')}"
            )
    return fields


def secrets_given(cleaned: Mapping[str, Any], of_secrets: Iterable[str]) -> dict[str, str]:
    """Those that are given anew, and empty those that shall be removed; what is left out stays."""
    found: dict[str, str] = {}
    for field in of_secrets:
        name = field.removeprefix(f"{SECRETS}.")
        if name.endswith(REMOVE) and cleaned[field]:
            found.setdefault(name.removesuffix(REMOVE), "")
        elif not name.endswith(REMOVE) and cleaned[field]:
            found[name] = cleaned[field]
    return found


def _initial_of(agent: Agent, of_config: Mapping[str, forms.Field]) -> dict[str, Any]:
    """The values that show ``agent``."""
    values = {name: getattr(agent, name) for name in AgentForm.base_fields if hasattr(agent, name)}
    return {
        **values,
        **config_shown(agent.config, of_config),
        "capabilities": sorted(capability.name for capability in agent.capabilities.all()),
    }


def config_shown(config: Mapping[str, Any], of_config: Mapping[str, forms.Field]) -> dict[str, Any]:
    """The values that show a configuration in the fields ``of_config``; what has none stands together in one."""
    shown = secrets.mask(config)
    named = {f"{CONFIG}.{name}": value for name, value in shown.items() if f"{CONFIG}.{name}" in of_config}
    rest = {name: value for name, value in shown.items() if f"{CONFIG}.{name}" not in of_config}
    return {**named, CONFIG: rest}


def _of_whole_field(fault: FieldError) -> FieldError:
    """Places in a list that is written as words are said by no number."""
    path = fault["path"]
    return {**fault, "path": path.partition("[")[0] if path.startswith("capabilities[") else path}
