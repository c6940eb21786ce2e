"""Forms of the pools' pages: what its members are, its policy, its size. ``pools`` judges the values."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django import forms
from django.conf import settings

from agents import scaling_policy
from agents.forms import AgentForm, Group, config_shown
from agents.models import Pool, PoolKind
from agents.scaling_policy import DAYS, in_words
from orchestra.kernel import schema_forms
from orchestra.kernel.errors import Conflict, FieldError, Invalid

Result = TypeVar("Result")
LINE = re.compile(r"(?:(?P<days>[a-z,\s-]+?)\s+)?(?P<start>\S+?)\s*[-–]\s*(?P<end>\S+)\s+(?P<size>\S+)")
EVERY_DAY = (scaling_policy.DAILY, "every day")
PERCENT = ("target_utilisation", "down_utilisation")
"""Shares of 1 that people read in percent."""


class PoolForm(AgentForm):
    """A pool of one kind: what it is, and the template of its members."""

    launcher = forms.ChoiceField(
        required=False,
        choices=lambda: [("", "none"), *((name, name) for name in sorted(settings.COMMANDS))],
        help_text="An entry of the setting COMMANDS that is run with the new size whenever it changes.",
    )
    max_concurrency = forms.IntegerField(label="Slots", initial=4, help_text="Calls at a time of each member.")
    min_size = forms.IntegerField(label="At least", initial=1, help_text="Members at any time.")
    max_size = forms.IntegerField(label="At most", initial=5, help_text="Members, whatever waits.")

    def __init__(self, data: Any = None, *, kind: str, pool: Pool | None = None) -> None:
        self.kind, self.pool = kind, pool
        super().__init__(data, kind=kind, stored=pool.secrets if pool else None)
        for name in self._left_out:
            del self.fields[name]
        if pool:
            self.initial.update(_initial_of(pool, self.of_config))

    @property
    def _left_out(self) -> list[str]:
        """What a kind has no use for, and what is edited with the policy once there is a pool."""
        without_launcher = ["launcher"] if self.kind == PoolKind.PROCESS else []
        return [*without_launcher, *(["min_size", "max_size"] if self.pool else [])]

    @property
    def groups(self) -> list[Group]:
        shown = {
            "What it is": ["name", "description", "launcher"],
            "How many members": ["min_size", "max_size"],
            "What its members are": [*self.of_config, *self.of_secrets, "version"],
            "What they can do": ["capabilities"],
            "Limits and breaker of each": ["max_concurrency", "failure_threshold", "recovery_s"],
            "": ["reason"],
        }
        groups = [(title, [self[name] for name in names if name in self.fields]) for title, names in shown.items()]
        return [Group(title, fields) for title, fields in groups if fields]

    def values(self) -> dict[str, Any]:
        """The fields as ``pools`` takes them."""
        member = super().values()
        pool: dict[str, Any] = {
            name: member.pop(name) for name in ("name", "launcher", "min_size", "max_size") if name in member
        }
        secrets = member.pop("secrets")
        known = self.pool.template if self.pool else {}
        template = {**known, **member, "capabilities": self.cleaned_data["capabilities"]}
        return {**pool, "description": member["description"], "template": template, "secrets": secrets}

    def carried_out(self, verb: Callable[[], Result]) -> Result | None:
        """What ``verb`` returns, or None after its faults were put beside the fields."""
        return super().carried_out(lambda: _without_template(verb))


class Minimums(forms.CharField):
    """Minimums by time of day, one a line: ``mon-fri 08:00-18:00 3``."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> list[dict[str, Any]]:  # type: ignore[override]  # a list is what it reads
        lines = [line.strip().lower() for line in str(value or "").splitlines() if line.strip()]
        return [_minimum(line, number) for number, line in enumerate(lines, start=1)]

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(_line(item) for item in value) if isinstance(value, list | tuple) else value


def _number(label: str, help_text: str) -> forms.FloatField:
    return forms.FloatField(label=label, help_text=help_text)


class PolicyForm(forms.Form):
    """When a pool grows and shrinks, with its limits. Its fields are named by the paths of the policy's faults."""

    def __init__(self, data: Any = None, *, pool: Pool) -> None:
        super().__init__(data)
        self.fields.update(_policy_fields())
        shown = scaling_policy.whole(scaling_policy.read_or_usual(pool.policy))
        shown |= {name: round(100 * shown[name], 4) for name in PERCENT}
        self.initial = {f"policy.{name}": _plain(value) for name, value in shown.items()}
        self.initial |= {"min_size": pool.min_size, "max_size": pool.max_size}

    @property
    def groups(self) -> list[Group]:
        shown = {
            "How many": ["min_size", "max_size", "policy.minimums"],
            "When it grows": [
                *(f"policy.{name}" for name in ("target_utilisation", "queue_per_agent", "max_wait_s")),
                *(f"policy.{name}" for name in ("step_up", "cooldown_up_s")),
            ],
            "When it shrinks": [f"policy.{name}" for name in ("down_utilisation", "step_down", "cooldown_down_s")],
            "": ["reason"],
        }
        return [Group(title, [self[name] for name in names]) for title, names in shown.items()]

    def values(self) -> dict[str, Any]:
        """``policy``, ``min_size`` and ``max_size`` as ``pools`` takes them."""
        given = {name.removeprefix("policy."): value for name, value in self.cleaned_data.items() if "." in name}
        given |= {name: round(given[name] / 100, 6) for name in PERCENT}
        limits = {name: self.cleaned_data[name] for name in ("min_size", "max_size")}
        return {"policy": given, **limits}

    def carried_out(self, verb: Callable[[], Result]) -> Result | None:
        """What ``verb`` returns, or None after its faults were put beside the fields."""
        try:
            return verb()
        except Invalid as error:
            schema_forms.place_faults(self, [_in_lines(fault) for fault in error.errors])
            return None


