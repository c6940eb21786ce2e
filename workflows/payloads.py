"""Inputs and outputs as pages show them: masked by key name, folded, and cut where they are long."""

import json
from dataclasses import dataclass
from typing import Any

from django.template.defaultfilters import filesizeformat

from orchestra.kernel import secrets

SHOWN = 64 * 1024
SHORT = 600
"""Payloads of so few characters stand open."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A value as text; ``url`` is where the whole of it can be had."""

    label: str
    text: str
    size: str
    is_cut: bool
    is_short: bool
    url: str


def of_value(label: str, value: Any, url: str) -> Payload:
    text = as_text(value)
    size = filesizeformat(len(text.encode()))
    return Payload(label, text[:SHOWN], size, len(text) > SHOWN, len(text) <= SHORT, url)


def as_text(value: Any) -> str:
    """A JSON value as text, with what its keys call secret hidden; nothing as empty text."""
    return "" if value is None else json.dumps(secrets.mask(value), indent=2, ensure_ascii=False, default=str)
