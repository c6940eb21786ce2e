"""What is read at every turn of every executor, as SQL: the ORM took longer to build it than the database to answer it.

Statements say ``%s`` for a value and, where the two databases differ, one of :data:`WORDS`. What is read together goes
to PostgreSQL in one message; each statement still sees what was committed before it began, so that one may take a
lock, and the next read what the lock protects.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model
from django.db.models.base import ModelState
from django.utils.timezone import make_aware

Row = TypeVar("Row", bound=Model)
Statement = tuple[str, Sequence[Any]]
Convert = Callable[[Any], Any]

WORDS = {
    "postgresql": {
        "in": "= ANY(%s::bigint[])",
        "lock": "FOR NO KEY UPDATE",
        "lock_free": "FOR NO KEY UPDATE SKIP LOCKED",
    },
    "sqlite": {"in": "IN (SELECT value FROM json_each(%s))", "lock": "", "lock_free": ""},
}
"""``{in}``: is among these whole numbers. ``{lock}``: lock the rows. ``{lock_free}``: lock those that nobody else has
locked. On SQLite the transaction is alone anyway."""


def fetch(*statements: Statement) -> list[list[tuple[Any, ...]]]:
    """The rows of each of ``statements``, which are a text and its values."""
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            return [_fetch_one(cursor, text, values) for text, values in statements]
        text = "; ".join(_worded(text, "postgresql") for text, _ in statements)
        cursor.execute(text, [_given(value) for _, values in statements for value in values])
        found = [cursor.fetchall()]
        for _ in statements[1:]:
            cursor.nextset()
            found.append(cursor.fetchall())
        return found


def instances(model: type[Row], rows: Iterable[Sequence[Any]]) -> list[Row]:
    """Instances of ``model`` from rows of all its :func:`columns`."""
    names, converters = _reading(model, connection.vendor)
    found = []
    for row in rows:
        instance = model.__new__(model)
        attributes = instance.__dict__
        attributes.update(zip(names, row, strict=True))
        for name, convert in converters:
            attributes[name] = convert(attributes[name])
        attributes["_state"] = state = ModelState()
        state.adding, state.db = False, connection.alias
        found.append(instance)
    return found


@lru_cache(maxsize=16)
def columns(model: type[Model], table: str) -> str:
    """The columns of ``model`` for a SELECT, of the table called ``table`` there."""
    return ", ".join(f'{table}."{field.column}"' for field in model._meta.concrete_fields)


def instant(value: Any) -> datetime | None:
    """An instant as a row has it: on SQLite without its zone, and what is reckoned as a text."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return make_aware(at, UTC) if at is not None and at.tzinfo is None else at


def _fetch_one(cursor: Any, text: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    cursor.execute(_worded(text, "sqlite"), [_given(value) for value in values])
    return cursor.fetchall()


@lru_cache(maxsize=256)
def _worded(text: str, vendor: str) -> str:
    for name, word in WORDS[vendor].items():
        text = text.replace(f"{{{name}}}", word)
    return text


def _given(value: Any) -> Any:
    """A value in the database's form; several whole numbers are one value."""
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, Collection) and not isinstance(value, str):
        text = ",".join(map(str, map(int, value)))
        return f"{{{text}}}" if connection.vendor == "postgresql" else f"[{text}]"
    return value


@lru_cache(maxsize=16)
def _reading(model: type[Model], vendor: str) -> tuple[list[str], list[tuple[str, Convert]]]:
    """The attributes of a model, and how to read the columns which the database has in another form."""
    fields = model._meta.concrete_fields
    converters = [(field.attname, _converter(field)) for field in fields]
    return [field.attname for field in fields], [(name, convert) for name, convert in converters if convert]


def _converter(field: Any) -> Convert | None:
    column = field.cached_col
    steps = [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]
    if not steps:
        return None

    def convert(value: Any) -> Any:
        for step in steps:
            value = step(value, column, connection)
        return value

    return convert