class ScaleForm(forms.Form):
    """Another size, by hand."""

    target = forms.IntegerField(label="Members")
    reason = forms.CharField(max_length=1000, widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, data: Any = None, *, pool: Pool) -> None:
        super().__init__(data, initial={"target": pool.target})
        low = pool.min_size if pool.autoscales else 0
        self.fields["target"].help_text = f"From {low} to {pool.max_size}."
        self.fields["target"].widget.attrs |= {"min": low, "max": pool.max_size}


def _policy_fields() -> dict[str, forms.Field]:
    whole = {"min_size": ("At least", "Members at any time."), "max_size": ("At most", "Members, whatever waits.")}
    lines = Minimums(
        label="At least, by time of day",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "placeholder": "mon-fri 08:00-18:00 3"}),
        help_text=f"One a line: days, from and to, how many; over midnight too. In the time of {settings.TIME_ZONE}.",
    )
    numbers: Mapping[str, tuple[str, str]] = {
        "target_utilisation": ("Slots in use, %", "More, and it grows until it is no more than this."),
        "queue_per_agent": ("Waiting for each member", "More, and it grows."),
        "max_wait_s": ("Longest wait, seconds", "If the oldest waits longer, it grows."),
        "cooldown_up_s": ("Rest after growing, seconds", "Before it grows again."),
        "down_utilisation": ("Slots in use below, %", "Less, and it shrinks. 0: never."),
        "cooldown_down_s": ("Rest after changes, seconds", "Before it shrinks."),
    }
    steps = {
        "step_up": ("Grows by at most", "Members at a time."),
        "step_down": ("Shrinks by at most", "Members at a time."),
    }
    fields: dict[str, forms.Field] = {
        name: forms.IntegerField(label=label, help_text=help_text) for name, (label, help_text) in whole.items()
    }
    fields["policy.minimums"] = lines
    fields |= {f"policy.{name}": _number(*said) for name, said in numbers.items()}
    fields |= {
        f"policy.{name}": forms.IntegerField(label=label, help_text=help_text)
        for name, (label, help_text) in steps.items()
    }
    fields["reason"] = forms.CharField(max_length=1000, required=False, help_text="For the audit trail.")
    return fields


def _plain(value: Any) -> Any:
    """A whole number without a point."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _initial_of(pool: Pool, of_config: Mapping[str, forms.Field]) -> dict[str, Any]:
    """The values that show ``pool``."""
    template = {name: value for name, value in pool.template.items() if name in AgentForm.base_fields}
    of_pool = {"name": pool.name, "description": pool.description, "launcher": pool.launcher}
    return {**template, **config_shown(pool.template.get("config", {}), of_config), **of_pool}


def _without_template(verb: Callable[[], Result]) -> Result:
    """Call ``verb``; fields of members are named without the template that they stand in."""
    try:
        return verb()
    except (Invalid, Conflict) as error:
        error.errors = [{**fault, "path": fault["path"].removeprefix("template.")} for fault in error.errors]
        raise


def _minimum(line: str, number: int) -> dict[str, Any]:
    read = LINE.fullmatch(line)
    if read is None or not read["size"].isdigit():
        raise forms.ValidationError(
            f"Line {number}: write days, from and to, how many; for example mon-fri 08:00-18:00 3."
        )
    days = days_in(read["days"] or "", number)
    return {"days": days, "from": read["start"].zfill(5), "to": read["end"].zfill(5), "min": int(read["size"])}


def days_in(text: str, number: int) -> list[str]:
    """The days that line ``number`` names, as ``mon-fri`` or ``sat, sun``; none are every day."""
    if not text or text in EVERY_DAY:
        return []
    days: list[str] = []
    for part in text.replace(" ", ",").split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last and last not in DAYS):
            raise forms.ValidationError(f"Line {number}: {part!r} is no day; write {', '.join(DAYS)}, or mon-fri.")
        span = (DAYS.index(last or first) - DAYS.index(first)) % len(DAYS)
        days += [DAYS[(DAYS.index(first) + step) % len(DAYS)] for step in range(span + 1)]
    return list(dict.fromkeys(days))


def _line(item: Mapping[str, Any]) -> str:
    """A minimum as people write it."""
    return f"{in_words(item.get('days', ()))} {item['from']}-{item['to']} {item['min']}"


def _in_lines(fault: FieldError) -> FieldError:
    """A fault of one minimum says its line."""
    place = re.fullmatch(r"policy\.minimums\[(\d+)\]\.?(\w*)", fault["path"])
    if place is None:
        return fault
    return {"path": "policy.minimums", "message": f"Line {int(place[1]) + 1}: {fault['message']}"}
