"""Fields of routes: lengths of time, and quiet hours by lines such as ``mon-fri 22:00-07:00``."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms

from agents.pool_forms import days_in
from agents.scaling_policy import in_words
from workflows import definition_table

LINE = re.compile(r"(?:(?P<days>[a-z,\s-]+?)\s+)?(?P<start>\d{1,2}:\d{2})\s*[-–]\s*(?P<end>\d{1,2}:\d{2})")
_SIZES = ((86_400, "d"), (3_600, "h"), (60, "m"))


class Duration(forms.CharField):
    """A length of time as people write it: ``30s``, ``5m``, ``4h``; 0 where it says so or nothing."""

    def to_python(self, value: Any) -> int:  # type: ignore[override]  # seconds are what it reads
        text = re.sub(r"\s+", "", str(value or "0")).lower()
        try:
            return round(definition_table.seconds(int(text) if text.isascii() and text.isdigit() else text))
        except ValueError as fault:
            raise forms.ValidationError(str(fault)) from None

    def prepare_value(self, value: Any) -> Any:
        return spelled(value) if isinstance(value, int) else value


class QuietBlocks(forms.CharField):
    """When nobody is told, one block a line."""

    widget = forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "placeholder": "mon-fri 22:00-07:00"})

    def to_python(self, value: Any) -> list[dict[str, Any]]:  # type: ignore[override]  # a list is what it reads
        lines = [line.strip().lower() for line in str(value or "").splitlines() if line.strip()]
        return [_block(line, number) for number, line in enumerate(lines, start=1)]

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(_line, value)) if isinstance(value, list) else value


def spelled(seconds: int) -> str:
    """Seconds so that they can be typed again: ``90s``, ``5m``, ``4h``, ``0``."""
    if not seconds:
        return "0"
    return next((f"{seconds // size}{unit}" for size, unit in _SIZES if not seconds % size), f"{seconds}s")


def _block(line: str, number: int) -> dict[str, Any]:
    read = LINE.fullmatch(line)
    if read is None:
        raise forms.ValidationError(f"Line {number}: write days, from and to; for example mon-fri 22:00-07:00.")
    days = days_in(read["days"] or "", number)
    return {"days": days, "from": read["start"].zfill(5), "to": read["end"].zfill(5)}


def _line(block: Mapping[str, Any]) -> str:
    return f"{in_words(block.get('days', ()))} {block['from']}-{block['to']}"
