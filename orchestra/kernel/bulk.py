"""Many rows in one statement, without building an SQL expression a value as ``bulk_create`` does (five times faster).

Rows are written as they are: no signals, no defaults of the database, no conflicts. Used where thousands of rows a
second are written (steps, events); anything else uses the ORM. PostgreSQL takes all rows as one JSON text, which costs
Python a tenth of what binding the values one by one costs; SQLite runs one prepared statement over all rows. The names
in the statements come from the models, never from outside.

What is written together should be given to :func:`execute` together: it goes to PostgreSQL in one message.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeVar

import orjson
from django.db import connection, models
from django.db.models import Model
from django.db.models.base import ModelState

Row = TypeVar("Row", bound=Model)
Adapt = Callable[[Any], Any]

_standard = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)


@dataclass(frozen=True, slots=True)
class Write:
    """A statement for many rows; ``keyless`` are the instances that get the keys which their insertion makes."""

    statement: str
    adapters: Sequence[Adapt | None]
    rows: Sequence[Sequence[Any]]
    keyless: Sequence[Model] = ()


def insertion(model: type[Row], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Write:
    """Insert tuples of values, in the order of ``columns`` (attribute names)."""
    statement, adapters = _insert_statement(model, tuple(columns), connection.vendor)
    return Write(statement, adapters, list(rows))


def insertion_of(model: type[Row], objects: Sequence[Row]) -> Write:
    """Insert model instances that have no primary key yet; they have one when this is executed."""
    is_named = connection.vendor != "postgresql"
    if is_named and objects:
        for instance, key in zip(objects, _free_keys(model, len(objects)), strict=True):
            _name(instance, key)
    columns, values = _all_columns(model, with_key=is_named)
    written = insertion(model, columns, map(values, objects))
    if is_named:
        return written
    column = connection.ops.quote_name(_key(model).column)
    return Write(f"{written.statement} RETURNING {column}", written.adapters, written.rows, objects)


def change(model: type[Row], objects: Sequence[Row], columns: Sequence[str]) -> Write:
    """As :func:`update`, to be executed together with others."""
    statement, adapters = _update_statement(model, tuple(columns), connection.vendor)
    values = attrgetter(*columns, _key(model).attname)
    return Write(statement.replace("{count}", str(len(objects))), adapters, [values(instance) for instance in objects])


def update(model: type[Row], objects: Sequence[Row], columns: Sequence[str]) -> None:
    """Write ``columns`` (attribute names) of existing rows, whose locks the caller holds."""
    execute(change(model, objects, columns))


def execute(*writes: Write, then: str = "") -> None:
    """Carry out ``writes`` in order, on PostgreSQL in one message; those without rows cost nothing.

    ``then`` is a statement for PostgreSQL at the end of the same message.
    """
    wanted = [write for write in writes if write.rows]
    if not wanted:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            text = "; ".join([*(write.statement for write in wanted), *([then] if then else [])])
            cursor.execute(text, [_table(write) for write in wanted])
            for write in wanted:
                if write.keyless:
                    for instance, (key,) in zip(write.keyless, cursor.fetchall(), strict=True):
                        _name(instance, key)
                cursor.nextset()
        else:
            for write in wanted:
                cursor.executemany(write.statement, _adapted(write.adapters, write.rows))


def _table(write: Write) -> str:
    """The rows as PostgreSQL takes them: a JSON text."""
    names = _column_names(len(write.adapters))
    return _json([dict(zip(names, row, strict=True)) for row in write.rows])


@lru_cache(maxsize=64)
def _column_names(count: int) -> list[str]:
    return [f"c{index}" for index in range(count)]


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:  # keys that are no texts, whole numbers beyond 64 bits
        return _standard.encode(value)


def _adapted(adapters: Sequence[Adapt | None], rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Rows with their special values in the database's form; done by column, since most columns need nothing."""
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    for index, adapt in enumerate(adapters):
        if adapt is not None:
            columns[index] = list(_each(adapt, columns[index]))
    return list(zip(*columns, strict=True))


def _each(adapt: Adapt, values: Iterable[Any]) -> Iterator[Any]:
    """Each value adapted; what is the very same as the one before, as instants often are, only once."""
    last = adapted = None
    for value in values:
        if value is not last:
            last, adapted = value, None if value is None else adapt(value)
        yield adapted


def fresh(model: type[Row], values: Mapping[str, Any], **related: Model) -> Row:
    """A new instance as ``model(**values, **related)`` makes it, without what that does for the sake of any model.

    ``values`` are by attribute names; ``related`` instances by their fields' names.
    """
    instance = model.__new__(model)
    attributes = instance.__dict__
    attributes["_state"] = ModelState()
    constants, made = _defaults(model)
    attributes.update(constants)
    for name, make in made:
        if name not in values:
            attributes[name] = make()
    attributes.update(values)
    for name, other in related.items():
        attributes[f"{name}_id"] = other.pk
        instance._state.fields_cache[name] = other
    return instance


@lru_cache(maxsize=16)
def _defaults(model: type[Model]) -> tuple[dict[str, Any], list[tuple[str, Callable[[], Any]]]]:
    """The defaults that are the same for all instances, and what makes the others."""
    constants, made = {}, []
    for field in model._meta.concrete_fields:
        default = getattr(field, "default", None)
        if callable(default) and default is not models.NOT_PROVIDED:
            made.append((field.attname, default))
        else:
            constants[field.attname] = field.get_default()
    return constants, made


def _name(instance: Model, key: int) -> None:
    instance.pk = key
    instance._state.adding = False


def _free_keys(model: type[Row], count: int) -> range:
    """``count`` free primary keys on SQLite, where the IMMEDIATE transaction keeps others from taking the same ones."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [model._meta.db_table])
        last = cursor.fetchone()
    first = (last[0] if last else 0) + 1
    return range(first, first + count)


@lru_cache(maxsize=64)
def _all_columns(model: type[Row], *, with_key: bool) -> tuple[tuple[str, ...], Callable[[Row], tuple[Any, ...]]]:
    """The attributes of all columns, and what reads their values off an instance."""
    columns = tuple(field.attname for field in model._meta.concrete_fields if with_key or not field.primary_key)
    return columns, attrgetter(*columns)


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
    """For PostgreSQL with a {count} to fill in: not knowing it, the planner would think of a hundred rows, and read the
    whole table for the sake of one.
    """
    fields = [*(_field(model, column) for column in columns), _key(model)]
    quote = connection.ops.quote_name
    table, key = quote(model._meta.db_table), quote(fields[-1].column)
    names = [quote(field.column) for field in fields]
    if vendor == "postgresql":
        changes = ", ".join(f"{name} = given.c{index}" for index, name in enumerate(names[:-1]))
        given = f"(SELECT * FROM {_records(fields)} LIMIT {{count}}) AS given"
        where = f"{table}.{key} = given.c{len(names) - 1}"
        return f"UPDATE {table} SET {changes} FROM {given} WHERE {where}", [None] * len(fields)
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
        return _json
    if isinstance(field, models.DateTimeField):
        return _instant
    if isinstance(field, models.UUIDField):
        return attrgetter("hex")
    if isinstance(field, models.CharField) and field.choices:
        return str
    return None


def _instant(at: datetime) -> Any:
    """As Django writes it on SQLite: in UTC, without saying so."""
    return at.isoformat(" ")[:-6] if at.tzinfo is UTC else connection.ops.adapt_datetimefield_value(at)
