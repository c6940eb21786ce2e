"""People: a call to one waits until somebody claims it and answers."""

from collections.abc import Mapping
from typing import Any

from agents.kinds.base import ConfigFault
from agents.outcomes import Call, Outcome, Pending


class HumanKind:
    """Configuration: none."""

    schema: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
    secrets: Mapping[str, str] = {}

    def faults(self, config: Mapping[str, Any]) -> list[ConfigFault]:
        return [ConfigFault(f"config.{name}", "A person has no such setting.") for name in config]

    async def perform(self, config: Mapping[str, Any], call: Call) -> Outcome:
        return Pending("a person")
