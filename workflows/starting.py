"""How steps begin inside a group: what they are given, what they ask for, what they wait for. No SQL of its own."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from workflows import definition, expressions, reserving, settling
from workflows.definition import StepSpec
from workflows.expressions import ExpressionError
from workflows.group import Group
from workflows.models import Run, Step, StepStatus, WaitsFor
from workflows.planner import StartItems

MAX_ITEMS = 10_000
MAX_JOINED = 4 * 1024 * 1024
LOCK_KEY = 200


def given(run: Run, spec: StepSpec, step: Step) -> Any:
    """What the step is called with. Without a mapping that is the run's input, which is not stored again with it."""
    if spec.input is not None or definition.is_undo(step.name):
        return step.input
    return {**run.input, **step.input} if step.input else run.input


def start(group: Group, run: Run, spec: StepSpec) -> None:
    """Make the step ready for an agent, or let it wait for what it must hold."""
    row = group.add(run, spec)
    if not reserving.ask(group, run, spec, row):
        _make_ready(group, run, spec, row)


def wait(group: Group, run: Run, spec: StepSpec) -> None:
    """Let the step wait for what its kind says."""
    row = group.add(run, spec)
    try:
        if spec.for_each:
            _fan_out(group, run, spec, row)
            return
    except ExpressionError as error:
        refuse(group, row, str(error))
        return
    if not reserving.ask(group, run, spec, row):
        _let_wait(group, run, spec, row)


def go_on(group: Group, run: Run, spec: StepSpec, row: Step, value: Mapping[str, Any]) -> None:
    """The step, or item about ``value``, was given the resources that it waited for."""
    group.renew(row)
    if spec.kind == "human":
        _let_wait(group, run, spec, row)
    else:
        _make_ready(group, run, spec, row, value)


def again(group: Group, run: Run, row: Step) -> None:
    """Let dead work be tried again, with all of its tries before it."""
    changes: dict[str, Any] = {"attempt": 0, "losses": 0, "available_at": group.now}
    if not reserving.ask(group, run, group.definition(run).step(row.name), row, **changes):
        group.move(row, StepStatus.READY, **changes)


def _let_wait(group: Group, run: Run, spec: StepSpec, row: Step) -> None:
    try:
        if spec.input is not None:
            row.input = expressions.pick(spec.input, _seen(group, run, spec, row))
    except ExpressionError as error:
        refuse(group, row, str(error))
        return
    waits_for, wait_s = _waiting_of(spec)
    wake_at = None if wait_s is None else group.now + timedelta(seconds=wait_s)
    group.wait_for(row, waits_for, wake_at=wake_at, started_at=group.now)
    if spec.signal or spec.first_of:
        _take_early_signal(group, run, spec, row)


def start_items(group: Group, run: Run, command: StartItems) -> None:
    """Begin items of a fan-out: a task each, or a run each."""
    spec = command.step
    parent = group.task(run, spec.name)
    assert parent is not None and parent.input is not None
    indexes = range(command.first, command.first + command.count)
    group.expect_items(run, spec.name, [definition.item(spec.name, index) for index in indexes])
    for index in indexes:
        row = group.add(run, spec, definition.item(spec.name, index), parent=spec.name)
        value = {spec.item_name: parent.input[index]}
        if not reserving.ask(group, run, spec, row, value):
            _make_ready(group, run, spec, row, value)


def join(group: Group, run: Run, spec: StepSpec, *, failed: str) -> None:
    """End a fan-out with the list of what its items came to, in their order, or with ``failed``, a sentence."""
    parent = group.task(run, spec.name)
    assert parent is not None
    if failed:
        settling.fail(group, parent, failed)
        return
    outputs = group.items(run, spec.name, parent.total or 0)
    if len(json.dumps(outputs)) > MAX_JOINED:
        settling.fail(group, parent, "Together its items gave more than 4 MB; let them store what is large elsewhere.")
        return
    settling.succeed(group, parent, outputs, items=parent.total)


def undo(group: Group, run: Run, task: str) -> None:
    """Make what undoes ``task`` ready, which is told what the task was given and what it came to."""
    done = group.task(run, task)
    spec = group.definition(run).step(task)
    assert done is not None and spec.compensate is not None
    group.move(done, StepStatus.COMPENSATING)
    row = group.add(run, spec, definition.undo(task))
    row.timeout_s = spec.compensate.timeout_s
    row.input = {"input": given(run, spec, done), "output": done.output}
    try:
        context = {**group.context(run), **settling.item_of(group, run, task), **row.input}
        if spec.compensate.input is not None:
            row.input = expressions.pick(spec.compensate.input, context)
        _ask(row, spec.compensate.capabilities, spec.compensate.prefers, context)
    except ExpressionError as error:
        refuse(group, row, str(error))
        return
    group.move(row, StepStatus.READY, available_at=group.now)
    group.ready.append(row)


