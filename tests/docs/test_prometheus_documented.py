"""docs/prometheus.md names every series that Prometheus is given, with its type, and every figure of measures."""

import re
from pathlib import Path

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from monitoring.metrics.catalogue import METRICS
from monitoring.metrics.figures import FIGURES
from monitoring.models import Tick
from monitoring.prometheus import exposition
from tests.silent_writes import arranged

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "prometheus.md").read_text()
ROW = re.compile(r"^\| (`orchestra_.+?`) \| (\w+) \|", re.MULTILINE)


@pytest.mark.django_db
def test_every_series_is_documented_with_its_type_and_no_other():
    documented = {name: kind for names, kind in ROW.findall(DOCUMENT) for name in re.findall(r"`(\w+)`", names)}

    with arranged():
        Tick.objects.create(at=int(timezone.now().timestamp()), holder="test")
    families = list(text_string_to_metric_families(exposition.answer().decode()))

    assert documented == {
        f"{family.name}_total" if family.type == "counter" else family.name: family.type for family in families
    }


def test_every_figure_that_is_not_collected_by_ticks_is_documented():
    for name in FIGURES.keys() - METRICS.keys():
        assert f"`{name}`" in DOCUMENT
