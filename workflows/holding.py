"""Lets runs and steps go on that were given the resources they waited for.

Whoever asks and finds enough goes on in the same transaction. Others are granted theirs in the transaction of whoever
gives something back, and go on in one of their own, right after its commit or by the ticker: their runs come before
resources in the order of locks, so they cannot be locked there.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q

from agents import reservations
from orchestra.kernel import events
from orchestra.kernel.clock import database_now
from workflows import advance, reserving, settling, starting
from workflows.definition import index_of
from workflows.group import ENGINE, OPEN, Group
from workflows.halving import each_group
from workflows.models import RUN_ENDS, Run, RunStatus, Step

BATCH = 200
ROUNDS = 3
"""What begins may end at once and make room for others of its run; after so many rounds these go on in another unit."""
PUT_OFF = timedelta(hours=1)
_put_aside: dict[int, datetime] = {}
"""Reservations whose holder could not go on, and until when this process leaves them alone."""


def settle(group: Group) -> None:
    """Carry out what the group has gathered; whoever was given what it asked for begins."""
    for left in reversed(range(ROUNDS)):
        if not group.holdings.is_touched:
            return
        asked, settled = group.holdings.settle(tells=left > 0)
        group.relays |= settled.others
        for run, task in settled.granted:
            if task:
                row = group.task(group.runs[run], task)
                assert row is not None
                _begin(group, row, group.holdings.items.get((run, task)))
        for run in dict.fromkeys(run for run, _ in asked):
            advance.proceed(group, group.runs[run])


def go_on_granted() -> int:
    """Let those go on that were granted what they waited for; returns how many. Harmless again."""
    now = database_now()
    for pk in [pk for pk, until in _put_aside.items() if until <= now]:
        del _put_aside[pk]
    found = reservations.untold(BATCH, without=_put_aside)
    return each_group(found, _go_on_all, lambda each: _put_aside.update({each[0]: now + PUT_OFF}))


def living() -> Q:
    """The reservations whose run goes on, and whose step has not ended."""
    runs = Run.objects.filter(pk=OuterRef("run"), finished_at__isnull=True)
    steps = Step.objects.filter(run=OuterRef("run"), name=OuterRef("task"), status__in=OPEN)
    return Q(Exists(runs)) & (Q(task="") | Q(Exists(steps)))


def _go_on_all(found: Sequence[tuple[int, int, str]]) -> int:
    with events.recording(ENGINE):
        group = Group(database_now())
        group.lock_runs({run for _, run, _ in found})
        wanted = {(run, task) for _, run, task in found if task}
        rows = _rows(wanted)
        values = _values(group, rows.values())
        for _, run_id, task in found:
            run = group.runs.get(run_id)
            if run is None or run.status in RUN_ENDS or run.status == RunStatus.COMPENSATING:
                continue  # the lease of what nobody needs any more is not renewed, if it was not given back already
            if task and (run_id, task) in rows:
                _begin(group, rows[run_id, task], values.get((run_id, task), {}))
        for run in list(group.runs.values()):
            advance.proceed(group, run)
        group.save()
        reservations.told([pk for pk, *_ in found], group.now)  # rows of reservations come after their lock
    return len(found)


def _begin(group: Group, row: Step, value: Mapping[str, Any] | None) -> None:
    """Let a step go on; not an item of which another failed meanwhile, after which no further one begins."""
    run = group.runs[row.run_id]
    spec = group.definition(run).step(row.name)
    if not reserving.is_in_line(row):
        return
    if row.parent and spec.critical and group.fans[run.pk][row.parent].counts.get("failed"):
        advance.withdraw(group, [row], f"Another item of {spec.name} failed.")
        return
    starting.go_on(group, run, spec, row, settling.item_of(group, run, row.name) if value is None else value)


def _rows(wanted: Collection[tuple[int, str]]) -> dict[tuple[int, str], Step]:
    """The steps, locked by ascending number, whose runs are locked already."""
    rows = Step.objects.filter(run__in={run for run, _ in wanted}, name__in={name for _, name in wanted})
    locked = rows.order_by("pk").select_for_update(no_key=True)
    return {(row.run_id, row.name): row for row in locked if (row.run_id, row.name) in wanted}


def _values(group: Group, rows: Collection[Step]) -> dict[tuple[int, str], Mapping[str, Any]]:
    """What items of fan-outs are about, from the lists of their steps."""
    parents = {(row.run_id, row.parent) for row in rows if row.parent}
    lists: dict[tuple[int, str], Any] = {key: parent.input for key, parent in _rows(parents).items()} if parents else {}
    values: dict[tuple[int, str], Mapping[str, Any]] = {}
    for row in rows:
        index = index_of(row.name)
        if row.parent and index is not None and row.run_id in group.runs:
            spec = group.definition(group.runs[row.run_id]).step(row.name)
            values[row.run_id, row.name] = {spec.item_name: lists[row.run_id, row.parent][index]}
    return values
