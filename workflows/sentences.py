"""Events of the engine as sentences, for the audit trail."""

from collections.abc import Callable

from orchestra.kernel.models import Event


def _numbered(event: Event) -> str:
    return f"#{event.target_id} of {event.target_label}"


def _step(event: Event) -> str:
    return f"{event.target_label} of run #{event.parent_id}"


def _step_cancelled(event: Event) -> str:
    by_hand = event.actor_kind != "system"
    return f"{event.actor_label} cancelled {_step(event)}" if by_hand else f"{_step(event)} was cancelled"


def _fired(event: Event) -> str:
    if event.actor_id != "schedule":
        return f"{event.actor_label} ran {event.target_label} by hand"
    return f"{event.target_label} was due and started a run"


PHRASES: dict[str, Callable[[Event], str]] = {
    "WorkflowPublished": lambda event: f"{event.actor_label} published a version of {event.target_label}",
    "RunStarted": lambda event: f"{event.actor_label} started run {_numbered(event)}",
    "RunSucceeded": lambda event: f"Run {_numbered(event)} succeeded",
    "RunFailed": lambda event: f"Run {_numbered(event)} failed",
    "RunCancelled": lambda event: f"{event.actor_label} cancelled run {_numbered(event)}",
    "StepPutOff": lambda event: f"{_step(event)} was put off, since it could not be begun",
    "BulkActionStarted": lambda event: f"{event.actor_label} began to {event.target_label}",
    "BulkActionFinished": lambda event: f"To {event.target_label}, as {event.actor_label} asked, is done",
    "UndoingStarted": lambda event: f"What run {_numbered(event)} had done is being undone",
    "RunPaused": lambda event: f"{event.actor_label} paused run {_numbered(event)}",
    "RunResumed": lambda event: f"{event.actor_label} resumed run {_numbered(event)}",
    "RunRetried": lambda event: f"{event.actor_label} had run {_numbered(event)} gone through again",
    "RunPrioritised": lambda event: f"{event.actor_label} changed the priority of run {_numbered(event)}",
    "SignalSent": lambda event: f"{event.actor_label} sent a signal to run {_numbered(event)}",
    "RunsRemoved": lambda event: f"{event.target_label} that ended long ago were removed",
    "StepSucceeded": lambda event: f"{event.actor_label} did {_step(event)}",
    "StepAnswered": lambda event: f"{event.actor_label} answered {_step(event)}",
    "StepFailed": lambda event: f"{event.actor_label} failed at {_step(event)}",
    "StepRetried": lambda event: f"{event.actor_label} failed at {_step(event)}, which is tried again",
    "StepRepeated": lambda event: f"{event.actor_label} did {_step(event)}, which is repeated",
    "StepEscalated": lambda event: f"{_step(event)} waits for a person to take over",
    "StepRequeued": lambda event: f"{event.actor_label} put {_step(event)} back into the queue",
    "StepReturned": lambda event: f"{_step(event)} went back to the queue",
    "StepDied": lambda event: f"{_step(event)} is dead and is not tried again",
    "StepCancelled": _step_cancelled,
    "UndoingGivenUp": lambda event: f"{event.actor_label} gave up on {_step(event)}",
    "ScheduleCreated": lambda event: f"{event.actor_label} added the schedule {event.target_label}",
    "ScheduleChanged": lambda event: f"{event.actor_label} changed the schedule {event.target_label}",
    "ScheduleEnabled": lambda event: f"{event.actor_label} enabled the schedule {event.target_label}",
    "ScheduleDisabled": lambda event: f"{event.actor_label} disabled the schedule {event.target_label}",
    "ScheduleRemoved": lambda event: f"{event.actor_label} removed the schedule {event.target_label}",
    "ScheduleFired": _fired,
    "ScheduleSkipped": lambda event: f"{event.target_label} was due and left out",
    "ScheduleFailed": lambda event: f"{event.target_label} was due and could not start a run",
    "QueueCreated": lambda event: f"{event.actor_label} made the queue {event.target_label}",
    "QueueChanged": lambda event: f"{event.actor_label} changed the queue {event.target_label}",
    "QueuePaused": lambda event: f"{event.actor_label} paused the queue {event.target_label}",
    "QueueResumed": lambda event: f"{event.actor_label} resumed the queue {event.target_label}",
    "RoutingRuleCreated": lambda event: f"{event.actor_label} added the rule {event.target_label}",
    "RoutingRuleChanged": lambda event: f"{event.actor_label} changed the rule {event.target_label}",
    "RoutingRuleRemoved": lambda event: f"{event.actor_label} removed the rule {event.target_label}",
    "AllocationPlanned": lambda event: f"{event.actor_label} planned {event.target_label}",
    "AllocationStarted": lambda event: f"{event.actor_label} started {event.target_label}",
    "AllocationReleased": lambda event: f"Tasks of {event.target_label} may go to any agent now",
    "AllocationsRemoved": lambda event: f"{event.target_label} that were done long ago were removed",
    "AllocationFinished": lambda event: f"All tasks of {event.target_label} have ended",
    "CompletionRefused": lambda event: f"A late answer of {event.actor_label} to run #{event.parent_id} was refused",
}
