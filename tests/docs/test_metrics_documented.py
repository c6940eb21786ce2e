"""docs/metrics.md and the catalogue of metrics say the same."""

import re
from pathlib import Path

from monitoring.metrics.catalogue import METRICS
from monitoring.metrics.ratios import RATIOS
from orchestra.kernel.charts import UNITS

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (yes|) ?\| (.+) \|$", re.MULTILINE)


def test_every_metric_is_documented_as_it_is_and_no_other():
    documented = [match.groups() for match in ROW.finditer(DOCUMENT)]

    assert documented == [
        (metric.name, metric.unit, "yes" if metric.can_be_absent else "", metric.how) for metric in METRICS.values()
    ]


def test_every_metric_has_a_unit_that_charts_know():
    assert {metric.unit for metric in METRICS.values()} <= set(UNITS)


def test_every_metric_of_agents_is_computed():
    assert set(RATIOS) == {metric.name for metric in METRICS.values() if metric.kind == "agent"}
