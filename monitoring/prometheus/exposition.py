"""The answer to Prometheus: read from the database at each scrape, so that every web process says the same."""

from collections.abc import Iterator

from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from monitoring.models import Tick
from monitoring.prometheus import fleet, watch, work


class FromDatabase(Collector):
    """Everything there is, as of now; it keeps nothing between two scrapes."""

    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
        last = Tick.objects.order_by("-at").first()
        yield from fleet.families(now)
        yield from work.families(now, last)
        yield from watch.families(now, last)


def answer(accept: str) -> tuple[bytes, str]:
    """The text and its content type, in the form that ``accept`` asks for: Prometheus' own or OpenMetrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FromDatabase())
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
