"""The form of a resource. ``resources`` judges the values."""

from typing import Any

from django import forms

from agents import resources
from agents.models import Resource
from orchestra.kernel.schema_forms import AnyJSON


class ResourceForm(forms.Form):
    """A resource: what it is, how much of it there is, what it is like."""

    name = forms.CharField(max_length=100)
    type = forms.CharField(
        max_length=100,
        widget=forms.TextInput(attrs={"list": "known-types"}),
        help_text="What runs and steps ask for, for example packing_bench.",
    )
    capacity = forms.IntegerField(
        initial=1, help_text="Units in all. Below what is in use, nothing is taken away, and nothing more is granted."
    )
    description = forms.CharField(max_length=300, required=False)
    specs = AnyJSON(
        table=True,
        required=False,
        label="Specifications",
        help_text='What it is like, as a JSON table of texts, numbers, true and false: {"size": "large", "pages": 40}.',
    )
    enabled = forms.BooleanField(required=False, initial=True, label="Granted to those who ask")
    reason = forms.CharField(max_length=1000, required=False, help_text="For the audit trail.")

    def values(self) -> dict[str, Any]:
        """The fields as ``resources`` takes them."""
        return {name: self.cleaned_data[name] for name in resources.FIELDS}

    @classmethod
    def filled(cls, resource: Resource) -> dict[str, Any]:
        return {name: getattr(resource, name) for name in resources.FIELDS}
