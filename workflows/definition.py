"""A workflow's definition: read strictly, with the path of every fault at once. Pure.

What is read is what runs: input schema, what its runs serve, and steps with ``needs`` (each after the one before by
default), capabilities, input mapping, ``when``, timeout, critical, retry, effects, and human steps.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from typing import Any

from orchestra.kernel.errors import FieldError, Invalid
from orchestra.kernel.retry import RetryPolicy
from workflows import expressions, schemas

MAX_BYTES = 256 * 1024
MAX_STEPS = 500
DEFAULT_TIMEOUT_S = 30.0
MAX_TIMEOUT_S = 86_400.0
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


@dataclass(frozen=True, slots=True)
class StepSpec:
    """What a definition says of one step."""

    name: str
    needs: tuple[str, ...]
    capabilities: tuple[str, ...] = ()
    prefers: tuple[str, ...] = ()
    input: Any = None
    when: str = ""
    timeout_s: float = DEFAULT_TIMEOUT_S
    critical: bool = True
    effects: bool = False
    retry: RetryPolicy = RetryPolicy()
    human: Mapping[str, Any] | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """A whole definition, its steps in an order in which each comes after what it needs."""

    name: str
    steps: tuple[StepSpec, ...]
    output: Mapping[str, str] = field(default_factory=dict)
    queue: str = "default"
    title: str = ""
    input_schema: Mapping[str, Any] | None = None
    serves: str = ""
    """The kind of object that its runs must serve: such a workflow is begun by that object's pages, not by itself."""

    def step(self, name: str) -> StepSpec:
        return self.by_name[name]

    @property
    def by_name(self) -> dict[str, StepSpec]:
        return {step.name: step for step in self.steps}


def parse(source: Mapping[str, Any]) -> Definition:
    """Read a definition; raises :class:`Invalid` with every fault and its path."""
    return _Reader(source).read()


@lru_cache(maxsize=256)
def parse_text(text: str) -> Definition:
    """Read a definition from JSON text; the last 256 are kept, since every run of a version needs it."""
    return parse(json.loads(text))


