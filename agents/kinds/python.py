"""Python functions as agents: registered by a decorator in the code, named by configuration, never by a dotted path.

An ``async`` function runs on the executor's loop and must not block it; any other runs in a thread. A thread cannot be
killed: on a timeout its step ends, its late result is refused, and the executor counts it as abandoned.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from agents.kinds.base import ConfigFault
from agents.observation import CALLS
from agents.outcomes import AgentError, Call, Done, Outcome
from agents.threads import Threads

Function = Callable[[Call], Any] | Callable[[Call], Awaitable[Any]]
TYPE_NAMES: Mapping[type, str] = {
    bool: "true or false",
    dict: "a table",
    float: "a number",
    int: "a whole number",
    list: "a list",
    str: "a text",
}


@dataclass(frozen=True, slots=True)
class Registered:
    """A function that agents may name: what it does, and the options it reads from the agent's configuration."""

    name: str
    call: Function
    summary: str
    options: Mapping[str, type]
    is_async: bool

    @property
    def options_in_words(self) -> str:
        """For example ``threshold (a number), language (a text)``."""
        return ", ".join(f"{name} ({TYPE_NAMES[wanted]})" for name, wanted in self.options.items())


FUNCTIONS: dict[str, Registered] = {}


def function(name: str, *, options: Mapping[str, type] | None = None) -> Callable[[Function], Function]:
    """Register a function under ``name``; its docstring's first line tells operators what it does."""
    unknown = set((options or {}).values()) - TYPE_NAMES.keys()
    if unknown:
        raise TypeError(f"The options of {name!r} may be of the types bool, dict, float, int, list and str only.")

    def register(call: Function) -> Function:
        if name in FUNCTIONS and FUNCTIONS[name].call is not call:
            raise ValueError(f"Two functions are registered as {name!r}: rename one of them.")
        summary = (inspect.getdoc(call) or "").partition("\n")[0]
        FUNCTIONS[name] = Registered(name, call, summary, options or {}, inspect.iscoroutinefunction(call))
        return call

    return register


class PythonKind:
    """Configuration: ``function`` (the registered name) and the options that the function declares."""

    secrets: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.threads = Threads()

    @property
    def schema(self) -> Mapping[str, Any]:
        function = {"type": "string", "title": "Function", "enum": sorted(FUNCTIONS)}
        return {"type": "object", "properties": {"function": function}, "required": ["function"]}

    def faults(self, config: Mapping[str, Any]) -> list[ConfigFault]:
        registered = FUNCTIONS.get(str(config.get("function", "")))
        if registered is None:
            return [ConfigFault("config.function", f"Choose one of {', '.join(sorted(FUNCTIONS))}.")]
        return [
            ConfigFault(f"config.{name}", fault)
            for name, value in config.items()
            if name != "function" and (fault := _fault_of_option(registered, name, value))
        ]

    async def perform(self, config: Mapping[str, Any], call: Call) -> Outcome:
        registered = FUNCTIONS.get(config["function"])
        if registered is None:
            message = f"No function is registered as {config['function']} here; restart with the code that has it."
            raise AgentError(message, retryable=False)
        if registered.is_async:
            return Done(await registered.call(call))
        key = f"{call.key}/{call.attempt}"
        spent = partial(CALLS.spend, call.agent) if call.agent else None
        return Done(await self.threads.run(registered.name, partial(registered.call, call), key, spent=spent))


def _fault_of_option(registered: Registered, name: str, value: Any) -> str:
    wanted = registered.options.get(name)
    if wanted is None:
        known = ", ".join(sorted(registered.options)) or "none"
        return f"{registered.name} has no such option; known: {known}."
    fits = type(value) in (int, float) if wanted is float else type(value) is wanted
    return "" if fits else f"Give {TYPE_NAMES[wanted]}."
