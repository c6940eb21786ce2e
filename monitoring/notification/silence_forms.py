"""The form of a silence. ``silencing`` judges the values."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone

from monitoring.models import Alert, Silence
from monitoring.notification import lasting, matchers
from monitoring.notification.lasting import LastingForm
from monitoring.notification.matcher_forms import MatchersField
from orchestra.kernel.fields import MomentField


class SilenceForm(LastingForm):
    """A silence that is new, or one that is to be another; ``starts_at`` only before it has begun."""

    moment = "ends_at"
    field_order = ("matchers", "lasts", "ends_at", "starts_at", "reason")

    matchers = MatchersField(
        help_text="It hides the alerts of which all of these hold. Several values of “is one of” are parted by commas."
    )
    ends_at = MomentField(label="Until", help_text="Instead of a span; at most 90 days from its beginning.")
    starts_at = MomentField(label="Begins", help_text="Empty: at once.")
    reason = forms.CharField(max_length=1000, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, data: Any = None, *, silence: Silence | None = None, alert: Alert | None = None) -> None:
        self.silence = silence
        super().__init__(data, initial=_initial(silence, alert))
        if silence is not None and silence.starts_at <= timezone.now():
            del self.fields["starts_at"]
        if silence is not None:
            self.fields["lasts"].help_text = "From now on."

    def values(self, now: datetime) -> dict[str, Any]:
        """The fields as ``silences`` takes them. A span of what is still to come begins with it."""
        given: dict[str, Any] = {
            name: self.cleaned_data[name] for name in ("matchers", "reason", "starts_at") if name in self.cleaned_data
        }
        if self.stays:
            return given
        return {**given, "ends_at": self.end(max(given.get("starts_at") or now, now))}


def _initial(silence: Silence | None, alert: Alert | None) -> dict[str, Any]:
    if silence is not None:
        shown = {name: getattr(silence, name).replace(second=0, microsecond=0) for name in ("starts_at", "ends_at")}
        return {"matchers": silence.matchers, "reason": silence.reason, "lasts": lasting.UNTIL, **shown}
    if alert is not None:
        about = alert.subject_kind if alert.subject_kind in matchers.LABELS else "metric"
        return {"matchers": matchers.for_labels(alert.labels, ("threshold", about))}
    return {}
