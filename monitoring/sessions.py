"""Whose open connections may stay open. Reads only; Django's sign-in writes the sessions."""

from collections.abc import Collection

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from orchestra.kernel.models import User


def lasting(keys: Collection[str]) -> set[str]:
    """Those of ``keys`` whose session goes on: neither signed out nor expired, of an active person, same password."""
    rows = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    contents = {row.session_key: row.get_decoded() for row in rows}
    people = User.objects.filter(is_active=True).in_bulk({content.get(SESSION_KEY) for content in contents.values()})
    return {
        key
        for key, content in contents.items()
        if (person := people.get(int(content.get(SESSION_KEY, 0)))) is not None
        and constant_time_compare(content.get(HASH_SESSION_KEY, ""), person.get_session_auth_hash())
    }
