"""Canonical text and digests of events: the pure half of the audit chain. docs/events.md states the format in words."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

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

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_encode_sorted = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True, default=str
).encode


def moment(at: datetime) -> str:
    """An instant as the hash sees it: UTC, ISO 8601, always six digits of a second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def text(value: Any) -> str:
    """``value`` as JSON text with sorted keys; what JSON does not know (dates, decimals) becomes its string."""
    return _encode_sorted(value)


def event_hash(values: Sequence[str | int]) -> str:
    """SHA-256 over the JSON array of the values of :data:`COLUMNS`, instants already as :func:`moment` gives them."""
    return hashlib.sha256(_encode(values).encode()).hexdigest()


def detail_digest(salt: str, before: str, after: str, reason: str) -> str:
    """SHA-256 over salt, before, after and reason: without the salt, a guess at the content cannot be confirmed."""
    return hashlib.sha256(_encode([salt, before, after, reason]).encode()).hexdigest()


def column_values(row: Iterable[Any]) -> list[str | int]:
    """A row of :data:`COLUMNS` as read from the database, ready for :func:`event_hash`."""
    return [moment(value) if isinstance(value, datetime) else value for value in row]