def refuse(group: Group, row: Step, error: str) -> None:
    """The new step cannot begin, which is its failure."""
    settling.fail(group, row, error)


def signal(group: Group, row: Step, name: str, payload: Any) -> None:
    """The signal that the step waits for is there."""
    spec = group.definition(group.runs[row.run_id]).step(row.name)
    if spec.first_of:
        branch = next(branch.name for branch in spec.first_of if branch.signal == name)
        settling.succeed(group, row, {"winner": branch, "payload": payload})
    else:
        settling.succeed(group, row, payload)


def signals_of(spec: StepSpec) -> set[str]:
    """The signals that the step waits for."""
    return ({spec.signal} if spec.signal else set()) | {branch.signal for branch in spec.first_of if branch.signal}


def _make_ready(group: Group, run: Run, spec: StepSpec, row: Step, value: Mapping[str, Any] | None = None) -> None:
    """``value`` is what an item of a fan-out is about, under the name that its step gives it."""
    context = partial(_seen, group, run, spec, row, value)
    try:
        _give(row, value or None if spec.input is None else expressions.pick(spec.input, context()))
        if spec.kind == "workflow":
            group.wait_for(row, WaitsFor.CHILD, wake_at=group.now, started_at=group.now)
            return
        seen = context() if _has_templates(spec) else {}
        _ask(row, spec.capabilities, spec.prefers, seen)
        if spec.concurrency is not None:
            row.lock_key = _lock_key(group, run, spec, context())
            row.lock_limit = spec.concurrency.limit
    except ExpressionError as error:
        refuse(group, row, str(error))
        return
    group.move(row, StepStatus.READY, available_at=group.now)
    group.ready.append(row)


def _seen(group: Group, run: Run, spec: StepSpec, row: Step, value: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What the expressions of a step see, or of an item about ``value``."""
    held = {"resources": reserving.seen(group, run, row)} if group.definition(run).reserves else {}
    return {**group.context(run), **(value or {}), **held}


def _give(row: Step, input_: Any) -> None:
    """Of a fan-out that is gone through again, an item that is another now must not count as the same effect."""
    if row.pk is not None and row.parent and row.input != input_:
        row.key = uuid4()
    row.input = input_


def _has_templates(spec: StepSpec) -> bool:
    return any(map(expressions.is_template, (*spec.capabilities, *spec.prefers)))


def _ask(row: Step, capabilities: Sequence[str], prefers: Sequence[str], context: Mapping[str, Any]) -> None:
    filled = [_filled(names, context) for names in (capabilities, prefers)]
    row.demand = json.dumps(filled, separators=(",", ":"))


def _filled(templates: Sequence[str], context: Mapping[str, Any]) -> list[str]:
    if not any(map(expressions.is_template, templates)):
        return sorted(templates)
    return sorted(filter(None, (name for template in templates for name in expressions.fill_names(template, context))))


def _lock_key(group: Group, run: Run, spec: StepSpec, context: Mapping[str, Any]) -> str:
    """Keys are those of a workflow: two of its steps with the same key never run at a time, two workflows' may."""
    assert spec.concurrency is not None
    text = spec.concurrency.key
    key = expressions.fill(text, context) if expressions.is_template(text) else expressions.pick(text, context)
    name = f"{group.definition(run).name}/{'' if key is None else key}"
    return name if len(name) <= LOCK_KEY else hashlib.sha256(name.encode()).hexdigest()


def _fan_out(group: Group, run: Run, spec: StepSpec, row: Step) -> None:
    items = expressions.pick(spec.for_each, group.context(run))
    if not isinstance(items, list):
        refuse(group, row, f"{spec.for_each} gave no list, so there is nothing to do for each of it.")
        return
    if len(items) > MAX_ITEMS:
        refuse(group, row, f"{spec.for_each} gave {len(items):,} items; at most {MAX_ITEMS:,} are possible.")
        return
    group.begin_fan(run, row, items)
    group.move(row, StepStatus.WAITING, waits_for=WaitsFor.ITEMS, started_at=group.now)


def _waiting_of(spec: StepSpec) -> tuple[WaitsFor, float | None]:
    """What a step of its kind waits for, and for how many seconds at most."""
    if spec.human is not None:
        return WaitsFor.PERSON, spec.human.timeout_s
    if spec.signal:
        return WaitsFor.SIGNAL, spec.timeout_s or None
    if spec.first_of:
        return WaitsFor.FIRST, min((b.wait_s for b in spec.first_of if b.wait_s is not None), default=None)
    if spec.workflow:
        return WaitsFor.CHILD, 0.0
    return WaitsFor.TIMER, spec.wait_s or 0.0


def _take_early_signal(group: Group, run: Run, spec: StepSpec, row: Step) -> None:
    """A signal that came before its step is not lost: the step takes it as it begins to wait."""
    taken = group.mailbox.take(run, signals_of(spec), row)
    if taken is not None:
        signal(group, row, taken.name, taken.payload)
