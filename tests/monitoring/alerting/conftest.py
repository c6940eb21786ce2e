"""Agents for the tests of alerting."""

from tests.agents.conftest import make_agent  # noqa: F401  used as a fixture
