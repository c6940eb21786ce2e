"""The shipped classifier and index, made once for all tests that ask them something."""

from functools import cache
from pathlib import Path

from workflows.customer_service.retrieval import Article, Hit, Index, read_articles
from workflows.customer_service.triage import Classifier, Triage, read_phrases

PUBLIC_INQUIRIES = Path(__file__).resolve().parents[4] / "shared/data/inquiries/public"


@cache
def classifier() -> Classifier:
    return Classifier(read_phrases())


@cache
def index() -> Index:
    return Index(read_articles())


def article(key: str = "opening", body: str = "We open at nine.", **values: object) -> Article:
    return Article(**{"id": key, "title": key.title(), "body": body, "category": "general"} | values)


def hit(found: Article, score: float = 0.9, coverage: float = 1.0, missing_terms: tuple[str, ...] = ()) -> Hit:
    return Hit(found, score, coverage, (), missing_terms)


def sure(category: str = "general", confidence: float = 0.95) -> Triage:
    return Triage(category, confidence, {category: confidence}, ())
