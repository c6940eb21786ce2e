"""The shipped phrases and articles: complete, consistent, and ours."""

import csv
import re
from collections import Counter
from functools import cache

import pytest

from tests.workflows.customer_service.trained import PUBLIC_INQUIRIES, index
from workflows.customer_service import language
from workflows.customer_service.retrieval import ARTICLES, read_articles
from workflows.customer_service.triage import CATEGORIES, PHRASES, read_phrases

HERE = pytest.mark.skipif(not PUBLIC_INQUIRIES.is_dir(), reason="the public inquiries are not on this machine")


@cache
def public_texts() -> frozenset[str]:
    return frozenset(
        plain(row["text"])
        for path in PUBLIC_INQUIRIES.glob("*.csv")
        for row in csv.DictReader(path.read_text("utf-8").splitlines())
    )


def plain(text: str) -> str:
    return " ".join(language.words(text))


def test_every_category_has_hundreds_of_phrases():
    counts = Counter(phrase.category for phrase in read_phrases())

    assert set(counts) == set(CATEGORIES)
    assert min(counts.values()) >= 200


def test_every_phrase_is_text_and_stands_once():
    texts = [phrase.text for phrase in read_phrases()]

    assert [text for text in texts if not isinstance(text, str)] == []
    assert [text for text, count in Counter(map(plain, texts)).items() if count > 1] == []


@pytest.mark.parametrize("article", read_articles(), ids=lambda article: article.id)
def test_an_article_answers_in_a_few_sentences_and_says_what_customers_ask(article):
    assert article.category in CATEGORIES
    assert 2 <= len(language.sentences(article.body)) <= 6
    assert 3 <= len(article.questions) <= 8
    assert article.body == article.body.strip()


def test_every_article_has_a_title_of_its_own():
    assert [title for title, count in Counter(article.title for article in read_articles()).items() if count > 1] == []


def test_every_address_is_an_example():
    places = re.compile(r"[\w.@-]+\.(?:com|org|net|uk|eu|io)\b")
    addresses = {found[0] for article in read_articles() for found in places.finditer(article.body)}

    assert {address for address in addresses if address.rpartition("@")[2] != "example.com"} == set()


def test_an_articles_own_questions_find_it():
    asked = [(question, article.id) for article in read_articles() for question in article.questions]
    missed = [question for question, key in asked if index().search(question, limit=1)[0].article.id != key]

    assert len(missed) <= len(asked) * 0.01, missed


def test_no_content_file_is_longer_than_500_lines():
    files = [*PHRASES.glob("*.yaml"), *ARTICLES.glob("*.yaml")]

    assert [path.name for path in files if len(path.read_text("utf-8").splitlines()) > 500] == []


@HERE
def test_triage_is_not_judged_on_sentences_that_it_has_learned():
    """Everyday words of up to four coincide ("where is my order"); a longer sentence would flatter the figures."""
    learned = [phrase.text for phrase in read_phrases()]
    learned += [question for article in read_articles() for question in article.questions]

    assert [text for text in learned if len(language.words(text)) > 4 and plain(text) in public_texts()] == []
