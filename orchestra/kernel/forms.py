"""Forms of the settings pages: people and tokens."""

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from orchestra.kernel.access import RANK
from orchestra.kernel.models import Role, Theme, User


class PersonForm(forms.Form):
    """A new person."""

    username = forms.CharField(label="Name to sign in with", max_length=150)
    first_name = forms.CharField(max_length=150, required=False)
    last_name = forms.CharField(max_length=150, required=False)
    email = forms.EmailField(label="E-mail", required=False)
    role = forms.ChoiceField(choices=Role.choices, initial=Role.OPERATOR)
    password = forms.CharField(
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 10 characters; they can change it after signing in.",
        strip=False,
    )


class PersonChangeForm(forms.Form):
    """Role and activity of a person, with the reason for the audit trail."""

    role = forms.ChoiceField(choices=Role.choices)
    is_active = forms.BooleanField(label="May sign in", required=False)
    reason = forms.CharField(max_length=1000, required=False)


class PasswordForm(forms.Form):
    """Another password for somebody else."""

    password = forms.CharField(widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), strip=False)


class TokenForm(forms.Form):
    """A new token of one's own: the role at most one's own, the last day of its life."""

    name = forms.CharField(max_length=100, help_text="What will use it, for example: shop import.")
    role = forms.ChoiceField()
    expires_on = forms.DateField(
        label="Valid until",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="The end of that day; without a date it stays valid until it is revoked.",
    )

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rank = RANK[Role(owner.role)]
        choices = [(role.value, role.label) for role in Role if RANK[role] <= rank]
        self.fields["role"] = forms.ChoiceField(choices=choices)

    def clean_expires_on(self) -> datetime | None:
        """The first instant after the chosen day."""
        day = self.cleaned_data["expires_on"]
        if day is None:
            return None
        return timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))


class PreferencesForm(forms.Form):
    """Any of one's preferences; those that are not named stay."""

    theme = forms.ChoiceField(choices=Theme.choices, required=False)
    shortcuts = forms.ChoiceField(choices=[("on", "On"), ("off", "Off")], required=False)
    updates = forms.ChoiceField(choices=[("on", "On"), ("paused", "Paused")], required=False)

    def changes(self) -> dict[str, Any]:
        """The named preferences as columns of User."""
        asked = {name: value for name, value in self.cleaned_data.items() if value}
        columns: dict[str, Any] = {}
        if "theme" in asked:
            columns["theme"] = asked["theme"]
        if "shortcuts" in asked:
            columns["shortcuts_enabled"] = asked["shortcuts"] == "on"
        if "updates" in asked:
            columns["updates_paused"] = asked["updates"] == "paused"
        return columns
