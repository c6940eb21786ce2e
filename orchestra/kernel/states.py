"""State machines as tables. Nothing else writes a status field.

Each status field has one :class:`Machine` beside its TextChoices. A single move is a compare-and-set UPDATE: one row
changed means it is yours. Bulk moves are either one UPDATE (:meth:`Machine.move_all`) or staged in memory on rows that
the caller has locked, and saved together (:meth:`Machine.stage`, :func:`save_all`).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from orchestra.kernel import bulk
from orchestra.kernel.errors import IllegalTransition

Row = TypeVar("Row", bound=Model)


class Machine:
    """The transition table of one status field: from each state, the states that may follow."""

    def __init__(self, transitions: Mapping[str, Collection[str]], *, field: str = "status") -> None:
        self.field = field
        self.transitions = {str(state): frozenset(map(str, after)) for state, after in transitions.items()}
        unknown = {after for follow in self.transitions.values() for after in follow} - self.transitions.keys()
        if unknown:
            raise ValueError(f"The transition table leads to states it does not list: {', '.join(sorted(unknown))}.")

    def allows(self, before: str, after: str) -> bool:
        return str(after) in self.transitions[str(before)]

    def sources(self, after: str) -> list[str]:
        """The states from which ``after`` may be reached."""
        return [state for state, follow in self.transitions.items() if str(after) in follow]

    def terminal(self) -> list[str]:
        return [state for state, follow in self.transitions.items() if not follow]

    def check(self, before: str, after: str) -> None:
        """Raise :class:`IllegalTransition` unless the table allows it."""
        if self.allows(before, after):
            return
        if str(before) == str(after):
            raise IllegalTransition(f"This is {_words(before)} already.")
        raise IllegalTransition(
            f"This is {_words(before)}, from where it cannot become {_words(after)}; "
            "reload it and choose one of the actions it offers."
        )

    def move(self, row: Model, after: str, **changes: Any) -> bool:
        """Move one row if it still is in the state that ``row`` shows; False if somebody was faster.

        ``changes`` are written in the same UPDATE, and to ``row`` when it succeeds.
        """
        before = str(getattr(row, self.field))
        self.check(before, str(after))
        values = {self.field: str(after), **changes}
        manager = type(row)._default_manager
        moved = manager.filter(pk=row.pk, **{self.field: before}).update(**values) == 1
        if moved:
            for name, value in values.items():
                setattr(row, name, value)
        return moved

    def move_all(self, rows: QuerySet[Any], after: str, **changes: Any) -> int:
        """Move those of ``rows`` from where the table allows it, in one UPDATE; returns how many."""
        movable = rows.filter(**{f"{self.field}__in": self.sources(str(after))})
        return movable.update(**{self.field: str(after)}, **changes)

    def stage(self, row: Model, after: str) -> None:
        """Move a row in memory; the caller holds its lock and saves it with :func:`save_all`."""
        self.check(str(getattr(row, self.field)), str(after))
        setattr(row, self.field, str(after))


def _words(state: str) -> str:
    return state.replace("_", " ")


def save_all(model: type[Row], rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Write ``columns`` of rows that were staged, whose locks the caller holds, and insert those that are new."""
    known = [row for row in rows if row.pk is not None]
    bulk.execute(bulk.change(model, known, columns), bulk.insertion_of(model, [row for row in rows if row.pk is None]))
