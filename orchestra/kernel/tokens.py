"""Keys to the API: made of randomness, stored as digests. ``accounts.py`` writes them; ``touch`` is telemetry."""

import hashlib
import secrets
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from orchestra.kernel.models import ApiToken

PREFIX_LENGTH = 8


def new_key() -> str:
    """256 random bits, as URL-safe text."""
    return secrets.token_urlsafe(32)


def digest(key: str) -> str:
    """SHA-256: enough for a key that nobody can guess, and quick to look up."""
    return hashlib.sha256(key.encode()).hexdigest()


def find(key: str) -> ApiToken | None:
    """The token with this key, whether it is still valid or not."""
    return ApiToken.objects.select_related("user").filter(digest=digest(key)).first()


def touch(token: ApiToken, *, every: timedelta) -> None:
    """Note that the token was used, at most once in ``every``; only one of several requests at a time writes."""
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at <= now - every:
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - every)
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
