"""Which articles of the knowledge base answer an inquiry. Pure.

An article is found by its title, by the questions that its author says it answers, and by its text. An index is made
anew whenever an article changes: 150 articles take about half a second, a search about a millisecond.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from workflows.customer_service import language
from workflows.customer_service.text_model import TextModel

ARTICLES = Path(__file__).parent / "content" / "articles"
OTHER_CATEGORY = 0.7
"""What an article of another category than the specialist's keeps of its score."""


@dataclass(frozen=True, slots=True)
class Article:
    """``questions`` are ways in which customers ask what it answers; ``body`` is quoted word for word in replies."""

    id: str | int
    title: str
    body: str
    category: str
    questions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """An article that may answer an inquiry.

    ``score``: near 1 for an inquiry like those that the article says it answers, 0 for one like none. ``coverage``: the
    share of the inquiry's words of content that the article contains, rare words counting more; the words it contains
    and those it does not are ``matched_terms`` and ``missing_terms``.
    """

    article: Article
    score: float
    coverage: float
    matched_terms: tuple[str, ...]
    missing_terms: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "article": {"id": self.article.id, "title": self.article.title, "category": self.article.category},
            "score": self.score,
            "coverage": self.coverage,
            "matched_terms": list(self.matched_terms),
            "missing_terms": list(self.missing_terms),
        }


def read_articles(folder: Path = ARTICLES) -> list[Article]:
    """The articles of a folder of YAML files, each a mapping from key to title, category, body and questions."""
    return [
        Article(key, entry["title"], entry["body"], entry["category"], tuple(entry.get("questions", ())))
        for path in sorted(folder.glob("*.yaml"))
        for key, entry in yaml.safe_load(path.read_text("utf-8")).items()
    ]


class Index:
    def __init__(self, articles: Sequence[Article]) -> None:
        self._articles = list(articles)
        self._contents = [frozenset(language.content_words(" ".join(_texts(article)))) for article in articles]
        texts = [(text, str(number)) for number, article in enumerate(articles) for text in _texts(article)]
        self._model = TextModel(*zip(*texts, strict=True)) if texts else None

    def search(
        self, text: str, category: str = "", *, exclude: Collection[str | int] = (), limit: int = 5
    ) -> list[Hit]:
        """The best articles for ``text``, best first; those of other categories than ``category`` count for less.

        ``exclude`` are ids of articles that must not be used, such as those of a draft that was rejected.
        """
        if self._model is None:
            return []
        scores = self._model.measure([text])[0].scores
        weighed = [
            (score * (1.0 if category in ("", article.category) else OTHER_CATEGORY), number)
            for number, (score, article) in enumerate(zip(scores, self._articles, strict=True))
            if score > 0 and article.id not in exclude
        ]
        best = sorted(weighed, key=lambda pair: (-pair[0], pair[1]))[:limit]
        return [self._hit(text, number, score, self._model.rarity) for score, number in best]

    def _hit(self, text: str, number: int, score: float, rarity: Callable[[str], float]) -> Hit:
        asked, held = language.content_words(language.request(text)), self._contents[number]
        weight = sum(rarity(stem) for stem in asked)
        return Hit(
            self._articles[number],
            round(min(score, 1.0), 4),
            round(sum(rarity(stem) for stem in asked if stem in held) / weight, 4) if asked else 1.0,
            tuple(word for stem, word in asked.items() if stem in held),
            tuple(word for stem, word in asked.items() if stem not in held),
        )


def _texts(article: Article) -> tuple[str, ...]:
    return (article.title, *article.questions, article.body)
