"""What happens to runs and steps by the clock: begin, wake, fail at their deadline. Called by the ticker.

Due times are indexed columns; each pass takes the most overdue first and is bounded, so that it never stops the clock.
"""

from collections.abc import Sequence
from datetime import timedelta

from agents.observation import CALLS
from orchestra.kernel import events
from orchestra.kernel.clock import database_now
from workflows import advance, overdue, saving, settling
from workflows.definition import StepSpec
from workflows.group import ENGINE, Group
from workflows.halving import each_group
from workflows.models import RUN_ENDS, Run, RunStatus, Step, StepStatus, WaitsFor

BATCH = 200
PUT_OFF = timedelta(hours=1)
"""A row whose turn raises is tried again so much later, so that it never stops the clock for the others."""


def begin_due() -> int:
    """Begin the runs whose time has come."""
    due = Run.objects.filter(status=RunStatus.QUEUED, start_at__lte=database_now()).order_by("start_at")
    found = list(due.values_list("pk", flat=True)[:BATCH])
    return each_group(found, _begin, lambda pk: _put_off(Run, pk, "start_at"))


def expire_runs() -> int:
    """Fail the runs that have not ended by their deadline; what had succeeded is undone."""
    late = Run.objects.filter(finished_at__isnull=True, deadline__lte=database_now())
    late = late.exclude(status=RunStatus.COMPENSATING).order_by("deadline")
    found = list(late.values_list("pk", flat=True)[:BATCH])
    return each_group(found, _expire, lambda pk: _put_off(Run, pk, "deadline"))


def wake_steps() -> int:
    """End the waiting of steps whose time is up, each in the way of its kind."""
    due = Step.objects.filter(status=StepStatus.WAITING, wake_at__lte=database_now())
    due = due.exclude(waits_for=WaitsFor.CHILD).order_by("wake_at")
    found = list(due.values_list("pk", "run_id")[:BATCH])
    return each_group(found, _wake_all, lambda row: _put_off(Step, row[0], "wake_at"))


def _begin(runs: Sequence[int]) -> int:
    with events.recording(ENGINE):
        group = Group(database_now())
        group.lock_runs(runs)
        for run in list(group.runs.values()):
            if run.status == RunStatus.QUEUED and run.start_at is not None:
                run.start_at = None
                group.touch(run)
                advance.proceed(group, run)
        group.save()
    return len(runs)


def _expire(runs: Sequence[int]) -> int:
    with events.recording(ENGINE):
        group = Group(database_now())
        group.lock_runs(runs)
        for run in list(group.runs.values()):
            if run.status not in (*RUN_ENDS, RunStatus.COMPENSATING):
                advance.stop(group, run, RunStatus.FAILED, "Its deadline passed before it ended.")
        group.save()
    return len(runs)


def _wake_all(found: Sequence[tuple[int, int]]) -> int:
    with events.recording(ENGINE):
        group = Group(database_now())
        group.lock_runs([run for _, run in found])
        steps = group.lock_steps([pk for pk, _ in found])
        woken = [step for step in steps.values() if _is_due(step, group)]
        unanswered = [step for step in woken if step.waits_for == WaitsFor.AGENT]
        overdue.with_agents(unanswered)
        failed = [result for step in unanswered for result in overdue.never_answered(group, step)]
        for step in woken:
            if step not in unanswered:
                _wake(group, step)
        for run in list(group.runs.values()):
            advance.proceed(group, run)
        saving.with_calls(group, failed)
    for result in failed:
        CALLS.observe(result.agent, result.seconds, result.fault)
    return len(found)


def _is_due(step: Step, group: Group) -> bool:
    return step.status == StepStatus.WAITING and step.wake_at is not None and step.wake_at <= group.now


def _put_off(model: type[Run] | type[Step], pk: int, column: str) -> None:
    with events.recording(ENGINE):
        model._default_manager.filter(pk=pk).update(**{column: database_now() + PUT_OFF})


def _wake(group: Group, step: Step) -> None:
    spec = group.definition(group.runs[step.run_id]).step(step.name)
    match step.waits_for:
        case WaitsFor.TIMER:
            settling.succeed(group, step, None)
        case WaitsFor.FIRST:
            branch = min((b for b in spec.first_of if b.wait_s is not None), key=lambda b: b.wait_s or 0.0)
            settling.succeed(group, step, {"winner": branch.name, "payload": None})
        case WaitsFor.PERSON if spec.human is not None:
            _end_waiting_for_person(group, step, spec)
        case _:
            error = "Nothing came in time."
            settling.fail(group, step, error, outcome=events.Outcome.TIMED_OUT)


def _end_waiting_for_person(group: Group, step: Step, spec: StepSpec) -> None:
    assert spec.human is not None
    error = "Nobody answered in time."
    if spec.human.on_timeout == "escalate":
        step.round, step.wake_at, step.error = 1, None, f"{error} It waits for an administrator now."
        group.touch(step)
        group.record_step("StepEscalated", step, reason=error, outcome=events.Outcome.TIMED_OUT)
    elif spec.human.on_timeout == "skip":
        group.move(step, StepStatus.SKIPPED, error=error)
        group.record_step("StepFailed", step, reason=error, outcome=events.Outcome.TIMED_OUT)
    else:
        settling.fail(group, step, error, outcome=events.Outcome.TIMED_OUT)
