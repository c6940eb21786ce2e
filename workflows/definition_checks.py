"""What only shows across the steps of a definition: order, dangling names, effects that nothing undoes. Pure."""

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import islice

from agents.granting import Supply
from orchestra.kernel.errors import FieldError
from workflows import expressions
from workflows.definition import StepSpec
from workflows.definition_table import texts_of

MAX_FAULTS = 200
"""Nobody reads more, and a name that was meant takes long to find."""
Placed = Sequence[tuple[str, StepSpec]]
"""Steps with their paths, in the order in which they are written."""


@dataclass(frozen=True, slots=True)
class Known:
    """What stands outside of a definition and may be named in it."""

    capabilities: frozenset[str]
    workflows: frozenset[str]
    supplies: tuple[Supply, ...] | None = None
    """The resources that may be granted; None: what may be asked for is not checked."""


def across(steps: Placed, known: Known | None) -> Iterator[FieldError]:
    """Faults between steps, and with ``known`` names outside that do not exist; at most :data:`MAX_FAULTS`."""
    return islice(_across(steps, known), MAX_FAULTS)


def _across(steps: Placed, known: Known | None) -> Iterator[FieldError]:
    names = {step.name for _, step in steps}
    broken = False
    for fault in (*_cycle([step for _, step in steps]), *islice(_strangers(steps, names), MAX_FAULTS)):
        broken = True
        yield fault
    for path, step in steps:
        yield from of_texts(_queries(path, step), names)
        for where, text in _conditions(path, step):
            yield from _unknown_steps(
                where, text, expressions.fault_of_condition, expressions.steps_of_condition, names
            )
        for where, text in _templates(path, step):
            yield from _unknown_steps(where, text, expressions.fault_of_template, expressions.steps_of_template, names)
        if known is not None:
            yield from _unknown(path, step, known)
    if not broken:
        yield from _not_undone(steps)


def of_texts(texts: Iterable[tuple[str, str]], names: Collection[str]) -> Iterator[FieldError]:
    """Steps that JMESPath expressions read and that are not among ``names``."""
    for where, text in texts:
        yield from _unknown_steps(where, text, expressions.fault_of_query, expressions.steps_of_query, names)


def in_order(steps: Sequence[StepSpec]) -> list[StepSpec]:
    """The steps so that each comes after what it needs."""
    by_name = {step.name: step for step in steps}
    return [by_name[name] for name in TopologicalSorter({step.name: step.needs for step in steps}).static_order()]


def near(name: str, known: Collection[str]) -> str:
    """A question after the name that was meant, or nothing."""
    matches = difflib.get_close_matches(name, sorted(known), n=1)
    return f" Did you mean {matches[0]}?" if matches else ""


def _strangers(steps: Placed, names: Collection[str]) -> Iterator[FieldError]:
    for path, step in steps:
        for field in ("needs", "cancels"):
            for name in getattr(step, field):
                if name not in names:
                    yield {"path": f"{path}.{field}", "message": f"There is no step named {name}.{near(name, names)}"}


def _cycle(steps: Sequence[StepSpec]) -> Iterator[FieldError]:
    try:
        TopologicalSorter({step.name: step.needs for step in steps}).prepare()
    except CycleError as error:
        yield {"path": "steps", "message": f"These steps wait for each other: {' → '.join(error.args[1])}."}


def _queries(path: str, step: StepSpec) -> Iterator[tuple[str, str]]:
    yield from texts_of(step.input, f"{path}.input")
    if step.for_each:
        yield f"{path}.for_each", step.for_each
    if step.compensate:
        yield from texts_of(step.compensate.input, f"{path}.compensate.input")
    if step.concurrency and not expressions.is_template(step.concurrency.key):
        yield f"{path}.concurrency.key", step.concurrency.key


def _conditions(path: str, step: StepSpec) -> Iterator[tuple[str, str]]:
    if step.when:
        yield f"{path}.when", step.when
    if step.repeat:
        yield f"{path}.repeat.until", step.repeat.until


def _templates(path: str, step: StepSpec) -> Iterator[tuple[str, str]]:
    for field in ("capabilities", "prefers"):
        yield from texts_of(list(getattr(step, field)), f"{path}.{field}")
        if step.compensate:
            yield from texts_of(list(getattr(step.compensate, field)), f"{path}.compensate.{field}")
    if step.concurrency and expressions.is_template(step.concurrency.key):
        yield f"{path}.concurrency.key", step.concurrency.key
    for index, action in enumerate(step.actions):
        yield from texts_of(action.get("entity"), f"{path}.actions[{index}].entity")
        yield from texts_of(action.get("resources"), f"{path}.actions[{index}].resources")


def _unknown_steps(
    where: str,
    text: str,
    fault_of: Callable[[str], str],
    steps_of: Callable[[str], set[str]],
    names: Collection[str],
) -> Iterator[FieldError]:
    """Nothing where the expression does not parse: that is another fault, named by whoever read it."""
    if not text or fault_of(text):
        return
    for name in sorted(steps_of(text) - set(names)):
        yield {"path": where, "message": f"There is no step named {name}.{near(name, names)}"}


def _unknown(path: str, step: StepSpec, known: Known) -> Iterator[FieldError]:
    undo = step.compensate.capabilities if step.compensate else ()
    for where, capabilities in ((f"{path}.capabilities", step.capabilities), (f"{path}.compensate.capabilities", undo)):
        for index, name in enumerate(capabilities):
            if name not in known.capabilities and not expressions.is_template(name):
                message = (
                    f"No agent has the capability {name}.{near(name, known.capabilities) or ' Add an agent first.'}"
                )
                yield {"path": f"{where}[{index}]", "message": message}
    if step.workflow and step.workflow not in known.workflows:
        message = f"There is no workflow {step.workflow}.{near(step.workflow, known.workflows) or ' Publish it first.'}"
        yield {"path": f"{path}.workflow", "message": message}


def _not_undone(steps: Placed) -> Iterator[FieldError]:
    """Effects that would stay when a critical step fails that could run after them."""
    before = _ancestors([step for _, step in steps])
    for path, step in steps:
        if not step.effects or step.compensate:
            continue
        later = (
            other.name
            for _, other in steps
            if other.critical and other.name != step.name and other.name not in before[step.name]
        )
        if name := next(later, ""):
            message = f"If {name} fails, what {step.name} did must be undone: say by what, or make {name} not critical."
            yield {"path": f"{path}.compensate", "message": message}


def _ancestors(steps: Sequence[StepSpec]) -> dict[str, set[str]]:
    """For each step all those that it needs, directly or not."""
    before: dict[str, set[str]] = {}
    for step in in_order(steps):
        before[step.name] = set(step.needs).union(*(before[need] for need in step.needs))
    return before
