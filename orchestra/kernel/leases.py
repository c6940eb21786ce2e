"""Named leases with fencing tokens: one holder at a time, until it releases, or until the lease expires."""

from datetime import timedelta

from django.db import transaction

from orchestra.kernel import right_of_way
from orchestra.kernel.clock import database_now
from orchestra.kernel.models import Lease


def take(name: str, holder: str, *, for_s: float) -> int | None:
    """Take or renew the lease; returns its token, or None while somebody else holds it.

    The token grows whenever the holder changes, so a late writer with an old token can be told from the new one.
    """
    with right_of_way.announced(), transaction.atomic():
        lease, _ = Lease.objects.select_for_update(no_key=True).get_or_create(
            name=name, defaults={"expires_at": database_now()}
        )
        now = database_now()  # after the row's lock, which may have been long in coming
        if lease.holder != holder:
            if lease.expires_at > now:
                return None
            lease.token += 1
            lease.holder = holder
        lease.expires_at = now + timedelta(seconds=for_s)
        lease.save()
        return lease.token


def release(name: str, holder: str) -> bool:
    """Give the lease back, if ``holder`` still has it."""
    return Lease.objects.filter(name=name, holder=holder).update(holder="", expires_at=database_now()) == 1
