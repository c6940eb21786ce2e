"""What two versions of a definition say differently, step by step. Pure.

Steps are matched by name, so moving one changes nothing but what it needs: a step that does not say what it needs needs
the one above it, and that is written out before the comparison.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ADDED, REMOVED, CHANGED = "added", "removed", "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """A field, or a whole step, that one of two definitions has and the other has not, or has differently.

    ``path`` names a step by its name: ``steps.payment.retry.attempts``.
    """

    path: str
    before: Any
    after: Any
    kind: str


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """From ``before`` to ``after``, in the order in which ``after`` says it, what was removed last."""
    return list(_differences(_by_name(before), _by_name(after), ""))


def _by_name(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition with its steps as a table by name."""
    steps: dict[str, Any] = {}
    above: list[str] = []
    for step in definition["steps"]:
        steps[step["name"]] = {"needs": above, **step}
        above = [step["name"]]
    return {**definition, "steps": steps}


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], path: str) -> Iterator[Change]:
    for name, new in after.items():
        where = f"{path}.{name}".lstrip(".")
        if name not in before:
            yield Change(where, None, new, ADDED)
        elif isinstance(before[name], Mapping) and isinstance(new, Mapping):
            yield from _differences(before[name], new, where)
        elif not _same(before[name], new):
            yield Change(where, before[name], new, CHANGED)
    for name, old in before.items():
        if name not in after:
            yield Change(f"{path}.{name}".lstrip("."), old, None, REMOVED)


def _same(before: Any, after: Any) -> bool:
    """True is not 1 here, though Python says so."""
    return bool(before == after) and isinstance(before, bool) == isinstance(after, bool)
