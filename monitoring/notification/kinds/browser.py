"""In the browser: open pages fetch what is new and show it; there is nowhere to send it to."""

from collections.abc import Mapping
from typing import Any

from monitoring.notification.letters import Letter
from orchestra.kernel.errors import FieldError


class BrowserKind:
    """Shown to whoever has a page open, and as a desktop notification to those who switched that on."""

    about = "Shown in open pages, and as desktop notifications to those who switched them on."
    schema: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
    secrets: Mapping[str, str] = {}

    def faults(self, config: Mapping[str, Any], secrets: Mapping[str, str]) -> list[FieldError]:
        return [{"path": "config", "message": "It has no settings; leave them out."}] if config else []

    def send(self, config: Mapping[str, Any], secrets: Mapping[str, str], letter: Letter) -> str:
        return "Pages that are open show it by themselves."
