"""A series of one's own, as a program sends it: ``[{"at": "2026-01-31T12:00:00Z", "value": 4.2}, …]``. Pure.

Read by hand, since there may be a hundred thousand of them. An instant without an offset is in UTC; a number is in
seconds since 1970. A value of null says that there is none.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from orchestra.kernel.errors import FieldError, Invalid, field_error

MOST = 200_000
MOST_FAULTS = 20
LATEST = 253_402_300_799.0
"""The last second of the year 9999."""

INSTANT = "Give an instant such as 2026-01-31T12:00:00Z, or seconds since 1970."
NUMBER = "Give a number, or null where nothing was measured."


def read(given: Any) -> list[tuple[float, float | None]]:
    """The samples as they came: instants in seconds since 1970, values. Raises :class:`Invalid` naming each bad one."""
    if not isinstance(given, list):
        raise field_error("samples", "Give a list of samples, each with at and value.")
    if not given:
        raise field_error("samples", "Give at least one sample, or leave samples out to replay what was recorded.")
    if len(given) > MOST:
        raise field_error("samples", f"Give at most {MOST:,} samples; these are {len(given):,}.")
    faults: list[FieldError] = []
    found: list[tuple[float, float | None]] = []
    for number, sample in enumerate(given):
        try:
            at, value = sample["at"], sample["value"]
            if len(sample) == 2 and (value is None or (isinstance(value, int | float) and not isinstance(value, bool))):
                found.append((instant(at), value))
                continue
        except (KeyError, TypeError, ValueError, OverflowError):
            pass
        faults += _faults(sample, f"samples[{number}]")
        if len(faults) >= MOST_FAULTS:
            break
    if faults:
        raise Invalid(errors=faults)
    return found


def instant(at: Any) -> float:
    """Seconds since 1970. Raises ValueError or TypeError for what is no instant."""
    if isinstance(at, str):
        read_at = datetime.fromisoformat(at)
        at = (read_at if read_at.tzinfo else read_at.replace(tzinfo=UTC)).timestamp()
    if isinstance(at, bool) or not isinstance(at, int | float) or not (math.isfinite(at) and 0 <= at <= LATEST):
        raise ValueError(INSTANT)
    return float(at)


def _faults(sample: Any, path: str) -> Sequence[FieldError]:
    """What is wrong with a sample that could not be read."""
    if not isinstance(sample, Mapping):
        return [{"path": path, "message": 'Give an object: {"at": …, "value": …}.'}]
    unknown = [name for name in sample if name not in ("at", "value")]
    found: list[FieldError] = [
        {"path": f"{path}.{name}"[:200], "message": "There is no such field; known are at, value."} for name in unknown
    ]
    try:
        instant(sample.get("at"))
    except (TypeError, ValueError, OverflowError):
        found.append({"path": f"{path}.at", "message": INSTANT})
    value = sample.get("value", "")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        found.append({"path": f"{path}.value", "message": NUMBER})
    return found
