"""Puts steps off that cannot be claimed, so that they do not keep all others from being claimed with them.

A step of the queue is read together with its run and its version's definition. One that cannot be read, for example
after an upgrade, would make every claim of its batch fail.
"""

import logging
from datetime import timedelta

from orchestra.kernel import events
from orchestra.kernel.clock import database_now
from orchestra.kernel.events import Outcome, Ref
from workflows import definitions
from workflows.group import ENGINE
from workflows.models import Step, StepStatus

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
