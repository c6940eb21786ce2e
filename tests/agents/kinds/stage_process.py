"""A process that behaves as it is told; each call has one for itself, as a call by hand has."""

import json
import tempfile
from pathlib import Path
from typing import Any

from tests.agents.kinds import stage


class ProcessStage(stage.Stage):
    kind = "process"
    retryable = (stage.NOT_JSON, stage.TOO_LARGE, stage.ENDLESS)
    bad_configs = [
        ({}, "config.command"),
        ({"command": "/bin/sh"}, "config.command"),
        ({"command": "echo", "startup_s": 0}, "config.startup_s"),
        ({"command": "echo", "options": []}, "config.options"),
        ({"command": "echo", "words": ["sh"]}, "config.words"),
    ]

    async def open(self, settings: Any) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.journal = Path(self.folder.name, "journal")
        self.config = {"command": "wild", "options": {"journal": str(self.journal)}}

    async def close(self) -> None:
        self.folder.cleanup()

    @property
    def calls(self) -> list[tuple[str, int]]:
        """What the process has noted so far."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [(key, attempt) for key, attempt in map(json.loads, lines)]

    @calls.setter
    def calls(self, none: list[tuple[str, int]]) -> None:
        """It is in another process, which writes a file."""
