"""The form of a channel: a field for each property of its kind's schema, a password field for each secret."""

from collections.abc import Callable
from typing import Any, TypeVar

from django import forms

from agents.forms import CONFIG, Group, config_fields, config_shown, secret_fields, secrets_given
from monitoring.models import Channel
from monitoring.notification.kinds import KINDS
from orchestra.kernel import schema_forms
from orchestra.kernel.errors import Conflict, Invalid

Result = TypeVar("Result")


class ChannelForm(forms.Form):
    """A channel of one kind. ``channels`` judges the values."""

    name = forms.CharField(max_length=100)
    reason = forms.CharField(max_length=1000, required=False, help_text="For the audit trail.")

    def __init__(self, data: Any = None, *, kind: str, channel: Channel | None = None) -> None:
        super().__init__(data)
        stored = channel.secrets or {} if channel else {}
        self.of_config = config_fields(KINDS[kind].schema)
        self.of_secrets = secret_fields(KINDS[kind].secrets, stored)
        self.fields.update({**self.of_config, **self.of_secrets})
        if channel:
            self.initial = {"name": channel.name, **config_shown(channel.config, self.of_config)}

    @property
    def groups(self) -> list[Group]:
        shown = (["name", *self.of_config, *self.of_secrets], ["reason"])
        return [Group("", [self[name] for name in names]) for names in shown]

    def values(self) -> dict[str, Any]:
        """The fields as ``channels`` takes them."""
        return {
            "name": self.cleaned_data["name"],
            "config": schema_forms.value_of(self.cleaned_data, CONFIG, self.of_config),
            "secrets": secrets_given(self.cleaned_data, self.of_secrets),
        }

    def carried_out(self, verb: Callable[[], Result]) -> Result | None:
        """What ``verb`` returns, or None after its faults were put beside the fields."""
        return placed(self, verb)


def placed(form: forms.Form, verb: Callable[[], Result]) -> Result | None:
    """What ``verb`` returns, or None after its faults were put beside the fields of ``form``."""
    try:
        return verb()
    except (Invalid, Conflict) as error:
        schema_forms.place_faults(form, error.errors)
        if not error.errors:
            form.add_error(None, error.detail)
        return None
