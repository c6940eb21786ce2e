"""How well an agent suits a step: the reference's formula, corrected. Pure.

    score = match·w1 + success rate·w2 + speed·w3 + availability·w4

``match``   share of what the step needs and prefers that the agent can do; 1 if the step names nothing
``speed``   1 - response time / 10 s, clamped to 0..1
``availability``  share of the agent's slots that are free
Weights are settings (0.4, 0.3, 0.2, 0.1). Success rate and response time are averages over about the last forty calls,
the latest of which count most; what an agent has not shown again for long is forgotten (:func:`faded`). An agent that
lacks a needed capability is no candidate at all; what a step only prefers moves the score. Breaker, draining and full
slots are hard limits as well, not points.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

SLOWEST_S = 10.0
HALF_LIFE_S = 3600.0
"""Of what is known of an agent that is not called half is forgotten in so long."""
RELIABLE, QUICK = 1.0, 0.0
"""Success rate and response time of an agent of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Weights:
    match: float = 0.4
    success: float = 0.3
    speed: float = 0.2
    availability: float = 0.1


@dataclass(frozen=True, slots=True)
class Parts:
    """The weighted parts of a score, as pages show them; they add up to ``total``."""

    match: float
    success: float
    speed: float
    availability: float

    @property
    def total(self) -> float:
        return self.match + self.success + self.speed + self.availability

    def as_dict(self) -> dict[str, float]:
        return {
            "match": round(self.match, 4),
            "success": round(self.success, 4),
            "speed": round(self.speed, 4),
            "availability": round(self.availability, 4),
        }


def match(abilities: Collection[str], needs: Collection[str], prefers: Collection[str] = ()) -> float:
    """Share (0..1) of needs and preferences that ``abilities`` cover."""
    wanted = {*needs, *prefers}
    return len(wanted & set(abilities)) / len(wanted) if wanted else 1.0


def speed(response_s: float) -> float:
    """1 for an instant answer, 0 from :data:`SLOWEST_S` on."""
    return min(1.0, max(0.0, 1 - response_s / SLOWEST_S))


def availability(in_use: int, slots: int) -> float:
    """Share (0..1) of an agent's slots that are free."""
    return max(0, slots - in_use) / slots if slots else 0.0


def faded(average: float, unknown: float, idle_s: float | None) -> float:
    """An average of an agent that was last called ``idle_s`` seconds ago: on its way back to ``unknown``.

    So one that failed is not judged for ever by that: an idle agent looks ever more like a new one, is tried again, and
    its next calls show what it is worth now. None: it was never called.
    """
    if idle_s is None:
        return unknown
    return unknown + (average - unknown) * math.pow(0.5, max(0.0, idle_s) / HALF_LIFE_S)


def score(weights: Weights, *, match_share: float, success_rate: float, response_s: float, free_share: float) -> Parts:
    """The weighted parts for an agent that answers in ``response_s`` seconds on average; the shares are 0..1."""
    return Parts(
        match=weights.match * match_share,
        success=weights.success * min(1.0, max(0.0, success_rate)),
        speed=weights.speed * speed(response_s),
        availability=weights.availability * free_share,
    )
