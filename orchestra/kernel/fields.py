"""Fields of forms that several floors have."""

from typing import Any

from django import forms

LOCAL_TIME = "%Y-%m-%dT%H:%M"


class MomentField(forms.DateTimeField):
    """A date with a time, in the browser's own control."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=LOCAL_TIME)

    def __init__(self, **options: Any) -> None:
        super().__init__(input_formats=[LOCAL_TIME, f"{LOCAL_TIME}:%S"], required=False, **options)
