"""Whether dead work may be tried again where it is: only as long as nothing was decided upon its end. Pure."""

from collections.abc import Mapping

from workflows.definition import Definition, index_of, step_of
from workflows.models import RUN_ENDS, Run, RunStatus
from workflows.planner import FAILED, SETTLED

_LATER = "when the run has ended, retry it from {step}."


def why_not(run: Run, definition: Definition, states: Mapping[str, str], task: str) -> str:
    """Why the dead ``task`` of ``run`` may not be put back into the queue, and what to do instead; nothing if it may.

    ``states`` are those of the steps reached so far. A run that has ended is another matter: it is retried.
    """
    step = step_of(task)
    later = _LATER.format(step=step)
    if run.status in RUN_ENDS:
        return ""
    if run.status == RunStatus.COMPENSATING:
        return "Its run is being undone, so the step would come too late; " + later
    if _is_ending(definition, states):
        wait = "resume the run and wait" if run.status == RunStatus.PAUSED else "wait"
        return (
            f"Its run is ending, so the step would come too late; {wait} until it has ended, then retry it from {step}."
        )
    if index_of(task) is not None and states.get(step) in SETTLED:
        return f"The step {step} has ended without this item; " + later
    followers = [other.name for other in definition.steps if step in other.needs and _is_reached(states, other.name)]
    if index_of(task) is None and followers:
        return f"The step {followers[0]} was decided upon without this one; " + later
    return ""


def _is_ending(definition: Definition, states: Mapping[str, str]) -> bool:
    """Whether a critical step failed or one was reached that ends the run, so that what is open is withdrawn."""
    return any(
        (step.critical and states.get(step.name) in FAILED) or (step.end and states.get(step.name) == "succeeded")
        for step in definition.steps
    )


def _is_reached(states: Mapping[str, str], name: str) -> bool:
    return states.get(name, "pending") != "pending"
