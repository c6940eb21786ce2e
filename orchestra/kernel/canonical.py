"""Canonical text and digests of events: the pure half of the audit chain. docs/events.md states the format in words."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

FORMAT = 1
GENESIS = "0" * 64

COLUMNS = (
    "format",
    "number",
    "happened",
    "recorded",
    "actor_kind",
    "actor_id",
    "actor_label",
    "on_behalf_of",
    "actor_model",
    "actor_version",
    "correlation",
    "request",
    "action",
    "target_kind",
    "target_id",
    "target_label",
    "parent_kind",
    "parent_id",
    "parent_label",
    "outcome",
    "permission",
    "address",
    "detail_digest",
    "previous_hash",
)
"""What the hash covers, in this order; the hash itself comes last in the table."""

SAME_IN_BOTH = frozenset({str, int, bool, type(None)})
"""Types that orjson and the standard library write alike. They differ in fractions (``1e-05`` or ``0.00001``), dates
and what else the format leaves to the standard library."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_encode_sorted = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True, default=str
).encode


def moment(at: datetime) -> str:
    """An instant as the hash sees it: UTC, ISO 8601, always six digits of a second."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def text(value: Any) -> str:
    """``value`` as JSON text with sorted keys; what JSON does not know (dates, decimals) becomes its string."""
    if type(value) is dict and SAME_IN_BOTH.issuperset(map(type, value.values())):
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
        except TypeError:  # a key that is no text, a number beyond 64 bits, half of a surrogate pair
            pass
    return _encode_sorted(value)


def event_hash(values: Sequence[str | int]) -> str:
    """SHA-256 over the JSON array of the values of :data:`COLUMNS`, instants already as :func:`moment` gives them."""
    return hashlib.sha256(_encoded(values)).hexdigest()


def detail_digest(salt: str, before: str, after: str, reason: str) -> str:
    """SHA-256 over salt, before, after and reason: without the salt, a guess at the content cannot be confirmed."""
    return hashlib.sha256(_encoded([salt, before, after, reason])).hexdigest()


def _encoded(values: Sequence[str | int]) -> bytes:
    """A JSON array of texts and whole numbers."""
    try:
        return orjson.dumps(values)
    except TypeError:  # as above
        return _encode(values).encode()


def column_values(row: Iterable[Any]) -> list[str | int]:
    """A row of :data:`COLUMNS` as read from the database, ready for :func:`event_hash`."""
    return [moment(value) if isinstance(value, datetime) else value for value in row]
