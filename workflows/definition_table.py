"""One table of a definition while it is read: each field by its type, each fault by its path. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orchestra.kernel import schemas
from orchestra.kernel.errors import FieldError
from workflows import definition_schema, expressions

YEAR_S = 366 * 86_400.0
LONGEST_S = 1e12
_NAME = re.compile(definition_schema.NAME)
_WORD = re.compile(definition_schema.WORD)
_DURATION = re.compile(definition_schema.DURATION)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_ABSENT: Any = object()


def seconds(value: Any) -> float:
    """A duration: a number of seconds, or a text such as ``500ms``, ``30s``, ``15m``, ``2h``; else ValueError."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LONGEST_S:
        return float(value)
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("Give seconds as a number, or a duration such as 30s, 15m or 2h.")
    return float(match[1]) * _UNITS[match[2]]


class Table:
    """Reads fields of ``values``; a bad one becomes a fault, and its default is read in its place."""

    def __init__(self, values: Mapping[str, Any], kind: str, faults: list[FieldError], path: str = "") -> None:
        """``kind`` is the table of the schema that names its fields, for example ``step``."""
        self.values, self.path = values, path
        self._faults = faults
        self._known = definition_schema.fields_of(kind)
        for name in [name for name in values if name not in self._known]:
            self.fault(name, f"There is no such field; known are {', '.join(sorted(self._known))}.")

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def fault(self, name: str, message: str) -> None:
        self.fault_at(self.at(name), message)

    def fault_at(self, path: str, message: str) -> None:
        self._faults.append({"path": path, "message": message})

    def name(self, name: str, default: str = _ABSENT) -> str:
        message = "Give a name of lower-case letters, digits and underscores that begins with a letter."
        return self._matching(name, _NAME, default, message)

    def word(self, name: str, default: str = _ABSENT) -> str:
        message = "Give a name of letters, digits and _ . : - that begins with a letter, of at most 100 characters."
        return self._matching(name, _WORD, default, message)

    def text(self, name: str, *, longest: int = 200, least: int = 0, default: str = "") -> str:
        value = self.values.get(name, default)
        if isinstance(value, str) and least <= len(value) <= longest:
            return value
        self.fault(name, f"Give a text of {'at least one and ' if least else ''}at most {longest} characters.")
        return default

    def flag(self, name: str, default: bool) -> bool:
        value = self.values.get(name, default)
        if isinstance(value, bool):
            return value
        self.fault(name, "Give true or false.")
        return default

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self.values.get(name, default)
        if isinstance(value, str) and (value in choices or name not in self):
            return value
        self.fault(name, f"Choose {', '.join(choices[:-1])} or {choices[-1]}.")
        return default

    def whole(self, name: str, default: int, most: int, least: int = 1) -> int:
        value = self.values.get(name, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON knows one kind of number: 3.0 is 3
        if type(value) is int and (least <= value <= most or name not in self):
            return value
        self.fault(name, f"Give a whole number from {least:,} to {most:,}.")
        return default

    def number(self, name: str, default: float, most: float, least: float = 0) -> float:
        value = self.values.get(name, default)
        if type(value) in (int, float) and least <= value <= most:
            return float(value)
        self.fault(name, f"Give a number from {least:,} to {most:,}.")
        return default

    def duration(self, name: str, default: float = 0.0, *, most: float = YEAR_S, instant: bool = False) -> float:
        """Seconds; ``instant`` says whether 0 is one."""
        if name not in self:
            return default
        try:
            value = seconds(self.values[name])
        except ValueError as error:
            self.fault(name, str(error))
            return default
        if value > most or (value == 0 and not instant):
            days = f"{most / 86_400:.0f} day{'s' if most > 86_400 else ''}"
            self.fault(name, f"Give a time of {'0 s' if instant else 'more than 0 s'} and at most {days}.")
        return value

    def maybe_duration(self, name: str, *, instant: bool = False) -> float | None:
        return self.duration(name, instant=instant) if name in self else None

    def names(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Names of steps, each once."""
        if name not in self:
            return default
        value = self.values[name]
        if not isinstance(value, list) or not all(isinstance(one, str) and _NAME.fullmatch(one) for one in value):
            self.fault(name, "Give a list of names of steps.")
            return ()
        if len(set(value)) < len(value):
            self.fault(name, "Name each step once.")
        return tuple(dict.fromkeys(value))

    def templates(self, name: str, *, needed: bool = False) -> tuple[str, ...]:
        """Texts, in which ``{{ … }}`` may stand."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, str) and 0 < len(one) <= 200 for one in value):
            self.fault(name, "Give a list of names.")
            return ()
        for index, one in enumerate(value):
            self._check(f"{self.at(name)}[{index}]", one, expressions.fault_of_template)
        if needed and not value:
            self.fault(name, "Say what the agent must be able to do.")
        return tuple(value)

    def template(self, name: str) -> str:
        return self._checked(name, expressions.fault_of_template, longest=200, least=1)

    def query(self, name: str) -> str:
        return self._checked(name, expressions.fault_of_query, longest=expressions.MAX_QUERY, least=1)

    def query_or_template(self, name: str) -> str:
        value = self.values.get(name)
        is_template = isinstance(value, str) and expressions.is_template(value)
        check = expressions.fault_of_template if is_template else expressions.fault_of_query
        return self._checked(name, check, longest=expressions.MAX_QUERY, least=1)

    def condition(self, name: str, *, needed: bool = False) -> str:
        if not needed and not self.values.get(name, ""):
            return self.text(name)
        longest = expressions.MAX_CONDITION
        return self._checked(name, expressions.fault_of_condition, longest=longest, least=1)

    def data(self, name: str) -> Any:
        """Any value, in which each text is a JMESPath expression."""
        for path, text in texts_of(self.values.get(name), self.at(name)):
            self._check(path, text, expressions.fault_of_query)
        return self.values.get(name)

    def mapping(self, name: str) -> Mapping[str, Any]:
        value = self.values.get(name, {})
        if isinstance(value, Mapping):
            return value
        self.fault(name, "Give a table.")
        return {}

    def schema(self, name: str) -> Mapping[str, Any] | None:
        if name not in self:
            return None
        value = self.values[name]
        self._check(self.at(name), value, schemas.fault_of_schema)
        return dict(value) if isinstance(value, Mapping) else None

    def table(self, name: str, kind: str, such_as: str) -> "Table | None":
        """The table that is the value of a field, or None where there is none."""
        if name not in self:
            return None
        value = self.values[name]
        if not isinstance(value, Mapping):
            self.fault(name, f"Give a table such as {such_as}.")
            value = {}
        return Table(value, kind, self._faults, self.at(name))

    def tables(self, name: str, kind: str, what: str) -> "Iterator[Table]":
        """The tables that are the items of a list."""
        value = self.values.get(name, [])
        if not isinstance(value, list):
            self.fault(name, f"Give a list of {what}s.")
            return
        for index, item in enumerate(value):
            path = f"{self.at(name)}[{index}]"
            if isinstance(item, Mapping):
                yield Table(item, kind, self._faults, path)
            else:
                self.fault_at(path, f"A {what} is a table.")

    def _matching(self, name: str, pattern: re.Pattern[str], default: str, message: str) -> str:
        value = self.values.get(name, default)
        if isinstance(value, str) and (pattern.fullmatch(value) or (name not in self)):
            return value
        self.fault(name, message)
        return str(self.values.get(name, "") if default is _ABSENT else default)

    def _checked(self, name: str, check: Callable[[str], str], *, longest: int, least: int) -> str:
        before = len(self._faults)
        value = self.text(name, longest=longest, least=least)
        if len(self._faults) == before:
            self._check(self.at(name), value, check)
        return value if len(self._faults) == before else ""

    def _check(self, path: str, value: Any, check: Callable[[Any], str]) -> None:
        if message := check(value):
            self.fault_at(path, message)


def texts_of(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text in ``value`` with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from texts_of(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts_of(item, f"{path}[{index}]")
