"""The figures of the system itself at a tick: its executors, its database, and the machine that collects."""

import shutil
from datetime import datetime, timedelta

import psutil
from django.conf import settings
from django.db import connection

from monitoring.models import Notification, NotificationStatus
from orchestra.kernel import health, pulses
from orchestra.kernel.statements import fetch

FAILED_WITHIN = timedelta(hours=1)
_DATABASE_BYTES = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}


class Processor:
    """The share of processor time that was used since it was last asked; the first time nothing is known."""

    def __init__(self) -> None:
        self._before: tuple[float, float] | None = None

    def used(self) -> float | None:
        """Between 0 and 1, over all processors of this machine."""
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        # What guests use is counted as user's time already.
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        before, self._before = self._before, (idle, total)
        if before is None or total <= before[1]:
            return None
        return min(1.0, max(0.0, 1 - (idle - before[0]) / (total - before[1])))


def figures(processor: Processor, now: datetime) -> dict[str, float | None]:
    """By metric; what could not be measured is None."""
    disk = shutil.disk_usage(settings.DATA_DIR)
    failing = Notification.objects.filter(status=NotificationStatus.FAILED, created_at__gt=now - FAILED_WITHIN)
    (((size,),),) = fetch((_DATABASE_BYTES[connection.vendor], []))
    return {
        "executors": pulses.alive(pulses.EXECUTOR, within_s=health.EXECUTOR_WITHIN_S).count(),
        "database_bytes": size,
        "disk_free": disk.free / disk.total,
        "memory_used": psutil.virtual_memory().percent / 100,
        "cpu_used": processor.used(),
        "notifications_failing": failing.count(),
    }
