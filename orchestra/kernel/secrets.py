"""Secrets at rest (encrypted with the newest of ENCRYPTION_KEYS) and on screen (masked by key name)."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models

from orchestra.kernel.errors import OrchestraError

MASK = "••••"
_SECRET_NAME = re.compile(r"passw|secret|token|api_?key|authorization|card_?(number|no)?$|cvc|cvv|iban", re.IGNORECASE)


class UnreadableSecret(OrchestraError):
    """A stored secret cannot be read with ENCRYPTION_KEYS; put the key it was written with back into .env."""

    code = "unreadable_secret"


def _cipher() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


def encrypt(text: str) -> str:
    return _cipher().encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """The text; raises :class:`UnreadableSecret` where none of the keys fits."""
    try:
        return _cipher().decrypt(token.encode()).decode()
    except InvalidToken:
        raise UnreadableSecret from None


def rotate(token: str) -> str:
    """The same secret, encrypted with the newest key."""
    try:
        return _cipher().rotate(token.encode()).decode()
    except InvalidToken:
        raise UnreadableSecret from None


def fingerprint(key: str) -> str:
    """What identifies a key without giving it away: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def is_secret(name: str) -> bool:
    """Whether what has this name is hidden."""
    return _SECRET_NAME.search(name) is not None


def mask(value: Any) -> Any:
    """A copy of a JSON-like value in which everything under a secret's name reads ``••••``."""
    if isinstance(value, Mapping):
        return {key: MASK if is_secret(str(key)) and item else mask(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask(item) for item in value]
    return value


def restore(value: Any, stored: Any) -> Any:
    """``value`` with what :func:`mask` hid put back from ``stored``: a form that shows masks leaves secrets alone."""
    if isinstance(value, Mapping) and isinstance(stored, Mapping):
        return {
            key: stored[key] if item == MASK and key in stored else restore(item, stored.get(key))
            for key, item in value.items()
        }
    if isinstance(value, list) and isinstance(stored, list | tuple) and len(value) == len(stored):
        return [restore(item, before) for item, before in zip(value, stored, strict=True)]
    return value


class EncryptedJSONField(models.TextField):
    """A JSON value that is encrypted in the database; it cannot be searched."""

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else encrypt(json.dumps(value))

    def from_db_value(self, value: str | None, *_: Any) -> Any:
        return None if value is None else json.loads(decrypt(value))

    def to_python(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    def value_to_string(self, obj: models.Model) -> str:
        return json.dumps(self.value_from_object(obj))
