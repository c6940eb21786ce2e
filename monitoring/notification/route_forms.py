"""Forms of routes and inhibitions, and of trying which route an alert would take."""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from zoneinfo import available_timezones

from django import forms
from django.conf import settings

from agents.forms import Group
from monitoring.models import Channel, Inhibition, Route, Severity
from monitoring.notification import matchers, routes
from monitoring.notification.channel_forms import placed
from monitoring.notification.matcher_forms import MatchersField
from monitoring.notification.route_fields import Duration, QuietBlocks
from orchestra.kernel.errors import Conflict, FieldError, Invalid

Result = TypeVar("Result")
LABELS = [(name, name) for name in matchers.LABELS]
SEVERITIES = Severity.choices


def _boxes(choices: Sequence[tuple[Any, str]], **options: Any) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        choices=choices, required=False, widget=forms.CheckboxSelectMultiple(attrs={"class": "boxes"}), **options
    )


class RouteForm(forms.Form):
    """A route. ``routes`` judges the values."""

    name = forms.CharField(max_length=routes.LONGEST_NAME)
    severities = _boxes(SEVERITIES, label="Severities", help_text="None chosen: every severity.")
    matchers = MatchersField(required=False, help_text="All of these must hold. None: every alert.")
    continues = forms.BooleanField(
        required=False, label="Go on to the routes after it", help_text="Those that fit tell of the alert as well."
    )
    channels = _boxes((), label="Tells")
    group_by = _boxes(LABELS, label="One message for alerts with the same", help_text="None: one for all together.")
    wait_s = Duration(label="Wait", required=False, help_text="So that others can join a new group, such as 30s.")
    interval_s = Duration(label="Interval", required=False, help_text="News of a group come at most so often.")
    repeat_s = Duration(label="Repeat", required=False, help_text="What still fires is told again; 0: never.")
    quiet_blocks = QuietBlocks(
        label="Quiet hours", required=False, help_text="One a line: days, from and to; over midnight too."
    )
    quiet_timezone = forms.CharField(label="In the time zone", required=False, max_length=60)
    quiet_except = _boxes(SEVERITIES, label="But not for", help_text="These are told of at night too.")
    escalate_after_s = Duration(
        label="If nobody acknowledges for", required=False, help_text="Such as 15m; 0: nobody else is told."
    )
    escalate_to = _boxes((), label="Tell as well")
    reason = forms.CharField(max_length=1000, required=False, help_text="For the audit trail.")

    def __init__(self, data: Any = None, *, route: Route | None = None) -> None:
        super().__init__(data, initial=_initial_of(route))
        choices = [(str(one.pk), one.name if one.enabled else f"{one.name} (off)") for one in Channel.objects.all()]
        for name in routes.SETS:
            self.fields[name].choices = choices  # type: ignore[attr-defined]
        self.has_channels = bool(choices)
        self.fields["quiet_timezone"].help_text = f"Such as Europe/Berlin. Empty: {settings.TIME_ZONE}."
        self.fields["quiet_timezone"].widget.attrs |= {"list": "time-zones", "spellcheck": "false"}

    @property
    def groups(self) -> list[Group]:
        shown = {
            "Which alerts": ["name", "severities", "matchers", "continues"],
            "Whom it tells": ["channels", "group_by"],
            "When": ["wait_s", "interval_s", "repeat_s"],
            "Quiet hours": ["quiet_blocks", "quiet_timezone", "quiet_except"],
            "If nobody acknowledges": ["escalate_after_s", "escalate_to"],
            "": ["reason"],
        }
        return [Group(title, [self[name] for name in names]) for title, names in shown.items()]

    @property
    def zones(self) -> list[str]:
        return sorted(available_timezones())

    def values(self) -> dict[str, Any]:
        """The fields as ``routes`` takes them."""
        given = self.cleaned_data
        quiet = {"blocks": given["quiet_blocks"], "timezone": given["quiet_timezone"], "except": given["quiet_except"]}
        return {
            **{name: given[name] for name in routes.COLUMNS if name in given},
            **{name: [int(pk) for pk in given[name]] for name in routes.SETS},
            "quiet": {name: value for name, value in quiet.items() if value} if given["quiet_blocks"] else {},
        }

    def carried_out(self, verb: Callable[[], Result]) -> Result | None:
        """What ``verb`` returns, or None after its faults were put beside the fields."""

        def translated() -> Result:
            try:
                return verb()
            except (Invalid, Conflict) as error:
                error.errors = [_in_form(fault) for fault in error.errors]
                raise

        return placed(self, translated)


class InhibitionForm(forms.Form):
    """An inhibition. ``inhibitions`` judges the values."""

    name = forms.CharField(max_length=100)
    source = MatchersField(label="While an alert fires whose", help_text="All of these must hold.")
    target = MatchersField(label="Nobody is told of alerts whose", help_text="All of these must hold.")
    equal = _boxes(LABELS, label="If both have the same", help_text="None: whatever their labels.")
    reason = forms.CharField(max_length=1000, required=False, help_text="For the audit trail.")

    def __init__(self, data: Any = None, *, rule: Inhibition | None = None) -> None:
        names = ("name", "source", "target", "equal")
        super().__init__(data, initial={name: getattr(rule, name) for name in names} if rule else {})

    def values(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if name != "reason"}

    def carried_out(self, verb: Callable[[], Result]) -> Result | None:
        return placed(self, verb)


class TryForm(forms.Form):
    """The labels of an alert that does not exist, to see which route it would take."""

    severity = forms.ChoiceField(choices=SEVERITIES, initial=Severity.WARNING)
    threshold = forms.CharField(max_length=100, required=False)
    metric = forms.CharField(max_length=50, required=False)
    agent = forms.CharField(max_length=100, required=False)
    pool = forms.CharField(max_length=100, required=False)
    queue = forms.CharField(max_length=100, required=False)
    workflow = forms.CharField(max_length=100, required=False)

    def labels(self) -> dict[str, str]:
        """Those that were given; the kind is that of the subject."""
        given = {name: value.strip() for name, value in self.cleaned_data.items() if value.strip()}
        kind = next((kind for kind in ("agent", "pool", "queue", "workflow") if kind in given), "system")
        return {**given, "kind": kind}


def _initial_of(route: Route | None) -> dict[str, Any]:
    values = routes.describe(route) if route else dict(routes.DEFAULTS)
    quiet = values.pop("quiet")
    return {
        **values,
        **{name: [str(pk) for pk in values[name]] for name in routes.SETS},
        "quiet_blocks": list(quiet.get("blocks", ())),
        "quiet_timezone": quiet.get("timezone", ""),
        "quiet_except": quiet.get("except", []),
    }


def _in_form(fault: FieldError) -> FieldError:
    """A fault of quiet hours stands at the field that it is about, a block by its line."""
    if block := re.fullmatch(r"quiet\.blocks\[(\d+)\].*", fault["path"]):
        return {"path": "quiet_blocks", "message": f"Line {int(block[1]) + 1}: {fault['message']}"}
    if fault["path"].startswith("quiet."):
        return {**fault, "path": "quiet_" + fault["path"].removeprefix("quiet.").partition("[")[0]}
    return fault
