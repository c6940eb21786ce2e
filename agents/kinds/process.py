"""Programs as agents: a process that an executor keeps and speaks with in JSON lines, see docs/processes.md.

Which programs there are, the setting COMMANDS says. A process of an agent runs in the executor that holds it
(``agents/processes.py``), which alone calls it; a call by hand, of no agent in particular, has a process for itself.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from agents.kinds import commands, protocol
from agents.kinds.base import ConfigFault, faults_of_schema
from agents.kinds.pipes import Process
from agents.outcomes import AgentError, Call, Fault, Outcome

STARTUP_S = 30
NOT_HERE = "Its process does not run here at the moment; another executor may have it, or it is being started."


class ProcessKind:
    """Configuration: the command, options that each call brings along, and how long the start may take."""

    secrets: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.running: dict[int, Process] = {}
        """The processes of this executor that can be called, by agent; changed on its loop only."""

    @property
    def schema(self) -> Mapping[str, Any]:
        return {
            "type": "object",
            "properties": {
                "command": {
                    "type": "string",
                    "title": "Command",
                    "description": "A program that the setting COMMANDS names, or one that comes with Orchestra.",
                    "enum": commands.names(),
                },
                "options": {
                    "type": "object",
                    "title": "Options",
                    "description": 'The process reads them in each call, under "config".',
                    "default": {},
                },
                "startup_s": {
                    "type": "integer",
                    "title": "Seconds to start",
                    "description": "A process that has not said by then that it is ready is started anew.",
                    "minimum": 1,
                    "maximum": 600,
                    "default": STARTUP_S,
                },
            },
            "required": ["command"],
            "additionalProperties": False,
        }

    def faults(self, config: Mapping[str, Any]) -> list[ConfigFault]:
        return faults_of_schema(self.schema, config)

    async def perform(self, config: Mapping[str, Any], call: Call) -> Outcome:
        if not call.agent:
            return await _perform_alone(config, call)
        process = self.running.get(call.agent)
        if process is None:
            raise AgentError(NOT_HERE, fault=Fault.LOST)
        return await _perform(process, call)


async def start(config: Mapping[str, Any]) -> Process:
    """Start the process that ``config`` names. Raises AgentError."""
    command = commands.find(str(config.get("command")))
    if command is None:
        known = ", ".join(commands.names())
        raise AgentError(f"This host knows no command {config.get('command')}; its COMMANDS have {known}.")
    return await Process.start(command)


def startup_s(config: Mapping[str, Any]) -> float:
    return float(config.get("startup_s") or STARTUP_S)


async def _perform(process: Process, call: Call) -> Outcome:
    """One call among others. If its time is over the whole process goes, since it cannot be trusted with its slots."""
    due = time.monotonic() + (call.deadline - timezone.now()).total_seconds()
    try:
        return protocol.outcome_of(await process.call(protocol.message(call)))
    except asyncio.CancelledError:
        if time.monotonic() >= due:
            process.kill("A call to it was not answered in time, so its process was killed.")
        else:
            process.give_up(protocol.identifier(call))
        raise


async def _perform_alone(config: Mapping[str, Any], call: Call) -> Outcome:
    process = await start(config)
    try:
        await process.ready(startup_s(config))
        return protocol.outcome_of(await process.call(protocol.message(call)))
    finally:
        process.kill("The call by hand is over.")
        await process.ended.wait()
