"""Actions on many runs at once, chosen one by one or by a filter. The only writer of BulkAction.

What is asked for is stored first, then worked off in slices of 500 runs, a unit of work each: what it did to a run and
how far it has come commit together, so a slice that dies is done again and no run is dealt with twice. A run that
nothing can be done to is found by halving its slice, and counted as refused: it keeps no other waiting. The first
seconds of it pass while the one who asks waits; the rest is a job that enqueues itself.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

from django.db import InterfaceError, OperationalError
from django.db.models import Max
from django.utils import timezone

from orchestra.kernel import access, events, jobs
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import OrchestraError
from orchestra.kernel.events import Ref
from orchestra.kernel.lists import COUNT_LIMIT, Selection, asked_in
from orchestra.kernel.tally import Tally
from workflows import control, relay
from workflows.models import BulkAction, Run
from workflows.runs import RunList

logger = logging.getLogger(__name__)

SLICE = 500
"""Runs dealt with in one transaction."""
AT_ONCE_S = 3.0
"""So long the one who asks waits for it."""
SLICE_S = 8.0
WORK = "workflows.jobs.work_on_bulk"
WORDS = {
    "cancel": "cancelled",
    "pause": "paused",
    "resume": "resumed",
    "retry": "retried",
    "prioritise": "given the priority",
}


def begin(selection: Selection[Run], action: str, *, by: Actor, reason: str, **options: Any) -> BulkAction:
    """Do ``action`` to all of ``selection``; what is not done after some seconds, workers go on with."""
    return push(ask(selection, action, by=by, reason=reason, **options))


def push(asked: BulkAction) -> BulkAction:
    """Work on it for the first seconds, and hand the rest to the workers; harmless again."""
    if not work_on(asked.pk, for_s=AT_ONCE_S):
        jobs.enqueue(WORK, asked.pk)
    asked.refresh_from_db()
    return asked


def ask(selection: Selection[Run], action: str, *, by: Actor, reason: str, **options: Any) -> BulkAction:
    """Store what is asked for; nothing is done yet.

    Raises :class:`Invalid` for an unknown action or a missing reason, :class:`Forbidden` where the role is short.
    """
    access.check(by, control.permission_of(action, reason))
    last = selection.queryset().order_by().aggregate(last=Max("pk"))["last"] or 0
    with events.recording(by) as unit:
        asked = BulkAction.objects.create(
            action=action,
            reason=reason,
            options=options,
            query=selection.listing.link().lstrip("?"),
            ids=list(selection.ids) if selection.ids is not None else None,
            actor=asdict(by),
            correlation=unit.correlation,
            last=last,
            expected=min(selection.count(), COUNT_LIMIT + 1),
        )
        after = {"action": action, "filter": asked.query, "chosen": len(asked.ids or ())}
        events.record("BulkActionStarted", target=_ref(asked), after=after, reason=reason)
    return asked


def work_on(pk: int, *, for_s: float = SLICE_S) -> bool:
    """Work slice after slice for about ``for_s`` seconds; whether all is done. Harmless beside another worker."""
    until = time.monotonic() + for_s
    while _slice(pk, SLICE):
        if time.monotonic() > until:
            return False
    relay.deliver()
    return True


def unfinished() -> list[int]:
    """Actions that are not worked off: a message of theirs may have been lost."""
    return list(BulkAction.objects.filter(finished_at__isnull=True).order_by("pk").values_list("pk", flat=True)[:10])


def tally_of(asked: BulkAction) -> Tally:
    return Tally(WORDS[asked.action], asked.done, asked.skipped, asked.refused, list(asked.told))


class _Unable(Exception):
    """It cannot be done to all of ``runs`` together; the cause says why."""

    def __init__(self, runs: Sequence[int]) -> None:
        super().__init__()
        self.runs = runs


def _slice(pk: int, most: int) -> bool:
    """Deal with the next runs; whether there may be more. What fails is tried again with halves of them."""
    try:
        return _deal_with(pk, most)
    except _Unable as fault:
        if len(fault.runs) == 1:
            _give_up(pk, fault.runs[0], fault.__cause__)
            return True
        half = len(fault.runs) // 2
    return _slice(pk, half) and _slice(pk, most - half)


def _deal_with(pk: int, most: int) -> bool:
    with _recording(pk):
        asked = BulkAction.objects.select_for_update(no_key=True).get(pk=pk)
        if asked.finished_at is not None:
            return False
        runs = _next(asked, most)
        tally = tally_of(asked)
        if runs:
            _do(asked, runs, tally)
            asked.after = runs[-1]
        _count(asked, tally)
        if len(runs) < most:
            asked.finished_at = timezone.now()
            events.record("BulkActionFinished", target=_ref(asked), after={"result": tally.sentence})
        asked.save()
    return len(runs) == most


def _do(asked: BulkAction, runs: Sequence[int], tally: Tally) -> None:
    try:
        control.many(asked.action, runs, tally=tally, by=Actor(**asked.actor), reason=asked.reason, **asked.options)
    except (OperationalError, InterfaceError):  # the database is away: all of it is done again
        raise
    except Exception as error:  # whatever it is, one run must not keep the others from what was asked for them
        raise _Unable(runs) from error


def _give_up(pk: int, run: int, error: BaseException | None) -> None:
    """Count ``run`` as refused, unless another worker has dealt with it meanwhile."""
    logger.error("A bulk action cannot deal with run %s", run, exc_info=error)
    why = error.detail if isinstance(error, OrchestraError) else f"{type(error).__name__}: {error}"
    with _recording(pk):
        asked = BulkAction.objects.select_for_update(no_key=True).get(pk=pk)
        if asked.finished_at is None and asked.after < run:
            tally = tally_of(asked)
            control.refuse(tally, run, f"It went wrong, so nothing was changed ({why}); try it with this run alone.")
            asked.after = run
            _count(asked, tally)
            asked.save()


def _recording(pk: int) -> AbstractContextManager[events.Unit]:
    given, correlation = BulkAction.objects.values_list("actor", "correlation").get(pk=pk)
    return events.recording(Actor(**given), correlation=correlation)


def _count(asked: BulkAction, tally: Tally) -> None:
    asked.done, asked.skipped, asked.refused, asked.told = tally.done, tally.skipped, tally.refused, tally.told


def _next(asked: BulkAction, most: int) -> list[int]:
    """The numbers of the runs that come next, in ascending order."""
    rows = RunList(asked_in(asked.query)).queryset() if asked.ids is None else Run.objects.filter(pk__in=asked.ids)
    rows = rows.filter(pk__gt=asked.after, pk__lte=asked.last).order_by("pk")
    return list(rows.values_list("pk", flat=True)[:most])


def _ref(asked: BulkAction) -> Ref:
    return Ref("bulk action", asked.pk, f"{asked.action} runs")
