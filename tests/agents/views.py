"""An agent as executors see it, for the tests of pure modules."""

from agents.snapshot import AgentView

WRITER = AgentView(
    id=1,
    name="writer",
    kind="python",
    status="online",
    capabilities=frozenset({"draft"}),
    slots=2,
    config={},
    secrets={},
    model="python",
    version="",
    circuit="closed",
    probe_at=None,
    success_rate=1.0,
    response_s=0.0,
)
