"""Puts steps off that cannot be claimed, given back or buried, so that they do not keep all others from it.

A step of the queue is read together with its run and its version's definition. One that cannot be read, for example
after an upgrade, would make every claim of its batch fail, and so would one that is to go back to the queue.
"""

import logging
from datetime import timedelta

from agents import reservations
from agents.reservations import Return
from orchestra.kernel import events
from orchestra.kernel.clock import database_now
from orchestra.kernel.events import Outcome, Ref
from workflows import definitions
from workflows.group import ENGINE
from workflows.models import STEP_STATES, Run, Step, StepStatus

logger = logging.getLogger(__name__)

HEAD = 500
"""How many steps at the head of the queue are looked at."""
PUT_OFF = timedelta(hours=1)


def put_off_broken() -> int:
    """Put the broken ones among the steps that are due off by an hour; returns how many. Called when a claim failed."""
    due = Step.objects.filter(status=StepStatus.READY, held=False, available_at__lte=database_now())
    heads = list(due.order_by("rank_at").values_list("pk", "name", "run_id", "run__version_id")[:HEAD])
    faults = {version: _fault_of(version) for version in {version for *_, version in heads}}
    broken = [(pk, name, run, faults[version]) for pk, name, run, version in heads if faults[version]]
    for pk, name, run, fault in broken:
        _put_off(pk, name, run, f"It cannot be begun: {fault} Mend that, or cancel its run.")
    return len(broken)


def put_off_return(claim: tuple[int, int, int]) -> None:
    """A step whose executor is gone, but which cannot go back to the queue, is looked at again in an hour."""
    pk, _, token = claim
    with events.recording(ENGINE):
        row = Step.objects.filter(pk=pk, status=StepStatus.RUNNING, token=token)
        row.update(lease_expires_at=database_now() + PUT_OFF)


def bury_alone(pk: int, token: int, error: str) -> None:
    """Mark a step dead without reading what its run is about; nothing follows from it in the run."""
    with events.recording(ENGINE):
        now = database_now()
        run = Run.objects.filter(steps=pk).select_for_update(no_key=True, of=("self",)).first()
        row = Step.objects.filter(pk=pk, status=StepStatus.RUNNING, token=token).first()
        if run is None or row is None:
            return
        if reservations.holds_any([run.pk]):
            reservations.settle(returns=[Return(run.pk, row.name, "Its step is dead.")])
        if STEP_STATES.move(row, StepStatus.DEAD, error=error, executor="", lease_expires_at=None, finished_at=now):
            events.record(
                "StepDied",
                target=Ref("step", pk, row.name),
                parent=Ref("run", run.pk),
                after={"status": str(row.status)},
                reason=error,
                outcome=Outcome.FAILED,
                correlation=run.correlation,
            )


def _fault_of(version: int) -> str:
    try:
        definitions.parsed([version])
    except Exception as error:
        logger.exception("The definition of version %s cannot be read", version)
        return f"the definition of its version cannot be read ({error})."
    return ""


def _put_off(pk: int, name: str, run: int, reason: str) -> None:
    with events.recording(ENGINE):
        row = Step.objects.filter(pk=pk, status=StepStatus.READY)
        if row.update(available_at=database_now() + PUT_OFF, error=reason):
            target, parent = Ref("step", pk, name), Ref("run", run)
            events.record("StepPutOff", target=target, parent=parent, reason=reason, outcome=Outcome.FAILED)
