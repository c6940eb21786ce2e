"""Figures for the pages that draw them."""

from tests.agents.conftest import make_agent  # noqa: F401  used as a fixture
from tests.monitoring.metrics.conftest import gauged, sampled  # noqa: F401  likewise
from tests.workflows.conftest import publish  # noqa: F401  likewise
