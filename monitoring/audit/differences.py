"""What an event changed, field by field. Pure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Change:
    """One field: its path (``qa.score``), and its values as text; None where it was not there."""

    path: str
    before: str | None
    after: str | None


def difference(before: Any, after: Any) -> list[Change]:
    """The fields in which ``before`` and ``after`` differ, in the order of their names."""
    old, new = dict(_fields(before, "")), dict(_fields(after, ""))
    return [
        Change(path, _text(old.get(path, _ABSENT)), _text(new.get(path, _ABSENT)))
        for path in sorted({**old, **new})
        if old.get(path, _ABSENT) != new.get(path, _ABSENT)
    ]


def _fields(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _fields(item, f"{path}.{name}" if path else str(name))
    elif path:
        yield path, value
    elif value not in (None, {}):
        yield "value", value


def _text(value: Any) -> str | None:
    if value is _ABSENT:
        return None
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
