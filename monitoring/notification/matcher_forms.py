"""Conditions in a form: a row each of label, operator and value. For silences, routes and inhibitions."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from monitoring.notification import matchers

FEWEST_ROWS = 2
Row = dict[str, Any]


class MatchersInput(forms.Widget):
    """Shows one row more than there are conditions; ``static/js/more-rows.js`` adds others as they are needed.

    Its value is a list of conditions as :mod:`monitoring.notification.matchers` knows them; rows left empty are none.
    """

    use_fieldset = True

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        rows = [_shown(row) for row in value or () if isinstance(row, Mapping)]
        empty = {"label": "", "operator": matchers.IS, "text": ""}
        wanted = min(matchers.MOST, max(FEWEST_ROWS, len(rows) + 1))
        context = {
            "name": name,
            "id": (attrs or {}).get("id", f"id_{name}"),
            "rows": rows + [empty] * (wanted - len(rows)),
            "labels": matchers.LABELS,
            "operators": matchers.SAID,
            "most": matchers.MOST,
        }
        return render_to_string("monitoring/parts/matchers_input.html", context)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[Row]:
        def given(part: str) -> list[str]:
            return (
                list(data.getlist(f"{name}_{part}"))
                if hasattr(data, "getlist")
                else list(data.get(f"{name}_{part}", ()))
            )

        rows = zip(given("label"), given("operator"), given("value"), strict=False)
        return [_read(*row) for row in rows if row[0] or row[2].strip()]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}_label" not in data

    def id_for_label(self, id_: str) -> str:
        return f"{id_}_0_label" if id_ else ""


class MatchersField(forms.Field):
    """Reads conditions without faults; each fault says the row."""

    widget = MatchersInput

    def __init__(self, *, label: str = "Conditions", **options: Any) -> None:
        super().__init__(label=label, **options)
        self.error_messages["required"] = "Give at least one condition."

    def clean(self, value: Any) -> list[Row]:
        found = super().clean(value) or []
        faults = [_in_row(fault["path"], fault["message"]) for fault in matchers.faults_of(found)]
        if faults:
            raise forms.ValidationError(faults)
        return matchers.cleaned(found)


def _read(label: str, operator: str, text: str) -> Row:
    """The condition of a row: of ``in`` the values, which commas part."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    return {"label": label, "operator": operator, "value": words if operator == matchers.IN else text.strip()}


def _shown(row: Mapping[str, Any]) -> Row:
    value = row.get("value", "")
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
    return {"label": row.get("label", ""), "operator": row.get("operator", matchers.IS), "text": text}


def _in_row(path: str, message: str) -> str:
    """``matchers[1].value`` is the value of condition 2."""
    number, _, part = path.partition("[")[2].partition("]")
    return f"Condition {int(number) + 1}, {part.lstrip('.') or 'all of it'}: {message}" if number else message
