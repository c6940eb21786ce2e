"""How far values are from a limit: the worst of several, and how much of the way to the limit it has gone. Pure."""

from collections.abc import Callable, Mapping

from monitoring.alerting.limits import ABOVE, BELOW
from monitoring.alerting.machine import COMPARE


def breaches(operator: str, limit: float, value: float) -> bool:
    """Whether the value is what the limit forbids."""
    return COMPARE[operator](value, limit)


def worst(operator: str, limit: float, values: Mapping[str, float]) -> tuple[str, float] | None:
    """The subject whose value is nearest to the limit or furthest beyond it, with that value; None if there is none."""
    if not values:
        return None
    badness = badness_of(operator, limit)
    return max(values.items(), key=lambda item: badness(item[1]))


def share(operator: str, limit: float, value: float) -> float:
    """How much of the way to the limit the value has gone, from 0 to 1; 1 where it breaches."""
    if breaches(operator, limit, value):
        return 1.0
    far, near = (value, limit) if operator in ABOVE else (limit, value)
    if operator not in (*ABOVE, *BELOW) or near <= 0:
        return 0.0  # there is no way to go: it is the limit or it is not
    return min(1.0, max(0.0, far / near))


def badness_of(operator: str, limit: float) -> Callable[[float], float]:
    """What grows the nearer a value is to the limit, and the further beyond it."""
    if operator in ABOVE:
        return lambda value: value
    if operator in BELOW:
        return lambda value: -value
    return (lambda value: abs(value - limit)) if operator == "!=" else (lambda value: -abs(value - limit))
