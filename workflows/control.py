"""The verbs for runs under way or ended: cancel, pause, resume, retry, prioritise; one run, or many at once.

Every verb locks its runs first, so none races with an executor: what that claims or settles comes before or after.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from orchestra.kernel import access, events, registry
from orchestra.kernel.access import Actor
from orchestra.kernel.clock import database_now
from orchestra.kernel.errors import Conflict, Forbidden, Invalid, NotFound, OrchestraError
from orchestra.kernel.models import Role
from orchestra.kernel.tally import Tally
from workflows import advance, relay, requeueing, settling, starting, steering
from workflows.definition import is_undo, step_of, undo, undone_by
from workflows.group import OPEN, Group
from workflows.models import RUN_ENDS, Run, Step, StepStatus

access.grant(
    {
        "runs.cancel": Role.OPERATOR,
        "runs.pause": Role.OPERATOR,
        "runs.retry": Role.OPERATOR,
        "runs.prioritise": Role.OPERATOR,
    }
)

Move = Callable[[Group, Run], None]


def cancel(run_id: int, *, by: Actor, reason: str) -> Run:
    """End a run now: what waits or is ready never begins, and the answer of a call in flight is refused.

    What had succeeded and can be undone is undone first, meanwhile the run is compensating; so are runs within it.
    """
    return _one(run_id, "runs.cancel", partial(steering.cancel, by=by, reason=_given(reason)), by)


def pause(run_id: int, *, by: Actor, reason: str) -> Run:
    """Let no further step of a run begin, nor of the runs within it; what calls in flight come to is kept."""
    return _one(run_id, "runs.pause", partial(steering.pause, by=by, reason=_given(reason)), by)


def resume(run_id: int, *, by: Actor, reason: str = "") -> Run:
    """Let a paused run go on, and the runs within it."""
    return _one(run_id, "runs.pause", partial(steering.resume, by=by, reason=reason), by)


def prioritise(run_id: int, priority: int, *, by: Actor, reason: str = "") -> Run:
    """Change a run's priority, and so the place of its steps in the queue."""
    return _one(run_id, "runs.prioritise", partial(steering.prioritise, priority=priority, by=by, reason=reason), by)


def retry(run_id: int, *, by: Actor, from_step: str = "", reason: str = "") -> Run:
    """Let an ended run go on: all of it again, or from ``from_step`` on, with whatever had not succeeded.

    Raises :class:`Conflict` where the run has not ended, or belongs to something that must not be disturbed.
    """
    return _one(run_id, "runs.retry", partial(steering.retry, from_step=from_step, by=by, reason=reason), by)


def many(action: str, runs: Sequence[int], *, tally: Tally, by: Actor, reason: str, **options: Any) -> None:
    """Do ``action`` to each of ``runs`` in one unit, and count in ``tally`` what became of it.

    A run that refuses leaves the others alone; one in which there is nothing to do is skipped.
    """
    access.check(by, permission_of(action, reason))
    _, move = _ACTIONS[action]
    with _locked(runs, by, shares_story=True) as group:
        group.read_tasks()
        for pk in runs:
            try:
                run = _found(group, pk)
                if action != "cancel":
                    _refuse_unreadable(group, run)
                move(group, run, by=by, reason=reason, **options)
            except (Conflict, NotFound):
                tally.skipped += 1
            except OrchestraError as error:
                refuse(tally, pk, error.detail)
            else:
                tally.done += 1


def refuse(tally: Tally, run_id: int, reason: str) -> None:
    """Count a run to which nothing was done."""
    tally.refuse(f"run #{run_id}", reason, registry.link("run", str(run_id)) or "")


def permission_of(action: str, reason: str) -> str:
    """What ``action`` on many runs needs; raises :class:`Invalid` if there is none such, or its reason is missing."""
    if action not in _ACTIONS:
        raise Invalid(errors=[{"path": "action", "message": f"Choose one of {', '.join(_ACTIONS)}."}])
    if action in NEED_REASON:
        _given(reason)
    return _ACTIONS[action][0]


def cancel_step(step_id: int, *, by: Actor, reason: str) -> Run:
    """Withdraw one step; its run goes on with what follows it. A person's step is for those who may answer it."""
    access.check(by, "runs.cancel")
    _given(reason)
    run_id = Step.objects.filter(pk=step_id).values_list("run_id", flat=True).first()
    with _locked([run_id or 0], by) as group:
        run = _found(group, run_id)
        _refuse_unreadable(group, run)
        step = group.lock_steps([step_id])[step_id]
        if step.status not in OPEN or is_undo(step.name):
            raise Conflict(_why_not_cancelled(step))
        tasks = group.lock_tasks(run, [step.name])
        _check_role(group, run, tasks, by)
        advance.withdraw(group, tasks, reason, actor=by, permission="runs.cancel")
        advance.proceed(group, run)
    relay.end_orphans()
    return run


