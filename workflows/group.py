"""A group: runs under lock, what happens to them in memory, and one save. The only writer of Run and Step.

However many steps a group moves, it costs a constant number of statements. Locks are taken in the order runs, steps;
claims skip what is locked, so they never wait while holding a step.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from orchestra.kernel import events
from orchestra.kernel.access import Actor
from orchestra.kernel.events import Outcome, Ref
from orchestra.kernel.states import save_all
from workflows import definitions
from workflows.definition import Definition
from workflows.models import RUN_ENDS, RUN_STATES, STEP_STATES, Run, RunStatus, Step, StepStatus
from workflows.planner import SETTLED
from workflows.ports import Change, RunChange, StepChange, observers

ENGINE = Actor.system("engine")
RUN_FIELDS = ("status", "output", "error", "started_at", "finished_at")
STEP_FIELDS = (
    "status",
    "output",
    "error",
    "attempt",
    "losses",
    "history",
    "agent_id",
    "choice",
    "executor",
    "token",
    "lease_expires_at",
    "available_at",
    "started_at",
    "finished_at",
)


class Group:
    """Everything that one transaction does to runs and their steps."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.runs: dict[int, Run] = {}
        self.states: dict[int, dict[str, str]] = defaultdict(dict)
        self._outputs: dict[int, dict[str, Any]] = {}
        self.ready: list[Step] = []
        self._definitions: Mapping[int, Definition] = {}
        self._changed_runs: dict[int, Run] = {}
        self._changed_steps: dict[tuple[int, str], Step] = {}
        self._changes: dict[str, list[Change]] = defaultdict(list)

    def lock_runs(self, ids: Collection[int], *, skip_locked: bool = False) -> None:
        """Lock runs by ascending id and read the states of their steps; ``skip_locked`` leaves out what others hold."""
        ids = set(ids) - self.runs.keys()
        if ids:
            rows = Run.objects.filter(pk__in=ids).order_by("pk")
            self._take_in(rows.select_for_update(no_key=True, skip_locked=skip_locked))

    def lock_known_runs(self, known: Mapping[int, Run]) -> None:
        """Lock runs that the caller read before: their status is read, and the rest only where that has changed."""
        rows = Run.objects.filter(pk__in=known).order_by("pk").select_for_update(no_key=True)
        statuses = dict(rows.values_list("pk", "status"))
        self._take_in(run for pk, run in known.items() if statuses.get(pk) == run.status)
        self.lock_runs(statuses.keys())

    def _take_in(self, runs: Iterable[Run]) -> None:
        before = set(self.runs)
        self.adopt(runs)
        steps = Step.objects.filter(run_id__in=self.runs.keys() - before)
        for run, name, status in steps.values_list("run_id", "name", "status"):
            self.states[run][name] = status

    def lock_steps(self, ids: Collection[int]) -> dict[int, Step]:
        """Lock steps by ascending id, their runs being locked already."""
        return {
            step.pk: step
            for step in Step.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True)
            if step.run_id in self.runs
        }

    def lock_claims(self, ids: Collection[int]) -> dict[int, tuple[str, int]]:
        """Lock steps whose claim the caller still holds in memory: only status and token are read."""
        rows = Step.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True)
        return {pk: (status, token) for pk, status, token in rows.values_list("pk", "status", "token")}

    def adopt(self, runs: Iterable[Run]) -> None:
        """Take in runs that are locked or were made in this transaction."""
        self.runs.update({run.pk: run for run in runs})
        self._definitions = definitions.parsed({run.version_id for run in self.runs.values()})

    def definition(self, run: Run) -> Definition:
        return self._definitions[run.version_id]

    def context(self, run: Run) -> dict[str, Any]:
        """What expressions of the run see; the first call reads the outputs for all runs of the group."""
        if run.pk not in self._outputs:
            self._read_outputs()
        outputs = self._outputs[run.pk]
        steps = {name: {"status": status, "output": outputs.get(name)} for name, status in self.states[run.pk].items()}
        return {**run.input, "steps": steps}

    def _read_outputs(self) -> None:
        fresh = self.runs.keys() - self._outputs.keys()
        self._outputs.update({run: {} for run in fresh})
        stored = Step.objects.filter(run_id__in=fresh, output__isnull=False)
        for run, name, output in stored.values_list("run_id", "name", "output"):
            self._outputs[run][name] = output
        for (run, name), step in self._changed_steps.items():
            if run in fresh:
                self._outputs[run][name] = step.output

    def move(self, step: Step, status: StepStatus, **changes: Any) -> None:
        """Move a locked or new step, remember it for the save, and tell those above where it matters to them."""
        STEP_STATES.stage(step, status)
        for name, value in changes.items():
            setattr(step, name, value)
        if status in SETTLED:
            step.finished_at = self.now
        if status != StepStatus.RUNNING:
            step.executor, step.lease_expires_at = "", None
        self._changed_steps[step.run_id, step.name] = step
        self.states[step.run_id][step.name] = status
        if step.run_id in self._outputs:
            self._outputs[step.run_id][step.name] = step.output
        if status in SETTLED or status == StepStatus.WAITING:
            self._tell_of_step(step)

    def move_run(self, run: Run, status: RunStatus, **changes: Any) -> None:
        RUN_STATES.stage(run, status)
        for name, value in changes.items():
            setattr(run, name, value)
        if status in RUN_ENDS:
            run.finished_at = self.now
            self._tell(run, RunChange(run.serves_id, run.pk, status, run.output, run.error))
        self._changed_runs[run.pk] = run

    def _tell(self, run: Run, change: Change) -> None:
        if run.serves_kind:
            self._changes[run.serves_kind].append(change)

    def _tell_of_step(self, step: Step) -> None:
        run = self.runs[step.run_id]
        if not run.serves_kind:
            return
        agent = (step.choice or {}).get("chosen", "")
        # The step's number is filled in by the save, which gives it to new rows.
        change = (run.serves_id, run.pk, step, step.name, step.status, step.output, step.error, agent, step.input)
        self._changes[run.serves_kind].append(change)  # type: ignore[arg-type]

    def save(self) -> None:
        """Write all of it, then let those above follow, in the same transaction."""
        save_all(Run, list(self._changed_runs.values()), RUN_FIELDS)
        save_all(Step, list(self._changed_steps.values()), STEP_FIELDS)
        for kind, changes in self._changes.items():
            observe = observers.get(kind)
            if observe is not None:
                observe([_with_step_number(change) for change in changes])

    def record_step(
        self,
        action: str,
        step: Step,
        *,
        actor: Actor = ENGINE,
        reason: str = "",
        outcome: str = Outcome.SUCCEEDED,
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
            actor=actor,
            correlation=run.correlation,
        )

    def record_run(
        self, action: str, run: Run, *, reason: str = "", outcome: str = Outcome.SUCCEEDED, actor: Actor | None = None
    ) -> None:
        events.record(
            action,
            target=Ref("run", run.pk, self.definition(run).name),
            parent=Ref(run.serves_kind, run.serves_id) if run.serves_kind else events.NOTHING,
            after={"status": str(run.status)},
            reason=reason,
            outcome=outcome,
            actor=actor or ENGINE,
            correlation=run.correlation,
        )


def _with_step_number(change: Any) -> Change:
    if isinstance(change, RunChange):
        return change
    serves_id, run, step, *rest = change
    return StepChange(serves_id, run, step.pk, *rest)
