"""Events of the fleet as sentences, for the audit trail."""

import json
from collections.abc import Callable

from orchestra.kernel.models import Event

SIDES = ("before", "after")


def _by_somebody(words: str) -> Callable[[Event], str]:
    return lambda event: f"{event.actor_label} {words} {event.target_label}"


def _of_the_agent(words: str) -> Callable[[Event], str]:
    return lambda event: f"{event.target_label} {words}"


def _of_the_breaker(words: str) -> Callable[[Event], str]:
    return lambda event: f"The breaker of {event.target_label} {words}"


def _scaled(event: Event) -> str:
    """With the sizes, where the detail was not erased."""
    before, after = (_size(getattr(event.detail, side)) if hasattr(event, "detail") else None for side in SIDES)
    by = "" if before is None or after is None else f" from {before} to {after}"
    if event.actor_kind == "system":
        grew = "shrank" if before is not None and after is not None and after < before else "grew"
        return f"The pool {event.target_label} {grew}{by}"
    return f"{event.actor_label} scaled the pool {event.target_label}{by}"


def _size(side: str) -> int | None:
    told = json.loads(side) if side else None
    return told.get("target") if isinstance(told, dict) else None


def _of_the_process(words: str) -> Callable[[Event], str]:
    return lambda event: f"The process of {event.target_label} {words}"


def _of_holder(words: str) -> Callable[[Event], str]:
    return lambda event: f"{event.target_label.replace('run', 'Run', event.target_label.startswith('run #'))} {words}"


def _released(event: Event) -> str:
    if event.actor_kind == "person":
        return f"{event.actor_label} took back the resources of {event.target_label}"
    return _of_holder("gave its resources back")(event)


PHRASES: dict[str, Callable[[Event], str]] = {
    "AgentCreated": _by_somebody("added the agent"),
    "AgentChanged": _by_somebody("changed the agent"),
    "AgentRemoved": _by_somebody("removed the agent"),
    "AgentEnabled": _by_somebody("enabled"),
    "AgentDrained": _by_somebody("began to drain"),
    "AgentDisabled": _by_somebody("disabled"),
    "AgentStarted": _of_the_process("started"),
    "AgentStopped": _of_the_process("stopped"),
    "AgentCrashed": _of_the_process("crashed"),
    "AgentTested": _by_somebody("tested"),
    "AgentRequested": _by_somebody("asked for"),
    "AgentRegistered": _by_somebody("registered a worker as"),
    "AgentCameOnline": _of_the_agent("came online"),
    "AgentWentOffline": _of_the_agent("went offline"),
    "PoolCreated": _by_somebody("added the pool"),
    "PoolChanged": _by_somebody("changed the pool"),
    "PoolRemoved": _by_somebody("removed the pool"),
    "PoolScaled": _scaled,
    "ResourceCreated": _by_somebody("added the resource"),
    "ResourceChanged": _by_somebody("changed the resource"),
    "ResourceEnabled": _by_somebody("let the resource be granted again:"),
    "ResourceDisabled": _by_somebody("disabled the resource"),
    "ResourceRemoved": _by_somebody("removed the resource"),
    "ResourcesAwaited": _of_holder("waits for resources"),
    "ResourcesReserved": _of_holder("was given the resources that it asked for"),
    "ResourcesReleased": _released,
    "ReservationWithdrawn": _of_holder("no longer waits for resources"),
    "ReservationExpired": _of_holder("is gone, so that its resources are free or its place in line is empty"),
    "ReservationsRemoved": lambda event: f"{event.target_label} that ended long ago were removed",
    "CircuitReset": _by_somebody("closed the breaker of"),
    "CircuitOpened": _of_the_breaker("opened"),
    "CircuitHalfOpened": _of_the_breaker("let a probe through"),
    "CircuitClosed": _of_the_breaker("closed again"),
}
