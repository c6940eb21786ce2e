"""Names that only one object may have: the database decides, and a person hears which field to change."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from orchestra.kernel.errors import Conflict


@contextmanager
def name_taken_reported(what: str, name: str) -> Iterator[None]:
    """Raises :class:`Conflict` about the field ``name`` where the write inside finds the name taken.

    ``what`` is the kind of object with its article: ``an agent``. Two people may choose a name at the same time, so
    asking before the write would not do.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        message = f"There is {what} named {name} already; choose another name."
        raise Conflict(message, errors=[{"path": "name", "message": message}]) from None
