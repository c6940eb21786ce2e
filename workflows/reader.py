"""Reads a definition strictly, with the path of every fault at once. Pure."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from agents import matching
from agents.granting import Line
from orchestra.kernel.errors import FieldError, Invalid
from orchestra.kernel.retry import RetryPolicy
from workflows import definition_checks, definition_resources, definition_text
from workflows.definition import (
    DEFAULT_TIMEOUT_S,
    Branch,
    CompensateSpec,
    ConcurrencySpec,
    Definition,
    HumanSpec,
    RepeatSpec,
    StepSpec,
)
from workflows.definition_checks import Known
from workflows.definition_schema import (
    ENDS,
    KINDS,
    MAX_ATTEMPTS,
    MAX_BRANCHES,
    MAX_FACTOR,
    MAX_LIMIT,
    MAX_PARALLEL,
    MAX_ROUNDS,
    MAX_STEPS,
    MAX_UNITS,
    ON_FAILURE,
    ON_TIMEOUT,
    ROLES,
)
from workflows.definition_table import Table, texts_of

MAX_TIMEOUT_S = 86_400.0
"""Of a call; signals and sub-workflows may be waited for as long as any wait."""
UNLIMITED_S = 0.0
"""The ``timeout_s`` of a step that is waited for without end."""
RESERVED = frozenset({"compare", "new", "schema", "validate"})
"""Names that no workflow can have, since addresses of the API and of pages use them."""

_CALLED = ("capabilities", "workflow")
_KINDS_OF_FIELD: Mapping[str, tuple[str, ...]] = {
    "prefers": ("capabilities",),
    "retry": _CALLED,
    "concurrency": _CALLED,
    "for_each": _CALLED,
    "repeat": _CALLED,
    "timeout": (*_CALLED, "signal"),
    "effects": (*_CALLED, "human"),
    "compensate": (*_CALLED, "human"),
    "resources": (*_CALLED, "human"),
}
"""Fields that only steps of certain kinds have."""


def parse(source: Any, known: Known | None = None) -> Definition:
    """Read a definition; raises :class:`Invalid` with every fault and its path.

    With ``known``, capabilities and workflows that it does not name are faults as well.
    """
    faults = definition_text.faults(source)
    if not isinstance(source, Mapping):
        faults = [{"path": "", "message": "A definition is a table with name and steps."}]
    if not faults:
        definition = _definition(source, faults, known)
    if faults:
        raise Invalid(definition_text.REFUSED, errors=faults)
    return definition


@lru_cache(maxsize=256)
def parse_text(text: str) -> Definition:
    """Read a stored definition from JSON text; the last 256 are kept, since every run of a version needs it."""
    return parse(json.loads(text))


def _definition(source: Mapping[str, Any], faults: list[FieldError], known: Known | None) -> Definition:
    top = Table(source, "", faults)
    name = top.name("name")
    if name in RESERVED:
        top.fault("name", f"No workflow can be named {name}, since addresses use it; choose another name.")
    steps = _steps(top)
    definition = Definition(
        name=name,
        steps=(),
        output=_output(top),
        queue=top.text("queue", longest=50, least=1, default="default"),
        title=top.text("title"),
        input_schema=top.schema("input_schema"),
        serves=top.text("serves", longest=40),
        deadline_s=top.maybe_duration("deadline"),
        resources=_resources(top),
    )
    found = list(definition_checks.across(steps, known))
    found += definition_checks.of_texts(texts_of(definition.output, "output"), {step.name for _, step in steps})
    found += definition_resources.faults(definition.resources, steps, known.supplies if known else None)
    broken = {fault["path"] for fault in faults}
    faults += [fault for fault in found if fault["path"] not in broken]
    ordered = () if faults else definition_checks.in_order([step for _, step in steps])
    return Definition(**{**vars(definition), "steps": tuple(ordered)})


def _steps(top: Table) -> list[tuple[str, StepSpec]]:
    """The steps with their paths, in the order in which they are written."""
    given = top.values.get("steps")
    if not isinstance(given, list) or not given:
        top.fault("steps", "Give a list of at least one step.")
        return []
    if len(given) > MAX_STEPS:
        top.fault("steps", f"A workflow may have at most {MAX_STEPS} steps; use a sub-workflow.")
        return []
    steps: dict[str, tuple[str, StepSpec]] = {}
    above = ""
    for table in top.tables("steps", "step", "step"):
        step = _step(table, above)
        if step.name in steps:
            table.fault("name", f"There is a step named {step.name} already; choose another name.")
        steps.setdefault(step.name, (table.path, step))
        above = step.name
    return list(steps.values())


def _step(table: Table, above: str) -> StepSpec:
    kind = _kind(table)
    step = StepSpec(
        name=table.name("name"),
        needs=table.names("needs", (above,) if above else ()),
        capabilities=table.templates("capabilities", needed="capabilities" in table),
        prefers=table.templates("prefers"),
        input=table.data("input"),
        when=table.condition("when"),
        timeout_s=_timeout(table, kind),
        critical=table.flag("critical", True),
        effects=table.flag("effects", False),
        retry=_retry(table, 1),
        title=table.text("title"),
        human=_human(table),
        wait_s=table.maybe_duration("wait", instant=True),
        signal=table.word("signal", ""),
        workflow=table.name("workflow", ""),
        first_of=_branches(table),
        end=table.choice("end", ENDS, ""),
        for_each=table.query("for_each") if "for_each" in table else "",
        item_name=table.name("as", "item"),
        max_parallel=table.whole("max_parallel", 10, MAX_PARALLEL),
        repeat=_repeat(table),
        compensate=_compensate(table),
        concurrency=_concurrency(table),
        on_failure=table.choice("on_failure", ON_FAILURE, "fail"),
        join=_join(table),
        cancels=table.names("cancels"),
        resources=_resources(table),
        actions=_actions(table),
    )
    _check_together(table, kind, step)
    return step


def _kind(table: Table) -> str:
    """The field that says what kind the step is, nothing where none does."""
    kinds = [kind for kind in KINDS if kind in table]
    if not kinds:
        others = ", ".join(KINDS[1:-1])
        table.fault(
            "capabilities",
            f"Say what the agent must be able to do, or what else the step is: {others} or {KINDS[-1]}.",
        )
        return ""
    for kind in kinds[1:]:
        table.fault(kind, f"A step is one thing, and this one has {kinds[0]} already; make two steps of it.")
    return kinds[0]


def _check_together(table: Table, kind: str, step: StepSpec) -> None:
    """Fields that do not go together within one step."""
    for field, kinds in _KINDS_OF_FIELD.items():
        if field in table and kind and kind not in kinds:
            table.fault(field, f"A step with {kind} has no {field}; only those with {' or '.join(kinds)} do.")
    for field in ("as", "max_parallel"):
        if field in table and "for_each" not in table:
            table.fault(field, "This belongs to for_each; give that too, or leave this out.")
    if step.item_name == "steps":
        table.fault("as", "Expressions find the steps under steps; choose another name.")
    if step.join > len(step.needs):
        table.fault("join", f"It needs {len(step.needs)} steps, so {step.join} of them can never succeed.")
    if step.name in step.cancels:
        table.fault("cancels", "A step cannot withdraw itself.")


def _join(table: Table) -> int:
    return table.whole("join", 0, MAX_STEPS) if "join" in table else 0


def _timeout(table: Table, kind: str) -> float:
    if kind in ("capabilities", ""):
        return table.duration("timeout", DEFAULT_TIMEOUT_S, most=MAX_TIMEOUT_S)
    return table.duration("timeout", UNLIMITED_S)


def _retry(table: Table, attempts: int) -> RetryPolicy:
    retry = table.table("retry", "retry", "{attempts: 3, delay: 1s}")
    if retry is None:
        return RetryPolicy(attempts=attempts)
    return RetryPolicy(
        attempts=retry.whole("attempts", attempts, MAX_ATTEMPTS),
        delay_s=retry.duration("delay", 1, instant=True),
        factor=retry.number("factor", 2, MAX_FACTOR, least=1),
        max_delay_s=retry.duration("max_delay", 60, instant=True),
        jitter=retry.flag("jitter", True),
    )


def _human(table: Table) -> HumanSpec | None:
    human = table.table("human", "human", "{role: operator}")
    if human is None:
        return None
    return HumanSpec(
        role=human.choice("role", ROLES, "operator"),
        title=human.text("title"),
        form=human.schema("form"),
        timeout_s=human.maybe_duration("timeout"),
        on_timeout=human.choice("on_timeout", ON_TIMEOUT, "fail"),
    )


def _branches(table: Table) -> tuple[Branch, ...]:
    branches: dict[str, Branch] = {}
    for given in table.tables("first_of", "branch", "branch"):
        branch = _branch(given)
        if branch.name in branches:
            given.fault("name", f"There is a branch {branch.name} already; give each a name of its own.")
        branches[branch.name] = branch
    if "first_of" in table and isinstance(table.values["first_of"], list):
        count = len(table.values["first_of"])
        if not 2 <= count <= MAX_BRANCHES:
            table.fault("first_of", f"Give 2 to {MAX_BRANCHES} events such as {{signal: paid}} and {{wait: 2d}}.")
    return tuple(branches.values())


def _branch(given: Table) -> Branch:
    if ("signal" in given) == ("wait" in given):
        given.fault_at(given.path, "Give a signal or a wait, one of them.")
    signal = given.word("signal", "")
    return Branch(given.word("name", signal or "wait"), signal, given.maybe_duration("wait", instant=True))


def _repeat(table: Table) -> RepeatSpec | None:
    repeat = table.table("repeat", "repeat", '{until: "steps.poll.output.done", delay: 10m}')
    if repeat is None:
        return None
    until = repeat.condition("until", needed=True)
    return RepeatSpec(until, repeat.whole("max", 100, MAX_ROUNDS), repeat.duration("delay", instant=True))


def _concurrency(table: Table) -> ConcurrencySpec | None:
    concurrency = table.table("concurrency", "concurrency", '{key: "order.customer.email"}')
    if concurrency is None:
        return None
    return ConcurrencySpec(concurrency.query_or_template("key"), concurrency.whole("limit", 1, MAX_LIMIT))


def _compensate(table: Table) -> CompensateSpec | None:
    undo = table.table("compensate", "compensate", "{capabilities: [refund]}")
    if undo is None:
        return None
    return CompensateSpec(
        capabilities=undo.templates("capabilities", needed=True),
        prefers=undo.templates("prefers"),
        input=undo.data("input"),
        timeout_s=undo.duration("timeout", DEFAULT_TIMEOUT_S, most=MAX_TIMEOUT_S),
        retry=_retry(undo, 5),
    )


def _resources(table: Table) -> tuple[Line, ...]:
    lines: dict[str, Line] = {}
    for resource in table.tables("resources", "resource", "resource"):
        type_ = resource.name("type")
        name = resource.name("name", type_)
        if name in lines:
            resource.fault("name", f"There is a resource named {name} already; choose another name.")
        wants = resource.values.get("specs", {})
        for fault in matching.faults_of_wants(wants, resource.at("specs")):
            resource.fault_at(fault["path"], fault["message"])
            wants = {}
        lines[name] = Line(name, type_, resource.whole("units", 1, MAX_UNITS), wants)
    return tuple(lines.values())


def _actions(table: Table) -> tuple[Mapping[str, Any], ...]:
    for action in table.tables("actions", "action", "action"):
        action.template("entity")
        action.word("operation", "")
        action.templates("resources")
        action.flag("exclusive", False)
        action.whole("priority", 0, 1000, least=-1000)
    return _kept(table, "actions")


def _kept(table: Table, name: str) -> tuple[Mapping[str, Any], ...]:
    value = table.values.get(name)
    return tuple(item for item in value if isinstance(item, Mapping)) if isinstance(value, list) else ()


def _output(top: Table) -> Mapping[str, Any]:
    top.data("output")
    return top.mapping("output")