def seconds(value: Any) -> float:
    """A duration: a number of seconds, or or a text such as ``500ms``, ``30s``, ``15m``, ``2h``; else ValueError."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return float(value)
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("Give seconds as a number, or a duration such as 30s, 15m or 2h.")
    return float(match[1]) * _UNITS[match[2]]


class _Reader:
    """Gathers faults while it reads, so that an author sees them all at once."""

    TOP = {"name", "title", "steps", "output", "queue", "input_schema", "serves"}
    STEP = {
        "name", "title", "needs", "capabilities", "prefers", "input", "when", "timeout", "critical", "effects", "retry",
        "human",
    }  # fmt: skip
    RETRY = {"attempts", "delay", "factor", "max_delay", "jitter"}
    HUMAN = {"role", "title"}

    def __init__(self, source: Mapping[str, Any]) -> None:
        self.source = source
        self.faults: list[FieldError] = []

    def fault(self, path: str, message: str) -> None:
        self.faults.append({"path": path, "message": message})

    def read(self) -> Definition:
        if not isinstance(self.source, Mapping):
            raise Invalid(errors=[{"path": "", "message": "A definition is a table with name and steps."}])
        if len(json.dumps(self.source, default=str)) > MAX_BYTES:
            raise Invalid(errors=[{"path": "", "message": "A definition may have at most 256 KB; split the workflow."}])
        self._unknown("", self.source, self.TOP)
        name = self._name("name", self.source.get("name"))
        steps = self._steps(self.source.get("steps"))
        self._order(steps)
        output = self._output(self.source.get("output", {}))
        queue, title = self._text("", self.source, "queue", "default"), self._text("", self.source, "title", "")
        schema, serves = self._schema(self.source.get("input_schema")), self._text("", self.source, "serves", "")
        if self.faults:
            raise Invalid("The definition has faults; mend those named and send it again.", errors=self.faults)
        return Definition(name, tuple(steps), output, queue, title, schema, serves)

    def _steps(self, value: Any) -> list[StepSpec]:
        if not isinstance(value, list) or not value:
            self.fault("steps", "Give a list of at least one step.")
            return []
        if len(value) > MAX_STEPS:
            self.fault("steps", f"A workflow may have at most {MAX_STEPS} steps; use a sub-workflow.")
            return []
        steps: list[StepSpec] = []
        for index, item in enumerate(value):
            path = f"steps[{index}]"
            if not isinstance(item, Mapping):
                self.fault(path, "A step is a table with at least a name.")
                continue
            step = self._step(path, item, steps[-1].name if steps else "")
            if step.name in {other.name for other in steps}:
                self.fault(f"{path}.name", f"There is a step named {step.name} already; choose another name.")
            steps.append(step)
        return steps

    def _step(self, path: str, item: Mapping[str, Any], before: str) -> StepSpec:
        self._unknown(path, item, self.STEP)
        human = self._human(path, item.get("human"))
        capabilities = self._templates(path, item, "capabilities")
        if human is None and not capabilities:
            self.fault(f"{path}.capabilities", "Say what the agent must be able to do, or make it a human step.")
        return StepSpec(
            name=self._name(f"{path}.name", item.get("name")),
            title=self._text(path, item, "title", ""),
            needs=tuple(self._names(path, item, "needs", [before] if before else [])),
            capabilities=capabilities,
            prefers=self._templates(path, item, "prefers"),
            input=self._mapping(f"{path}.input", item.get("input")),
            when=self._condition(path, item),
            timeout_s=self._timeout(path, item),
            critical=self._flag(path, item, "critical", True),
            effects=self._flag(path, item, "effects", False),
            retry=self._retry(path, item.get("retry", {})),
            human=human,
        )

    def _order(self, steps: list[StepSpec]) -> None:
        known = {step.name for step in steps}
        for index, step in enumerate(steps):
            for need in step.needs:
                if need not in known:
                    self.fault(f"steps[{index}].needs", f"There is no step named {need}.")
        if len(known) < len(steps):
            return  # two steps of one name have no order; that fault is named already
        try:
            order = list(TopologicalSorter({step.name: step.needs for step in steps}).static_order())
        except CycleError as error:
            self.fault("steps", f"These steps wait for each other: {' → '.join(error.args[1])}.")
            return
        steps.sort(key=lambda step: order.index(step.name) if step.name in order else 0)

    def _unknown(self, path: str, item: Mapping[str, Any], known: set[str]) -> None:
        for key in item:
            if key not in known:
                self.fault(
                    f"{path}.{key}".lstrip("."), f"There is no such field; known are {', '.join(sorted(known))}."
                )

    def _name(self, path: str, value: Any) -> str:
        if isinstance(value, str) and _NAME.fullmatch(value):
            return value
        self.fault(path, "Give a name of lower-case letters, digits and underscores that begins with a letter.")
        return str(value)

    def _text(self, path: str, item: Mapping[str, Any], key: str, default: str) -> str:
        value = item.get(key, default)
        if isinstance(value, str) and len(value) <= 200:
            return value
        self.fault(f"{path}.{key}".lstrip("."), "Give a text of at most 200 characters.")
        return default

    def _flag(self, path: str, item: Mapping[str, Any], key: str, default: bool) -> bool:
        value = item.get(key, default)
        if isinstance(value, bool):
            return value
        self.fault(f"{path}.{key}", "Give true or false.")
        return default

    def _names(self, path: str, item: Mapping[str, Any], key: str, default: list[str]) -> list[str]:
        value = item.get(key, default)
        if isinstance(value, list) and all(isinstance(name, str) and 0 < len(name) <= 100 for name in value):
            return value
        self.fault(f"{path}.{key}", "Give a list of names.")
        return []

    def _templates(self, path: str, item: Mapping[str, Any], key: str) -> tuple[str, ...]:
        names = self._names(path, item, key, [])
        for index, name in enumerate(names):
            if message := expressions.fault_of_template(name):
                self.fault(f"{path}.{key}[{index}]", message)
        return tuple(names)

    def _mapping(self, path: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            for key, item in value.items():
                self._mapping(f"{path}.{key}", item)
        elif isinstance(value, str) and (message := expressions.fault_of_query(value)):
            self.fault(path, message)
        return value

    def _condition(self, path: str, item: Mapping[str, Any]) -> str:
        text = self._text(path, item, "when", "")
        if text and (message := expressions.fault_of_condition(text)):
            self.fault(f"{path}.when", message)
        return text

    def _duration(self, path: str, value: Any, default: float) -> float:
        try:
            return seconds(value)
        except ValueError as error:
            self.fault(path, str(error))
            return default

    def _timeout(self, path: str, item: Mapping[str, Any]) -> float:
        timeout_s = self._duration(f"{path}.timeout", item.get("timeout", DEFAULT_TIMEOUT_S), DEFAULT_TIMEOUT_S)
        if not 0 < timeout_s <= MAX_TIMEOUT_S:
            self.fault(f"{path}.timeout", "Give a time limit of more than 0 s and at most a day.")
        return timeout_s

    def _retry(self, path: str, value: Any) -> RetryPolicy:
        path = f"{path}.retry"
        if not isinstance(value, Mapping):
            self.fault(path, "Give a table such as {attempts: 3, delay: 1s}.")
            return RetryPolicy()
        self._unknown(path, value, self.RETRY)
        attempts, factor = value.get("attempts", 1), value.get("factor", 2)
        if type(attempts) is not int or not 1 <= attempts <= 100:
            self.fault(f"{path}.attempts", "Give a whole number from 1 to 100.")
            attempts = 1
        if type(factor) not in (int, float) or not 1 <= factor <= 100:
            self.fault(f"{path}.factor", "Give a number from 1 to 100.")
            factor = 2
        return RetryPolicy(
            attempts=attempts,
            delay_s=self._duration(f"{path}.delay", value.get("delay", 1), 1),
            factor=float(factor),
            max_delay_s=self._duration(f"{path}.max_delay", value.get("max_delay", 60), 60),
            jitter=self._flag(path, value, "jitter", True),
        )

    def _human(self, path: str, value: Any) -> Mapping[str, Any] | None:
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.fault(f"{path}.human", "Give a table such as {role: operator}.")
            return {}
        self._unknown(f"{path}.human", value, self.HUMAN)
        if value.get("role", "operator") not in ("operator", "admin"):
            self.fault(f"{path}.human.role", "Choose operator or admin.")
        return value

    def _schema(self, value: Any) -> Mapping[str, Any] | None:
        if value is None:
            return None
        if message := schemas.fault_of_schema(value):
            self.fault("input_schema", message)
        return dict(value) if isinstance(value, Mapping) else None

    def _output(self, value: Any) -> Mapping[str, str]:
        if not isinstance(value, Mapping):
            self.fault("output", "Give a table from names to expressions.")
            return {}
        self._mapping("output", value)
        return value