def give_up_undoing(step_id: int, *, by: Actor, reason: str) -> Run:
    """Try no further to undo a step, which is then dead: a person settles it. The others go on being undone.

    ``step_id`` is that of the step, or of what undoes it.
    """
    access.check(by, "runs.cancel")
    _given(reason)
    found = Step.objects.filter(pk=step_id).values_list("run_id", "name").first()
    run_id, name = found or (0, "")
    with _locked([run_id], by) as group:
        run = _found(group, run_id)
        _refuse_unreadable(group, run)
        undoing = group.task(run, undo(undone_by(name)))
        if undoing is None or undoing.status not in OPEN:
            raise Conflict("This step is not being undone now, so there is nothing to give up; reload its run.")
        settling.give_up_undoing(group, undoing, reason, actor=by, permission="runs.cancel")
        advance.proceed(group, run)
    if group.relays:
        relay.deliver()
    return run


def requeue(step_id: int, *, by: Actor, reason: str = "") -> Run:
    """Try a dead step again: what undoes one by itself, any other by retrying its run from there."""
    access.check(by, "runs.retry")
    found = Step.objects.filter(pk=step_id, status=StepStatus.DEAD).values_list("run_id", "name").first()
    if found is None:
        raise Conflict("This step is not dead, or not there any more; reload the list.")
    run_id, name = found
    with _locked([run_id], by) as group:
        run = _found(group, run_id)
        _refuse_unreadable(group, run)
        dead = group.task(run, name)
        if dead is None or dead.status != StepStatus.DEAD:
            raise Conflict("This step is not dead any more; reload the list.")
        if _undo_again(group, run, undone_by(name)):
            group.record_step("StepRequeued", dead, actor=by, reason=reason)
        elif refusal := requeueing.why_not(run, group.definition(run), group.states[run.pk], name):
            raise Conflict(refusal)
        elif run.status not in RUN_ENDS:
            starting.again(group, run, dead)
            group.record_step("StepRequeued", dead, actor=by, reason=reason)
        else:
            steering.retry(group, run, by=by, reason=reason, from_step=step_of(name))
    if group.relays:
        relay.deliver()
    return run


def _why_not_cancelled(step: Step) -> str:
    if step.status in OPEN:
        return f"This step undoes {undone_by(step.name)}; give up undoing that instead, and settle it by hand."
    return f"This step is {step.get_status_display()}, so there is nothing to cancel; reload its run."


def _check_role(group: Group, run: Run, tasks: Collection[Step], by: Actor) -> None:
    """Nobody gets past an approval by cancelling it who may not give it."""
    spec = group.definition(run).step
    if by.kind != "person" or by.role == Role.ADMIN:
        return
    if any(settling.is_for_admin(spec(step.name), step) for step in tasks):
        raise Forbidden("This step waits for an administrator; ask one to answer or cancel it, or cancel the run.")


def _undo_again(group: Group, run: Run, task: str) -> bool:
    """Let what failed to undo ``task`` be tried again, if that is what it is about."""
    done, undoing = group.task(run, task), group.task(run, undo(task))
    if done is None or undoing is None or undoing.status not in (StepStatus.FAILED, StepStatus.DEAD):
        return False
    group.move(done, StepStatus.COMPENSATING, error="")
    for status in (StepStatus.PENDING, StepStatus.READY):
        group.move(undoing, status, attempt=0, losses=0, available_at=group.now)
    return True


def _one(run_id: int, permission: str, move: Move, by: Actor) -> Run:
    access.check(by, permission)
    with _locked([run_id], by) as group:
        run = _found(group, run_id)
        if permission != "runs.cancel":
            _refuse_unreadable(group, run)
        move(group, run)
    if group.relays:
        relay.deliver()
    return run


@contextmanager
def _locked(runs: Collection[int], by: Actor, *, shares_story: bool = False) -> Iterator[Group]:
    """A unit of work with ``runs`` under lock, and the runs within them; saved at its end."""
    with events.recording(by) as unit:
        group = Group(database_now(), correlation=unit.correlation if shares_story else "", takes_unreadable=True)
        found: set[int] = set()
        while fresh := set(_families(runs)) - found:  # more may begin until those that they lie within are locked
            found |= fresh
            group.lock_runs(fresh)
        yield group
        group.save()


def _found(group: Group, run_id: int | None) -> Run:
    run = group.runs.get(run_id or 0)
    if run is None:
        raise NotFound("There is no such run; it may have been removed.")
    return run


def _refuse_unreadable(group: Group, run: Run) -> None:
    """A run whose definition cannot be read can be cancelled, and nothing else."""
    for each in steering.within(group, run) if group.faults else ():
        if fault := group.faults.get(each.version_id):
            raise Invalid(f"Its definition cannot be read ({fault}); mend its workflow's version, or cancel the run.")


def _families(runs: Collection[int]) -> list[int]:
    """Runs, and the runs within them that have not ended, at any depth."""
    found, newest = list(runs), list(runs)
    while newest:
        inner = Run.objects.filter(parent__run_id__in=newest, finished_at__isnull=True)
        newest = list(inner.exclude(pk__in=found).values_list("pk", flat=True))
        found += newest
    return found


def _given(reason: str) -> str:
    if not reason.strip():
        raise Invalid(errors=[{"path": "reason", "message": "Give a reason; it stands in the audit trail."}])
    return reason


NEED_REASON = ("cancel", "pause")
_ACTIONS: dict[str, tuple[str, Callable[..., None]]] = {
    "cancel": ("runs.cancel", steering.cancel),
    "pause": ("runs.pause", steering.pause),
    "resume": ("runs.pause", steering.resume),
    "retry": ("runs.retry", steering.retry),
    "prioritise": ("runs.prioritise", steering.prioritise),
}
