"""The answer to Prometheus: read from the database at each scrape, so that every web process says the same.

In Prometheus' text format whatever is asked for: every version reads it, and it is quicker to write than OpenMetrics.
"""

from collections.abc import Iterator

from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from monitoring.models import Tick
from monitoring.prometheus import fleet, text, watch, work

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class FromDatabase(Collector):
    """Everything there is, as of now; it keeps nothing between two scrapes."""

    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
        last = Tick.objects.order_by("-at").first()
        yield from fleet.families(now)
        yield from work.families(now, last)
        yield from watch.families(now, last)


def answer() -> bytes:
    """The text, with names and units as Prometheus wants them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FromDatabase())
    return text.written(registry.collect())
