"""What a kind of agent is: a way to perform a call, and a schema of its configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from agents.outcomes import Call, Outcome


@dataclass(frozen=True, slots=True)
class ConfigFault:
    """A fault of a configuration and the field it lies in."""

    path: str
    message: str


class Kind(Protocol):
    """One file under ``agents/kinds/`` holds one; docs/adding-an-agent.md says how to add another."""

    def faults(self, config: Mapping[str, Any]) -> list[ConfigFault]:
        """What is wrong with a configuration; an empty list if nothing is."""

    async def perform(self, config: Mapping[str, Any], call: Call) -> Outcome:
        """Do the call. May raise AgentError; must end soon after being cancelled."""
