"""The form of a schedule. ``schedules`` judges the values; its faults are put beside the fields they belong to."""

from collections.abc import Callable
from typing import Any, TypeVar

from django import forms
from django.conf import settings

from orchestra.kernel import secrets
from orchestra.kernel.errors import Conflict, Invalid
from orchestra.kernel.schema_forms import AnyJSON
from workflows import cron
from workflows.models import Missed, Overlap, Schedule, Workflow

Result = TypeVar("Result")
MOST_WORKFLOWS = 1000

MISSED_HELP = "A time counts as missed once nobody has looked for a minute, for example while the workers were down."
OVERLAP_HELP = "What happens at a time at which a run of this schedule has not ended."


class ScheduleForm(forms.Form):
    """All of a schedule."""

    name = forms.CharField(max_length=100)
    workflow = forms.ChoiceField(choices=lambda: [("", "Choose one"), *((name, name) for name in _workflows())])
    cron = forms.CharField(
        label="When",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off", "placeholder": "0 9 * * 1-5"}),
        help_text="Minute, hour, day of month, month, day of week, as cron writes them; or @hourly, @daily, @weekly.",
    )
    timezone = forms.CharField(
        label="Time zone",
        initial=lambda: settings.TIME_ZONE,
        widget=forms.TextInput(attrs={"list": "zones", "spellcheck": "false", "autocomplete": "off"}),
        help_text="Where the clock changes, a time of the day still comes once.",
    )
    input = AnyJSON(
        table=True,
        required=False,
        initial="{}",
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
        help_text="What each run is given, in JSON. A masked value stays as it is.",
    )
    missed = forms.ChoiceField(label="Missed times", choices=Missed.choices, initial=Missed.ONCE, help_text=MISSED_HELP)
    overlap = forms.ChoiceField(
        label="If the run before still runs", choices=Overlap.choices, initial=Overlap.ALLOW, help_text=OVERLAP_HELP
    )
    priority = forms.IntegerField(initial=0, help_text="Higher goes first, from -100 to 100.")
    queue = forms.CharField(max_length=50, required=False, help_text="Empty: the one that the workflow names.")
    enabled = forms.BooleanField(required=False, initial=True, label="Enabled")
    reason = forms.CharField(max_length=1000, required=False, help_text="For the audit trail.")

    def clean_cron(self) -> str:
        return _without(cron.fault, self.cleaned_data["cron"])

    def clean_timezone(self) -> str:
        return _without(cron.fault_of_zone, self.cleaned_data["timezone"])

    def values(self) -> dict[str, Any]:
        """The fields as ``schedules`` takes them."""
        return {name: value for name, value in self.cleaned_data.items() if name != "reason"}

    def spoken(self, verb: Callable[[], Result]) -> Result:
        """What ``verb`` returns; a name that is taken is a fault of its field."""
        try:
            return verb()
        except Conflict as error:
            if not error.errors:
                raise
            raise Invalid(error.detail, errors=error.errors) from None

    @classmethod
    def filled(cls, schedule: Schedule) -> dict[str, Any]:
        """The initial values that show ``schedule``."""
        values = {name: getattr(schedule, name) for name in cls.base_fields if hasattr(schedule, name)}
        return values | {"workflow": schedule.workflow.name, "input": secrets.mask(schedule.input)}


def _without(fault: Callable[[str], str], value: str) -> str:
    """``value``, if it has none: these two are told apart from the others, since they show what they mean meanwhile."""
    if message := fault(value):
        raise forms.ValidationError(message)
    return value


def _workflows() -> list[str]:
    return list(Workflow.objects.values_list("name", flat=True)[:MOST_WORKFLOWS])
