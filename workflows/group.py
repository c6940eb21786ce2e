"""A group: runs under lock, what happens to them in memory, and one save. The only writer of Run and Step.

However many steps a group moves, it costs a constant number of statements. Locks are taken in the order runs, steps;
claims skip what is locked, so they never wait while holding a step.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q

from orchestra.kernel import bulk, events
from orchestra.kernel.access import Actor
from orchestra.kernel.clock import database_now, fetch_now
from orchestra.kernel.events import Outcome, Ref
from orchestra.kernel.statements import fetch
from workflows import definitions, urgency
from workflows.definition import Definition, StepSpec, index_of
from workflows.holdings import Holdings
from workflows.mailbox import Mailbox
from workflows.models import RUN_ENDS, RUN_STATES, STEP_STATES, Run, RunStatus, Step, StepStatus, WaitsFor
from workflows.notices import Notices
from workflows.planner import SETTLED, Fan
from workflows.ports import settlers
from workflows.undoable import Undoable

ENGINE = Actor.system("engine")
RUN_FIELDS = (
    "status",
    "priority",
    "output",
    "error",
    "start_at",
    "started_at",
    "finished_at",
    "deadline",
    "ends_as",
    "compensated",
)
STEP_FIELDS = (
    "status",
    "key",
    "rank_at",
    "held",
    "output",
    "error",
    "attempt",
    "round",
    "losses",
    "history",
    "agent_id",
    "choice",
    "executor",
    "token",
    "lease_expires_at",
    "available_at",
    "waits_for",
    "wake_at",
    "started_at",
    "finished_at",
)
RENEWED_FIELDS = (*STEP_FIELDS, "queue", "input", "demand", "lock_key", "lock_limit", "timeout_s", "total")
SUCCESS_FIELDS = ("status", "output", "error", "executor", "lease_expires_at", "finished_at")
"""What changes in a step that was running and succeeds: nearly all that are written, nearly all the time."""
_SUCCESS = (StepStatus.RUNNING, StepStatus.SUCCEEDED)
LOCK_RUNS = "SELECT id, status, priority FROM workflows_run WHERE id {in} ORDER BY id {lock}"
STATES = "SELECT run_id, name, status, total FROM workflows_step WHERE run_id {in} AND parent = '' ORDER BY id"
LOCK_CLAIMS = "SELECT id, status, token FROM workflows_step WHERE id {in} ORDER BY id {lock}"
OPEN = (StepStatus.READY, StepStatus.RUNNING, StepStatus.WAITING)


class Group:
    """Everything that one transaction does to runs and their steps."""

    def __init__(self, now: datetime, *, correlation: str = "", takes_unreadable: bool = False) -> None:
        """``correlation`` joins what a person does to many runs; else each run's events are part of its own story.

        A run whose definition cannot be read is an error, unless ``takes_unreadable``: then it is one without steps.
        """
        self.now = now
        self.correlation = correlation
        self.takes_unreadable = takes_unreadable
        self.faults: Mapping[int, str] = {}
        """What is wrong with the versions whose definition cannot be read."""
        self.runs: dict[int, Run] = {}
        self.states: dict[int, dict[str, str]] = defaultdict(dict)
        self.fans: dict[int, dict[str, Fan]] = defaultdict(dict)
        self.mailbox = Mailbox(self.runs)
        self.holdings = Holdings(self.runs)
        self._notices = Notices()
        self._settled = 0
        self._tasks: dict[int, dict[str, Step]] = {}
        self._forgotten: list[int] = []
        self._parents: dict[int, int] | None = None
        self._renewed: set[tuple[int, str]] = set()
        self._left: dict[tuple[int, str], Step] = {}
        self._outputs: dict[int, dict[str, Any]] = {}
        self.ready: list[Step] = []
        self.relays = False
        """Whether a run within another is to begin, or has ended: ``relay.deliver`` is due after the commit."""
        self._definitions: Mapping[int, Definition] = {}
        self._changed_runs: dict[int, Run] = {}
        self._changed_steps: dict[tuple[int, str], Step] = {}
        self._succeeded: set[tuple[int, str]] = set()

    def lock_runs(self, ids: Collection[int], *, skip_locked: bool = False) -> None:
        """Lock runs by ascending id and read the states of their steps; ``skip_locked`` leaves out what others hold."""
        ids = set(ids) - self.runs.keys()
        if ids:
            rows = Run.objects.filter(pk__in=ids).order_by("pk")
            self._take_in(rows.select_for_update(no_key=True, skip_locked=skip_locked))

    @classmethod
    def of_claims(cls, claimed: Collection[Step]) -> tuple["Group", dict[int, tuple[str, int]]]:
        """A group of the runs of steps whose claim the caller still holds in memory: runs and steps are locked.

        Of the steps only status and token are read, which are returned; of the runs the status, and the rest only
        where that has changed. All that is one message to the database.
        """
        known = {step.run_id: step.run for step in claimed}
        if not known:
            return cls(database_now()), {}
        now, (runs, states, claims) = fetch_now(
            (LOCK_RUNS, [known]), (STATES, [known]), (LOCK_CLAIMS, [[step.pk for step in claimed]])
        )
        held = {pk: (status, token) for pk, status, token in claims}
        # A run that was ended and retried meanwhile shows no change itself, but all claims on it are void.
        void = {step.run_id for step in claimed if held.get(step.pk) != (StepStatus.RUNNING, step.token)}
        group, read = cls(now), {pk: rest for pk, *rest in runs}
        unchanged = {
            pk: run for pk, run in known.items() if read.get(pk) == [run.status, run.priority] and pk not in void
        }
        group._take_in(unchanged.values(), [row for row in states if row[0] in unchanged])
        group.lock_runs(read.keys())
        return group, held

    def _take_in(self, runs: Iterable[Run], states: Iterable[tuple[Any, ...]] | None = None) -> None:
        """Take in locked runs; ``states`` are those of their steps if they were read already."""
        before = set(self.runs)
        self.adopt(runs)
        fresh = self.runs.keys() - before
        if states is None:
            (states,) = fetch((STATES, [fresh]))
        for run, name, status, total in states:
            self.states[run][name] = status
            if total is not None:
                self.fans[run][name] = Fan(total)
        if any(self.fans.get(run) for run in fresh):
            self._count_items([run for run in fresh if self.fans.get(run)])

    def _count_items(self, runs: Collection[int]) -> None:
        """Items are counted, not read: a fan-out may have thousands."""
        items = Step.objects.filter(run_id__in=runs).exclude(parent="").order_by()
        for run, parent, status, count in items.values_list("run_id", "parent", "status").annotate(Count("pk")):
            if parent in self.fans[run]:
                self.fans[run][parent].counts[status] = count

    def lock_steps(self, ids: Collection[int]) -> dict[int, Step]:
        """Lock steps by ascending id, their runs being locked already."""
        return {
            step.pk: step
            for step in Step.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True)
            if step.run_id in self.runs
        }

    def lock_tasks(self, run: Run, names: Collection[str] | None = None) -> list[Step]:
        """Lock the tasks of ``run`` that have not ended, or only those of the steps ``names``, new ones included."""
        touched = {name for pk, name in self._changed_steps if pk == run.pk}
        found = [step for step in self._open_tasks(run, names) if step.name not in touched]
        changed = [step for (pk, _), step in self._changed_steps.items() if pk == run.pk and step.status in OPEN]
        return found + [step for step in changed if names is None or {step.name, step.parent} & set(names)]

    def _open_tasks(self, run: Run, names: Collection[str] | None) -> list[Step]:
        if run.pk in self._tasks:
            read = [step for step in self._tasks[run.pk].values() if step.status in OPEN]
            return read if names is None else [step for step in read if {step.name, step.parent} & set(names)]
        rows = Step.objects.filter(run=run, status__in=OPEN)
        if names is not None:
            rows = rows.filter(Q(name__in=names) | Q(parent__in=names))
        return list(rows.order_by("pk").select_for_update(no_key=True))

    def lock_all(self, run: Run) -> list[Step]:
        """Lock all tasks of ``run``."""
        if run.pk in self._tasks:
            return list(self._tasks[run.pk].values())
        return list(Step.objects.filter(run=run).order_by("pk").select_for_update(no_key=True))

    def parents(self) -> dict[int, int]:
        """For each run of the group that lies within another: which one."""
        if self._parents is None:
            rows = Step.objects.filter(children__in=self.runs).values_list("children", "run_id")
            self._parents = dict(rows)
        return self._parents

    def read_tasks(self) -> None:
        """Lock all tasks of all runs of the group in one statement, for actions on many runs."""
        self._tasks = {pk: {} for pk in self.runs}
        for step in Step.objects.filter(run_id__in=self.runs).order_by("pk").select_for_update(no_key=True):
            self._tasks[step.run_id][step.name] = step

    def task(self, run: Run, name: str) -> Step | None:
        """One task of a locked run, locked, or None if it has no row."""
        known = self._changed_steps.get((run.pk, name))
        if known is None and run.pk in self._tasks:
            return self._tasks[run.pk].get(name)
        return known or Step.objects.filter(run=run, name=name).select_for_update(no_key=True).first()

    def items(self, run: Run, parent: str, total: int) -> list[Any]:
        """What the items of a fan-out came to, in their order; None where one gave nothing."""
        rows = Step.objects.filter(run=run, parent=parent, output__isnull=False).values_list("name", "output")
        outputs = {index_of(name): output for name, output in rows}
        for (pk, name), step in self._changed_steps.items():
            if pk == run.pk and step.parent == parent:
                outputs[index_of(name)] = step.output
        return [outputs.get(index) for index in range(total)]

    def done(self, run: Run) -> list[tuple[str, str]]:
        """The tasks of ``run`` that can be undone, in the order in which they succeeded, with their statuses."""
        return self._undoable(run).in_order()

    def to_undo(self, run: Run) -> list[tuple[str, str]]:
        """Of :meth:`done` what the next undoing depends on; it may be one of thousands."""
        return self._undoable(run).next()

    def _undoable(self, run: Run) -> Undoable:
        steps = [step.name for step in self.definition(run).steps if step.compensate]
        changed = {name: step for (pk, name), step in self._changed_steps.items() if pk == run.pk}
        return Undoable(run.pk, steps, {**self._tasks.get(run.pk, {}), **changed}, complete=run.pk in self._tasks)

    def add(self, run: Run, spec: StepSpec, name: str = "", *, parent: str = "") -> Step:
        """A new task of ``run``, or one that is to go through it again; it is stored once it was moved."""
        name = name or spec.name
        row = self._renewed_task(run, name, parent) or _new_step(run, name, parent, self.now)
        row.queue, row.timeout_s = run.queue, spec.timeout_s
        return row

    def _renewed_task(self, run: Run, name: str, parent: str) -> Step | None:
        if parent:
            row = self._left.get((run.pk, name))
        else:
            row = self.task(run, name) if self.states[run.pk].get(name) == StepStatus.PENDING else None
        if row is not None:
            self._renewed.add((run.pk, name))
        return row

    def begin_fan(self, run: Run, row: Step, items: list[Any]) -> None:
        """The step ``row`` fans out; of items left of an earlier try, those that it no longer has are removed."""
        row.input, row.total = items, len(items)
        fan = self.fans[run.pk][row.name] = Fan(len(items))
        if row.pk is not None:
            left = self._left_items(run, row.name)
            surplus = [name for name in left if (index_of(name) or 0) >= len(items)]
            self.forget(run, surplus)
            fan.counts[StepStatus.PENDING] = len(left) - len(surplus)

    def expect_items(self, run: Run, parent: str, names: Collection[str]) -> None:
        """Read those of the items ``names`` that are left of an earlier try, in one statement."""
        if self.fans[run.pk][parent].counts.get(StepStatus.PENDING):
            self._left.update({(run.pk, name): row for name, row in self._left_items(run, parent, names).items()})

    def _left_items(self, run: Run, parent: str, names: Collection[str] | None = None) -> dict[str, Step]:
        found = self._tasks.get(run.pk)
        if found is None:
            rows = Step.objects.filter(run=run, parent=parent, status=StepStatus.PENDING)
            found = {row.name: row for row in (rows if names is None else rows.filter(name__in=names))}
        else:
            found = {name: row for name, row in found.items() if row.parent == parent}
        changed = {name: step for (pk, name), step in self._changed_steps.items() if pk == run.pk}
        found.update({name: step for name, step in changed.items() if step.parent == parent})
        return {name: row for name, row in found.items() if row.status == StepStatus.PENDING}

    def adopt(self, runs: Iterable[Run]) -> None:
        """Take in runs that are locked or were made in this transaction."""
        self.runs.update({run.pk: run for run in runs})
        versions = {run.version_id for run in self.runs.values()}
        if self.takes_unreadable:
            self._definitions, self.faults = definitions.readable(versions)
        else:
            self._definitions = definitions.parsed(versions)

    def definition(self, run: Run) -> Definition:
        return self._definitions[run.version_id]

    def context(self, run: Run) -> dict[str, Any]:
        """What expressions of the run see; the first call reads the outputs for all runs of the group."""
        if run.pk not in self._outputs:
            self._read_outputs()
        outputs = self._outputs[run.pk]
        steps = {name: {"status": status, "output": outputs.get(name)} for name, status in self.states[run.pk].items()}
        held = {"resources": self.holdings.given(run) or {}} if self.definition(run).reserves else {}
        return {**run.input, "steps": steps, **held}

    def _read_outputs(self) -> None:
        fresh = self.runs.keys() - self._outputs.keys()
        self._outputs.update({run: {} for run in fresh})
        stored = Step.objects.filter(run_id__in=fresh, parent="", output__isnull=False)
        for run, name, output in stored.values_list("run_id", "name", "output"):
            self._outputs[run][name] = output
        for (run, name), step in self._changed_steps.items():
            if run in fresh:
                self._outputs[run][name] = step.output

    def move(self, step: Step, status: StepStatus, **changes: Any) -> None:
        """Move a locked or new step, remember it for the save, and tell those above where it matters to them."""
        key = step.run_id, step.name
        before = None if key not in self._changed_steps and step.pk is None else step.status
        self._succeeded.discard(key)
        if (before, status) == _SUCCESS and key not in self._changed_steps and changes.keys() <= {"output", "error"}:
            self._succeeded.add(key)
        if status in SETTLED and step.status in OPEN:
            self.holdings.end_step(step, status, self.definition(self.runs[step.run_id]))
        STEP_STATES.stage(step, status)
        waited_for = step.waits_for
        for name, value in changes.items():
            setattr(step, name, value)
        self._follow(step, status)
        self._changed_steps[key] = step
        self.relays |= WaitsFor.CHILD in (waited_for, step.waits_for)
        if step.parent:
            self.fans[step.run_id][step.parent].move(before, status)
            return
        self.states[step.run_id][step.name] = status
        if step.total is not None:
            self.fans[step.run_id].setdefault(step.name, Fan(step.total))
        if step.run_id in self._outputs:
            self._outputs[step.run_id][step.name] = step.output
        if status in SETTLED or (status == StepStatus.WAITING and step.waits_for != WaitsFor.RESOURCES):
            self._notices.add_step(self.runs[step.run_id], step)

    def wait_for(self, step: Step, waits_for: WaitsFor, **changes: Any) -> None:
        """Let a step wait, which may do so already, for something else."""
        if step.status != StepStatus.WAITING:
            self.move(step, StepStatus.WAITING, waits_for=waits_for, **changes)
            return
        for name, value in {**changes, "waits_for": waits_for}.items():
            setattr(step, name, value)
        self.touch(step)
        self.relays |= waits_for == WaitsFor.CHILD
        if not step.parent:
            self._notices.add_step(self.runs[step.run_id], step)

    def renew(self, step: Step) -> None:
        """What it is given is decided on anew, so more of its row is to be written."""
        self._renewed.add((step.run_id, step.name))
        self.touch(step)

    def _follow(self, step: Step, status: StepStatus) -> None:
        """What a status brings with it: no lease unless it runs, nothing to wait for unless it waits, an end's time."""
        if status in SETTLED:
            # Of those that settle together each comes a microsecond later, so that their order can be told for ever.
            if step.finished_at is None:
                step.finished_at = self.now + timedelta(microseconds=self._settled)
                self._settled += 1
        else:
            step.finished_at = None
        if status == StepStatus.READY:
            run = self.runs[step.run_id]
            step.held = run.status == RunStatus.PAUSED
            step.rank_at = urgency.rank_of(run.created_at, run.priority, run.tier, run.deadline)
        if status != StepStatus.RUNNING:
            step.executor, step.lease_expires_at = "", None
        if status != StepStatus.WAITING:
            step.waits_for, step.wake_at = "", None

    def touch(self, *rows: Step | Run, anew: bool = False) -> None:
        """Remember rows whose columns were changed without moving them; ``anew``: what a step asks for, too."""
        for row in rows:
            if isinstance(row, Run):
                self._changed_runs[row.pk] = row
            else:
                self._changed_steps[row.run_id, row.name] = row
                self._succeeded.discard((row.run_id, row.name))
                self._renewed |= {(row.run_id, row.name)} if anew else set()

    def has_changed(self, row: Step) -> bool:
        """Whether what the database says of a task is out of date, since this group has moved it."""
        return (row.run_id, row.name) in self._changed_steps

    def forget(self, run: Run, tasks: Sequence[str]) -> None:
        """Remove tasks of a run that is to go through them again: items, and what undid them."""
        if run.pk in self._tasks:  # all that is read of it is read from there, so the rows can go with the save
            known = self._tasks[run.pk]
            self._forgotten += [known.pop(name).pk for name in tasks if name in known]
        elif tasks:
            Step.objects.filter(run=run, name__in=tasks).delete()
        for name in tasks:
            self.states[run.pk].pop(name, None)
            self._changed_steps.pop((run.pk, name), None)

    def move_run(self, run: Run, status: RunStatus, **changes: Any) -> None:
        goes_on = run.status in RUN_ENDS
        RUN_STATES.stage(run, status)
        for name, value in changes.items():
            setattr(run, name, value)
        run.finished_at = self.now if status in RUN_ENDS else None
        if status in RUN_ENDS:
            self.relays |= run.parent_id is not None
            self.holdings.end_run(run, None if run.version_id in self.faults else self.definition(run))
        if status in RUN_ENDS or goes_on:
            self._notices.add_run(run)
        self._changed_runs[run.pk] = run

    def save(self) -> None:
        """Write all of it, then let those above follow, in the same transaction."""
        if self.holdings.is_touched:
            for settle in settlers:
                settle(self)
        columns: dict[tuple[str, ...], list[Step]] = {SUCCESS_FIELDS: [], RENEWED_FIELDS: [], STEP_FIELDS: []}
        new = []
        for key, step in self._changed_steps.items():
            if step._state.adding:
                new.append(step)
            elif key in self._succeeded:
                columns[SUCCESS_FIELDS].append(step)
            else:
                columns[RENEWED_FIELDS if key in self._renewed else STEP_FIELDS].append(step)
        if self._forgotten:
            Step.objects.filter(pk__in=self._forgotten).delete()
        bulk.execute(
            bulk.change(Run, list(self._changed_runs.values()), RUN_FIELDS),
            *(bulk.change(Step, steps, fields) for fields, steps in columns.items()),
            bulk.insertion_of(Step, new),
        )
        self._notices.deliver()

    def record_step(  # noqa: PLR0913  the parts of an event, all by name
        self,
        action: str,
        step: Step,
        *,
        actor: Actor = ENGINE,
        reason: str = "",
        outcome: str = Outcome.SUCCEEDED,
        permission: str = "",
        **after: Any,
    ) -> None:
        """An event about a step, under its run's correlation."""
        run = self.runs[step.run_id]
        events.record(
            action,
            target=Ref("step", step.name if step.pk is None else step.pk, step.name),
            parent=Ref("run", run.pk, self.definition(run).name),
            after={"status": str(step.status), **after},
            reason=reason,
            outcome=outcome,
            permission=permission,
            actor=actor,
            correlation=run.correlation,
        )

    def record_run(
        self,
        action: str,
        run: Run,
        *,
        reason: str = "",
        outcome: str = Outcome.SUCCEEDED,
        actor: Actor | None = None,
        **after: Any,
    ) -> None:
        """An event about a run, under its own correlation."""
        events.record(
            action,
            target=Ref("run", run.pk, self.definition(run).name),
            parent=Ref(run.serves_kind, run.serves_id) if run.serves_kind else events.NOTHING,
            after={"status": str(run.status), **after},
            reason=reason,
            outcome=outcome,
            actor=actor or ENGINE,
            correlation=(self.correlation if actor else "") or run.correlation,
        )


def _new_step(run: Run, name: str, parent: str, now: datetime) -> Step:
    values = {"name": name, "parent": parent, "created_at": now, "available_at": now, "rank_at": now}
    return bulk.fresh(Step, values, run=run)
