"""What a resource must be like: wanted specifications against those that it has. Pure.

A want is a value that must be equal, or a table with one comparison: ``{at_least: 5}``, ``{at_most: 5}``,
``{in: [a, b]}``, ``{range: [2, 8]}``. A truth value is no number here, though it is one in Python.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from orchestra.kernel.errors import FieldError

Specs = Mapping[str, Any]
"""What a resource has: by property a text, a number or a truth value."""
Wants = Mapping[str, Any]

COMPARISONS = ("at_least", "at_most", "in", "range")
MAX_SPECS = 50
MAX_CHOICES = 100
LONGEST = 200
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")


def matches(wants: Wants, specs: Specs) -> bool:
    """Whether something with ``specs`` will do; what it does not say of itself, it does not have."""
    return all(name in specs and _fits(want, specs[name]) for name, want in wants.items())


def waste(wants: Wants, specs: Specs) -> tuple[int, float]:
    """How much better than wanted something with ``specs`` is: properties not asked for, and excess over bounds."""
    excess = sum(_excess(want, specs[name]) for name, want in wants.items() if name in specs)
    return sum(name not in wants for name in specs), excess


def say(wants: Wants) -> str:
    """The wants in words: ``size large, pages at least 5``; empty without any."""
    return ", ".join(f"{name} {_say(want)}" for name, want in wants.items())


def faults_of_specs(specs: Any, path: str = "specs") -> Iterator[FieldError]:
    """What is wrong with the specifications of a resource."""
    for name, value, where in _properties(specs, path):
        if _NAME.fullmatch(name) is None:
            yield _fault(where, "Give a name of letters, digits and underscores that begins with a letter.")
        elif not _is_value(value):
            yield _fault(where, f"Give a text of at most {LONGEST} characters, a number, true or false.")
    yield from _fault_of_table(specs, path)


def faults_of_wants(wants: Any, path: str = "specs") -> Iterator[FieldError]:
    """What is wrong with the wants of a definition, with the path of each fault."""
    for _, want, where in _properties(wants, path):
        if isinstance(want, Mapping):
            yield from _faults_of_comparison(want, where)
        elif not _is_value(want):
            yield _fault(where, f"Give a value that it must have, or one of {_such_as()}.")
    yield from _fault_of_table(wants, path)


def _properties(table: Any, path: str) -> Iterator[tuple[str, Any, str]]:
    if isinstance(table, Mapping):
        for name, value in table.items():
            yield str(name), value, f"{path}.{name}"


def _fault_of_table(table: Any, path: str) -> Iterator[FieldError]:
    if not isinstance(table, Mapping):
        yield _fault(path, "Give a table of properties, for example {size: large}.")
    elif len(table) > MAX_SPECS:
        yield _fault(path, f"Give at most {MAX_SPECS} properties.")


def _faults_of_comparison(want: Mapping[Any, Any], where: str) -> Iterator[FieldError]:
    if len(want) != 1 or next(iter(want)) not in COMPARISONS:
        yield _fault(where, f"Give one comparison: {_such_as()}.")
        return
    ((comparison, bound),) = want.items()
    message = _CHECKS[comparison](bound)
    if message:
        yield _fault(f"{where}.{comparison}", message)


def _of_bound(bound: Any) -> str:
    return "" if _is_number(bound) else "Give a number."


def _of_choices(choices: Any) -> str:
    if isinstance(choices, list | tuple) and 0 < len(choices) <= MAX_CHOICES and all(map(_is_value, choices)):
        return ""
    return f"Give a list of 1 to {MAX_CHOICES} values."


def _of_range(bounds: Any) -> str:
    if not (isinstance(bounds, list | tuple) and len(bounds) == 2 and all(map(_is_number, bounds))):
        return "Give two numbers, the lowest and the highest that will do."
    return "" if bounds[0] <= bounds[1] else "The first number is above the second; exchange them."


_CHECKS: Mapping[str, Callable[[Any], str]] = {
    "at_least": _of_bound,
    "at_most": _of_bound,
    "in": _of_choices,
    "range": _of_range,
}


def _fits(want: Any, value: Any) -> bool:
    if not isinstance(want, Mapping):
        return _equal(want, value)
    ((comparison, bound),) = want.items()
    if comparison == "in":
        return any(_equal(each, value) for each in bound)
    if not _is_number(value):
        return False
    if comparison == "at_least":
        return bool(value >= bound)
    if comparison == "at_most":
        return bool(value <= bound)
    return bool(bound[0] <= value <= bound[1])


def _excess(want: Any, value: Any) -> float:
    """By how much of the bound the value goes beyond it; 0 where there is no better or worse."""
    if not isinstance(want, Mapping) or not _is_number(value):
        return 0.0
    ((comparison, bound),) = want.items()
    if comparison not in ("at_least", "at_most"):
        return 0.0
    return abs(float(value) - float(bound)) / max(1.0, abs(float(bound)))


def _equal(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 1e15


def _is_value(value: Any) -> bool:
    return isinstance(value, bool) or _is_number(value) or (isinstance(value, str) and 0 < len(value) <= LONGEST)


def _say(want: Any) -> str:
    if not isinstance(want, Mapping):
        return _word(want)
    ((comparison, bound),) = want.items()
    if comparison == "in":
        return f"one of {', '.join(map(_word, bound))}"
    if comparison == "range":
        return f"from {_word(bound[0])} to {_word(bound[1])}"
    return f"{comparison.replace('_', ' ')} {_word(bound)}"


def _word(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _such_as() -> str:
    examples: Sequence[str] = ("{at_least: 5}", "{at_most: 5}", "{in: [a, b]}", "{range: [2, 8]}")
    return f"{', '.join(examples[:-1])} or {examples[-1]}"


def _fault(path: str, message: str) -> FieldError:
    return {"path": path, "message": message}
