"""The sentences that tell what became of recommendations."""

from collections.abc import Callable

from orchestra.kernel.models import Event

Phrase = Callable[[Event], str]


def _did(words: str) -> Phrase:
    return lambda event: f"{event.actor_label} {words}: {event.target_label}"


PHRASES: dict[str, Phrase] = {
    "RecommendationMade": lambda event: f"It was recommended: {event.target_label}",
    "RecommendationWithdrawn": lambda event: f"It is no longer recommended: {event.target_label}",
    "RecommendationApplied": _did("applied the recommendation"),
    "RecommendationUndone": _did("undid the recommendation"),
    "RecommendationDismissed": _did("dismissed the recommendation"),
}
