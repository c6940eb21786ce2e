"""Signs of life of processes, by name: the only writer of Pulse. Telemetry, so nothing here records events.

``executor:HOST:PID`` beats while an executor runs, ``ping:main`` whenever the main cluster begins or ends a job.
"""

import os
import socket
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now

from orchestra.kernel import right_of_way
from orchestra.kernel.clock import database_now
from orchestra.kernel.models import Pulse

HOST = socket.gethostname()
EXECUTOR = "executor"
MAIN = "ping:main"
KEPT_FOR = timedelta(days=1)


def of_process(kind: str) -> str:
    """The name of this process's pulse."""
    return f"{kind}:{HOST}:{os.getpid()}"


def beat(name: str, detail: Mapping[str, Any] | None = None) -> None:
    """Show life, by the database's clock; one statement."""
    with right_of_way.announced():
        Pulse.objects.bulk_create(
            [Pulse(name=name, beat_at=Now(), detail=dict(detail or {}))],
            update_conflicts=True,
            unique_fields=["name"],
            update_fields=["beat_at", "detail"],
        )


def end(name: str) -> None:
    """Say goodbye: what bore this name has given back all it held."""
    Pulse.objects.filter(name=name).delete()


def alive(kind: str, *, within_s: float) -> QuerySet[Pulse]:
    """The pulses of ``kind`` (``executor``, or ``executor:HOST``) that beat within the last ``within_s``."""
    since = database_now() - timedelta(seconds=within_s)
    return Pulse.objects.filter(name__startswith=kind, beat_at__gt=since)


def last_beat(name: str) -> datetime | None:
    """When ``name`` last showed life, by the database's clock; None if it never did."""
    return Pulse.objects.filter(name=name).values_list("beat_at", flat=True).first()


def forget_old() -> int:
    """Remove the pulses of processes that ended long ago without a goodbye. Returns how many."""
    return Pulse.objects.filter(beat_at__lt=database_now() - KEPT_FOR).delete()[0]
