"""Events of the engine as sentences, for the audit trail."""

from collections.abc import Callable

from orchestra.kernel.models import Event


def _numbered(event: Event) -> str:
    return f"#{event.target_id} of {event.target_label}"


def _step(event: Event) -> str:
    return f"{event.target_label} of run #{event.parent_id}"


PHRASES: dict[str, Callable[[Event], str]] = {
    "WorkflowPublished": lambda event: f"{event.actor_label} published a version of {event.target_label}",
    "RunStarted": lambda event: f"{event.actor_label} started run {_numbered(event)}",
    "RunSucceeded": lambda event: f"Run {_numbered(event)} succeeded",
    "RunFailed": lambda event: f"Run {_numbered(event)} failed",
    "RunCancelled": lambda event: f"{event.actor_label} cancelled run {_numbered(event)}",
    "StepSucceeded": lambda event: f"{event.actor_label} did {_step(event)}",
    "StepAnswered": lambda event: f"{event.actor_label} answered {_step(event)}",
    "StepFailed": lambda event: f"{event.actor_label} failed at {_step(event)}",
    "StepRetried": lambda event: f"{event.actor_label} failed at {_step(event)}, which is tried again",
    "StepReturned": lambda event: f"{_step(event)} went back to the queue",
    "StepDied": lambda event: f"{_step(event)} is dead and is not tried again",
    "StepCancelled": lambda event: f"{_step(event)} was cancelled",
    "CompletionRefused": lambda event: f"A late answer of {event.actor_label} to run #{event.parent_id} was refused",
}
