"""What a kind of agent is: a way to perform a call, and a schema of its configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from agents.outcomes import Call, Outcome
from orchestra.kernel import outgoing, schemas, secrets
from orchestra.kernel.errors import FieldError


@dataclass(frozen=True, slots=True)
class ConfigFault:
    """A fault of a configuration and the field it lies in."""

    path: str
    message: str


class Kind(Protocol):
    """One file under ``agents/kinds/`` holds one; docs/adding-an-agent.md says how to add another."""

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema of its configuration, of which its form is made: properties with title and description."""

    @property
    def secrets(self) -> Mapping[str, str]:
        """The secrets that it uses, and what each is for; they are stored encrypted and never shown."""

    def faults(self, config: Mapping[str, Any]) -> list[ConfigFault]:
        """What is wrong with a configuration; an empty list if nothing is."""

    async def perform(self, config: Mapping[str, Any], call: Call) -> Outcome:
        """Do the call. May raise AgentError; must end soon after being cancelled."""


def faults_of_schema(schema: Mapping[str, Any], config: Mapping[str, Any]) -> list[ConfigFault]:
    """What of ``config`` does not fit ``schema``, by path; what is missing or too much is named itself."""
    properties = schema.get("properties", {})
    missing = [name for name in schema.get("required", ()) if name not in config]
    unknown = [name for name in config if name not in properties and schema.get("additionalProperties") is False]
    known = ", ".join(properties) or "none"
    others = [fault for fault in schemas.faults(schema, config, "config") if not _is_named_above(fault)]
    return [
        *(ConfigFault(f"config.{name}", "This is needed.") for name in missing),
        *(ConfigFault(f"config.{name}", f"There is no such setting; known: {known}.") for name in unknown),
        *(ConfigFault(fault["path"], fault["message"]) for fault in others),
    ]


def fault_of_address(url: str, secret: str) -> str:
    """Why ``url`` may not be called or kept, or nothing; ``secret`` is where a key belongs that stands in it."""
    if fault := outgoing.fault_of(url):
        return fault
    for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        if secrets.is_secret(name.replace("-", "_")):
            return (
                f"Its parameter {name[:100]} holds a secret, and everyone sees it; use the secret “{secret}” instead."
            )
    return ""


def _is_named_above(fault: FieldError) -> bool:
    """Whether jsonschema says of the whole what we say of the one property."""
    said = fault["message"]
    about = said.endswith("is a required property") or said.startswith("Additional properties are not allowed")
    return fault["path"] == "config" and about
