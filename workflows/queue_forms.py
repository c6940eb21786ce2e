"""Forms of the queues' pages. ``queues`` and ``routing`` judge the values."""

from typing import Any

from django import forms

from workflows import queues, routing
from workflows.models import RoutingRule, TaskQueue


class QueueForm(forms.Form):
    """What is set for a queue; an empty limit is none."""

    weight = forms.IntegerField(initial=1, help_text="While several queues wait: how many start for one of weight 1.")
    max_concurrency = forms.IntegerField(label="At a time", required=False, help_text="Empty: no limit.")
    rate_per_s = forms.FloatField(label="Starts a second", required=False, help_text="0.1 is one in ten seconds.")
    burst = forms.IntegerField(required=False, help_text="So many may start at once after a rest.")
    key_limit = forms.IntegerField(
        label="At a time for one key", required=False, help_text="For steps that name a key, for example a customer."
    )
    reason = forms.CharField(max_length=1000, required=False, help_text="For the audit trail.")

    def values(self) -> dict[str, Any]:
        """The fields as ``queues.change`` takes them."""
        return {name: self.cleaned_data[name] for name in queues.FIELDS}

    @classmethod
    def filled(cls, queue: TaskQueue) -> dict[str, Any]:
        return {name: getattr(queue, name) for name in queues.FIELDS}


class NewQueueForm(QueueForm):
    """A queue that nothing names yet."""

    name = forms.CharField(max_length=50, help_text="Letters, digits, - and _. Definitions, rules and runs name it.")
    field_order = ("name",)


class RuleForm(forms.Form):
    """A routing rule; what is left empty matches any run."""

    workflow = forms.CharField(
        max_length=100, required=False, widget=forms.TextInput(attrs={"list": "known-workflows", "placeholder": "any"})
    )
    capability = forms.CharField(
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"list": "known-capabilities", "placeholder": "any"}),
        help_text="One that a step of the workflow needs.",
    )
    tier = forms.CharField(
        label="Customer tier",
        max_length=20,
        required=False,
        widget=forms.TextInput(attrs={"list": "known-tiers", "placeholder": "any"}),
    )
    queue = forms.CharField(
        label="Goes to queue", max_length=50, widget=forms.TextInput(attrs={"list": "known-queues"})
    )
    enabled = forms.BooleanField(required=False, initial=True, label="In force")
    reason = forms.CharField(max_length=1000, required=False, help_text="For the audit trail.")

    def values(self) -> dict[str, Any]:
        """The fields as ``routing`` takes them."""
        return {name: self.cleaned_data[name] for name in routing.FIELDS}

    @classmethod
    def filled(cls, rule: RoutingRule) -> dict[str, Any]:
        return {name: getattr(rule, name) for name in routing.FIELDS}
