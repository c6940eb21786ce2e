"""How long something is to last, as people say it: an hour, until tomorrow at eight, until a moment that they give."""

from datetime import datetime, time, timedelta
from typing import Any, ClassVar

from django import forms
from django.utils import timezone

MORNING = time(8)
UNTIL, TOMORROW = "until", "tomorrow"
SPANS = {
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
}
CHOICES = (
    ("1h", "1 hour"),
    ("4h", "4 hours"),
    ("1d", "1 day"),
    (TOMORROW, "until tomorrow, 08:00"),
    ("7d", "7 days"),
    (UNTIL, "until the moment given"),
)


def end_of(choice: str, now: datetime) -> datetime:
    """When what begins ``now`` ends, by one of :data:`CHOICES` but the last."""
    if choice != TOMORROW:
        return now + SPANS[choice]
    local = timezone.localtime(now)
    return timezone.make_aware(datetime.combine(local.date() + timedelta(days=1), MORNING))


class LastingForm(forms.Form):
    """A form whose field ``lasts`` is one of the spans, or says that its field :attr:`moment` does.

    Who gives another moment and leaves the span as it was meant the moment.
    """

    moment: ClassVar[str] = UNTIL
    lasts = forms.ChoiceField(label="For", choices=CHOICES, initial="4h")

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if given.get("lasts") == UNTIL and not given.get(self.moment) and self.moment not in self.errors:
            self.add_error(self.moment, "Give the moment, or choose how long above.")
        return given

    def end(self, now: datetime) -> datetime:
        """The end that was asked for; only of a form without faults."""
        moment: datetime | None = self.cleaned_data[self.moment]
        choice = self.cleaned_data["lasts"]
        is_meant = moment is not None and (choice == UNTIL or self.moment in self.changed_data)
        return moment if is_meant and moment else end_of(choice, now)

    @property
    def stays(self) -> bool:
        """Whether the end is to be what it was."""
        return self.cleaned_data["lasts"] == UNTIL and self.moment not in self.changed_data
