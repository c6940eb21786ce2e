"""Workers elsewhere: one registers over the API, says that it lives, claims tasks and completes them.

So no executor ever calls one; ``agents/remote.py`` has its side of the API, and docs/remote-worker.md tells it.
"""

from collections.abc import Mapping
from typing import Any

from agents.kinds.base import ConfigFault, faults_of_schema
from agents.outcomes import AgentError, Call, Outcome

HEARTBEAT_S = 15.0
"""A worker that was silent for so long counts as offline, unless its agent says otherwise."""


class RemoteKind:
    """Configuration: ``options`` go with every task; ``heartbeat_s`` is how soon a silent worker counts as offline."""

    secrets: Mapping[str, str] = {}
    schema: Mapping[str, Any] = {
        "type": "object",
        "properties": {
            "options": {
                "type": "object",
                "title": "Options",
                "description": "What its worker is given with every task.",
            },
            "heartbeat_s": {
                "type": "number",
                "title": "Seconds until offline",
                "description": "How long its worker may be silent before it counts as offline.",
                "minimum": 2,
                "maximum": 3600,
                "default": HEARTBEAT_S,
            },
        },
        "additionalProperties": False,
    }

    def faults(self, config: Mapping[str, Any]) -> list[ConfigFault]:
        return faults_of_schema(self.schema, config)

    async def perform(self, config: Mapping[str, Any], call: Call) -> Outcome:
        raise AgentError("Its own worker claims its tasks; no executor can call it.", retryable=True)


def heartbeat_s(config: Mapping[str, Any]) -> float:
    """How long a worker with this configuration may be silent."""
    return float(config.get("heartbeat_s", HEARTBEAT_S))


def options(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a worker with this configuration is given with every task."""
    return dict(config.get("options", {}))
