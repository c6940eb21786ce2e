"""Events of the fleet as sentences, for the audit trail."""

from collections.abc import Callable

from orchestra.kernel.models import Event


def _by_somebody(words: str) -> Callable[[Event], str]:
    return lambda event: f"{event.actor_label} {words} {event.target_label}"


def _of_the_breaker(words: str) -> Callable[[Event], str]:
    return lambda event: f"The breaker of {event.target_label} {words}"


PHRASES: dict[str, Callable[[Event], str]] = {
    "AgentCreated": _by_somebody("added the agent"),
    "AgentChanged": _by_somebody("changed the agent"),
    "AgentRemoved": _by_somebody("removed the agent"),
    "AgentEnabled": _by_somebody("enabled"),
    "AgentDrained": _by_somebody("began to drain"),
    "AgentDisabled": _by_somebody("disabled"),
    "AgentTested": _by_somebody("tested"),
    "CircuitReset": _by_somebody("closed the breaker of"),
    "CircuitOpened": _of_the_breaker("opened"),
    "CircuitHalfOpened": _of_the_breaker("let a probe through"),
    "CircuitClosed": _of_the_breaker("closed again"),
}
