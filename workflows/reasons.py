"""A reason for waiting as a value, and the words that reasons share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

MOST_NAMES = 3


@dataclass(frozen=True, slots=True)
class Reason:
    """``code`` is for programs, ``detail`` a sentence, ``link`` an address that shows what it waits for, or nothing."""

    code: str
    detail: str
    link: str = ""


def listed(names: Sequence[str], word: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``, ``a, b, c and 4 more``; ``nothing`` without any."""
    if not names:
        return "nothing"
    shown = [*names[:MOST_NAMES], *([f"{len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else [])]
    return f" {word} ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def clock(moment: datetime, now: datetime) -> str:
    """A moment as people say it: the time, with the date where that is another day."""
    local = timezone.localtime(moment)
    return f"{local:%H:%M:%S}" if local.date() == timezone.localdate(now) else f"{local:%d %b %H:%M}"
