"""Forms of an alert's page: acknowledge it, hand it over. ``alerts`` judges the values."""

from typing import Any

from django import forms

from monitoring.alerting.alerts import LONGEST_NOTE
from monitoring.models import Alert
from monitoring.notification.lasting import LastingForm
from orchestra.kernel.fields import MomentField
from orchestra.kernel.models import Role, User


class AcknowledgeForm(LastingForm):
    """Until when one looks after it, and what others should know."""

    field_order = ("lasts", "until", "note")

    until = MomentField(label="Until", help_text="Instead of a span; at most 30 days from now.")
    note = forms.CharField(
        max_length=LONGEST_NOTE,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What is known and what is done about it; everybody sees it.",
    )

    def __init__(self, data: Any = None, *, alert: Alert) -> None:
        super().__init__(data, initial={"note": alert.note}, auto_id="acknowledge-%s")


class PersonField(forms.ModelChoiceField):
    """One of several people, named as they are everywhere."""

    def label_from_instance(self, obj: User) -> str:
        return obj.label


class OwnerForm(forms.Form):
    """Who looks after it: one of those who could."""

    def __init__(self, data: Any = None, *, alert: Alert) -> None:
        super().__init__(data, initial={"owner": alert.owner_id}, auto_id="owner-%s")
        able = User.objects.filter(is_active=True, role__in=[Role.OPERATOR, Role.ADMIN]).order_by("username")
        self.fields["owner"] = PersonField(queryset=able, required=False, empty_label="nobody")
