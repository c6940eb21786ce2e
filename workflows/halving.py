"""Work on many rows at once that must not be stopped by one of them."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from django.db import InterfaceError, OperationalError

logger = logging.getLogger(__name__)
Item = TypeVar("Item")


def each_group(items: Sequence[Item], work: Callable[[Sequence[Item]], int], give_up: Callable[[Item], None]) -> int:
    """``work`` on all of ``items`` in one unit; if that raises, on halves of them, until the culprit is alone.

    That one is given up by ``give_up``, which puts it off, and logged. Returns the sum of what ``work`` returned. A
    database that is away stops all of it, for its caller to try again.
    """
    if not items:
        return 0
    try:
        return work(items)
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # the clock's edge: one bad row must never stop what is due for all others
        if len(items) == 1:
            logger.exception("What is due for %s failed; it is put off", items[0])
            give_up(items[0])
            return 0
    middle = len(items) // 2
    return each_group(items[:middle], work, give_up) + each_group(items[middle:], work, give_up)
