"""Which of five specialists an inquiry is for, and how sure that is. Pure.

The classifier learns from example phrases: those in ``content/phrases``, and whatever corrections its caller adds.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import exp
from pathlib import Path
from typing import Any

import yaml

from workflows.customer_service.text_model import Measured, TextModel

CATEGORIES = ("technical_issue", "billing_question", "account_management", "product_inquiry", "general")
PHRASES = Path(__file__).parent / "content" / "phrases"

SHARPENING = 1.3
"""Phrases are written to differ from one another, customers repeat what others wrote: what is calibrated on left-out
phrases is too timid. With this factor the calibration error is below 10 % on each of seven public sets."""
FAMILIAR_NEAREST = 0.35
FAMILIAR_KNOWN = 0.8
"""A text whose nearest phrase is further away than the first, or with fewer known words than the second, is less
familiar than what the classifier learned from, and it is less sure of it in proportion."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """One example of what customers write."""

    text: str
    category: str


@dataclass(frozen=True, slots=True)
class Triage:
    """``confidence`` is the probability of ``category``; ``words`` are the stems that spoke most for it."""

    category: str
    confidence: float
    scores: dict[str, float]
    words: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"words": list(self.words)}


def read_phrases(folder: Path = PHRASES) -> list[Phrase]:
    """The phrases of a folder with one file for each category: topic to list of phrases."""
    return [
        Phrase(text, category)
        for category in CATEGORIES
        for phrases in yaml.safe_load((folder / f"{category}.yaml").read_text("utf-8")).values()
        for text in phrases
    ]


class Classifier:
    """Learns when made, in less than a second; after that an inquiry takes about a millisecond."""

    def __init__(self, phrases: Sequence[Phrase]) -> None:
        from sklearn.linear_model import LogisticRegression

        labels = [phrase.category for phrase in phrases]
        if missing := [category for category in CATEGORIES if category not in labels]:
            raise ValueError(f"Triage needs phrases of every category: add some of {', '.join(missing)}.")
        self._model = TextModel([phrase.text for phrase in phrases], labels)
        self._calibration = LogisticRegression(C=100, max_iter=1_000).fit(self._model.left_out(), labels)

    def triage(self, text: str) -> Triage:
        return self.triage_all([text])[0]

    def triage_all(self, texts: Sequence[str]) -> list[Triage]:
        if not texts:
            return []
        measured = self._model.measure(texts)
        logits = self._calibration.decision_function([each.scores for each in measured]).tolist()
        return [self._weighed(*each) for each in zip(texts, logits, measured, strict=True)]

    def _weighed(self, text: str, logits: Sequence[float], measured: Measured) -> Triage:
        """What is wholly unfamiliar is equally likely to be anything, and goes to the generalist."""
        odds = [exp(SHARPENING * (logit - max(logits))) for logit in logits]
        chance, familiarity = 1 / len(CATEGORIES), _familiarity(measured)
        likely = {
            str(category): round(chance + (each / sum(odds) - chance) * familiarity, 4)
            for category, each in zip(self._calibration.classes_, odds, strict=True)
        }
        scores = {category: likely[category] for category in CATEGORIES}
        category = max(reversed(CATEGORIES), key=lambda each: scores[each])
        return Triage(category, scores[category], scores, self._model.telling_words(text, category))


def _familiarity(measured: Measured) -> float:
    return min(1.0, measured.nearest / FAMILIAR_NEAREST) * min(1.0, measured.known / FAMILIAR_KNOWN)
