"""What runs and steps must hold before they begin: asked for inside a group, and seen by their expressions. No SQL.

A step takes what it needs before it becomes ready. A run that holds anything itself takes that, and what its steps
need, before its first step, and asks for nothing afterwards. So nobody holds one thing while he waits for another.
"""

from collections.abc import Collection, Mapping
from typing import Any

from workflows.definition import StepSpec, index_of, is_undo
from workflows.group import Group
from workflows.models import Run, RunStatus, Step, StepStatus, WaitsFor

PAUSED = "Its run was paused; it asks again when that is resumed."


def holds_back(group: Group, run: Run) -> bool:
    """Whether nothing of ``run`` may begin yet, since it waits for what it holds as a whole; it asks if it has not."""
    definition = group.definition(run)
    if not definition.resources or run.status == RunStatus.COMPENSATING:
        return False
    if group.holdings.given(run) is not None:
        return False
    if not group.holdings.is_known(run):
        group.holdings.ask(run, "", definition.at_once, definition.title or definition.name)
    elif not group.holdings.is_asking(run) and run.status in (RunStatus.QUEUED, RunStatus.RUNNING):
        group.move_run(run, RunStatus.WAITING)
    return True


def ask(
    group: Group, run: Run, spec: StepSpec, row: Step, item: Mapping[str, Any] | None = None, **changes: Any
) -> bool:
    """Let the step, or the item of a fan-out, wait for what it must hold; False if that is nothing, or held already."""
    definition = group.definition(run)
    if not spec.resources or definition.resources or is_undo(row.name):
        return False
    if run.status != RunStatus.PAUSED:  # it asks when it is resumed, lest it is given what it cannot use
        group.holdings.ask(run, row.name, spec.resources, definition.title or definition.name)
    if item is not None:
        group.holdings.items[run.pk, row.name] = item
    group.move(row, StepStatus.WAITING, waits_for=WaitsFor.RESOURCES, **changes)
    return True


def leave_line(group: Group, run: Run, tasks: Collection[Step]) -> None:
    """A run that is paused no longer waits for anything, nor do its open ``tasks``; what they hold they keep."""
    definition = group.definition(run)
    if not definition.reserves:
        return
    if group.holdings.is_known(run) and group.holdings.given(run) is None:
        group.holdings.give_back(run, "", PAUSED)
    for row in filter(is_in_line, tasks):
        group.holdings.give_back(run, row.name, PAUSED)


def enter_line_again(group: Group, run: Run, tasks: Collection[Step]) -> None:
    """A run that is resumed asks again for what its open ``tasks`` waited for; for itself it does by going on."""
    definition = group.definition(run)
    open_ = {row.name: row for row in tasks}
    for row in filter(is_in_line, tasks) if definition.reserves else ():
        if group.holdings.is_known(run, row.name):
            continue
        spec, index = definition.step(row.name), index_of(row.name)
        group.holdings.ask(run, row.name, spec.resources, definition.title or definition.name)
        if row.parent and index is not None:
            listed: Any = open_[row.parent].input
            group.holdings.items[run.pk, row.name] = {spec.item_name: listed[index]}
        group.touch(row)


def is_in_line(row: Step) -> bool:
    """Whether the step waits for resources."""
    return row.status == StepStatus.WAITING and row.waits_for == WaitsFor.RESOURCES


def seen(group: Group, run: Run, row: Step) -> dict[str, Any]:
    """What expressions of a step see under ``resources``: what its run holds, and what it holds itself."""
    mine = f"{group.definition(run).step(row.name).name}."
    of_run = group.holdings.given(run) or {}
    own = {name.removeprefix(mine): given for name, given in of_run.items() if name.startswith(mine)}
    return (
        {name: given for name, given in of_run.items() if "." not in name}
        | own
        | dict(group.holdings.given(run, row.name) or {})
    )
