"""Which label fits a text, learned from a few hundred examples in a fraction of a second. Pure.

Texts become TF-IDF vectors of words, pairs of words and letter groups (which forgive typing errors). On these a linear
model is fitted by regularised least squares, one column a label. Its solution is closed, so that what the model would
have said of an example without having seen it costs nothing: ``y - a / diag(inv(K + ridge))``, where ``a`` are the
dual coefficients (R. Rifkin, R. Lippert, Notes on Regularized Least Squares, MIT-CSAIL-TR-2007-025, section 4). Those
honest scores are what confidence is calibrated on.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from workflows.customer_service import language

RIDGE = 1.0
"""How strongly large coefficients are punished, against vectors whose squared length is 2."""
LETTER_GROUPS = (3, 5)


class Measured(NamedTuple):
    """What the model sees in one text."""

    scores: list[float]
    """One for each of the model's labels: near 1 for a text like the label's examples, near 0 for one unlike them."""
    nearest: float
    """Cosine of the angle to the nearest example, 0 to 1."""
    known: float
    """Share of the text's words that some example has, rare words counting more, 0 to 1."""


class TextModel:
    """Fitted when made; the same examples in the same order give the same model."""

    def __init__(self, texts: Sequence[str], labels: Sequence[str]) -> None:
        from scipy import sparse
        from sklearn import config_context
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.labels = tuple(dict.fromkeys(labels))
        self._words = TfidfVectorizer(analyzer=_words_and_pairs, sublinear_tf=True).fit(texts)
        self._letters = TfidfVectorizer(
            preprocessor=language.request, analyzer="char_wb", ngram_range=LETTER_GROUPS, sublinear_tf=True
        ).fit(texts)
        self._beside = sparse.hstack
        self._unchecked = partial(config_context, assume_finite=True, skip_parameter_validation=True)
        rarities = zip(self._words.get_feature_names_out(), self._words.idf_.tolist(), strict=True)
        self._rarity: dict[str, float] = dict(rarities)
        self._greatest_rarity = max(self._rarity.values())
        examples = self._vectors(texts)
        self._by_feature = examples.T.tocsr()
        self._fit((examples @ self._by_feature).toarray(), [self.labels.index(label) for label in labels])

    def _fit(self, kernel: Any, columns: Sequence[int]) -> None:
        import numpy as np

        targets = np.eye(len(self.labels))[columns]
        inverse = np.linalg.inv(kernel + RIDGE * np.eye(len(columns)))
        self._dual = inverse @ targets
        self._left_out = targets - self._dual / np.diag(inverse)[:, None]

    def left_out(self) -> list[list[float]]:
        """For each example the scores of a model that was fitted without it."""
        scores: list[list[float]] = self._left_out.tolist()
        return scores

    def measure(self, texts: Sequence[str]) -> list[Measured]:
        closeness = (self._vectors(texts) @ self._by_feature).toarray()
        scores, nearest = closeness @ self._dual, closeness.max(axis=1) / 2
        known = map(self._known_share, texts)
        return [Measured(*each) for each in zip(scores.tolist(), nearest.tolist(), known, strict=True)]

    def rarity(self, stem: str) -> float:
        """Inverse document frequency of a stemmed word; one that no example has counts like the rarest."""
        return self._rarity.get(stem, self._greatest_rarity)

    def telling_words(self, text: str, label: str, limit: int = 5) -> tuple[str, ...]:
        """The words of ``text``, as written but small, that spoke most for ``label``, strongest first."""
        written = language.content_words(language.request(text))
        columns = {stem: self._words.vocabulary_[stem] for stem in written if stem in self._words.vocabulary_}
        spoken = self._by_feature[list(columns.values())] @ self._dual[:, self.labels.index(label)]
        strongest = sorted(zip(-spoken, columns, strict=True))[:limit]
        return tuple(written[stem] for weight, stem in strongest if weight < 0)

    def _vectors(self, texts: Sequence[str]) -> Any:
        with self._unchecked():  # what was just made needs no validation, which costs as much again
            return self._beside([self._words.transform(texts), self._letters.transform(texts)], "csr")

    def _known_share(self, text: str) -> float:
        found = {stem: self.rarity(stem) for stem in language.stems(language.request(text))}
        known = sum(rarity for stem, rarity in found.items() if stem in self._rarity)
        return known / sum(found.values()) if found else 0.0


def _words_and_pairs(text: str) -> list[str]:
    stems = language.stems(language.request(text))
    return [*stems, *(f"{one} {other}" for one, other in pairwise(stems))]
