"""A registered function that behaves as it is told."""

import asyncio
import json
from typing import Any

from agents.kinds.python import FUNCTIONS, function
from agents.outcomes import AgentError, Call, Fault
from tests.agents.kinds import stage

NAME = "contract.play"
NEVER_LATER = "A function returns its answer; an agent that answers later is of another kind."


class PythonStage(stage.Stage):
    kind = "python"
    lacks = {
        stage.ENDLESS: "A function returns a value at once or not at all, which is a timeout.",
        stage.PENDING: NEVER_LATER,
        stage.GARBLED_PENDING: NEVER_LATER,
    }
    bad_configs = [({}, "config.function"), ({"function": "os.system"}, "config.function")]

    async def open(self, settings: Any) -> None:
        self.config = {"function": NAME}
        function(NAME)(self.play)

    async def close(self) -> None:
        del FUNCTIONS[NAME]

    async def play(self, call: Call) -> Any:
        self.calls.append((call.key, call.attempt))
        match call.input["behaviour"]:
            case stage.FAILS:
                raise AgentError("The printer is out of paper.", retry_after_s=7)
            case stage.REFUSES:
                raise AgentError("There is no such country.", retryable=False, fault=Fault.CALLER)
            case stage.GARBLED:
                raise AgentError(stage.GARBLED_WORDS)
            case stage.SLEEPS:
                await asyncio.sleep(60)
            case stage.CRASHES:
                raise ZeroDivisionError("division by zero")
            case stage.NOT_JSON:
                return object()
            case stage.TOO_LARGE:
                return {"text": "x" * 50_000_000}
            case stage.TOO_DEEP:
                return json.loads("[" * 100 + "]" * 100)
            case stage.NUL:
                return {"text": "a\x00b"}
        return {"echo": call.input["behaviour"]}
