"""Finding the article that answers."""

import json
import time

import pytest

from tests.workflows.customer_service.trained import article, index
from workflows.customer_service.retrieval import OTHER_CATEGORY, Article, Index

HOURS = article("hours", "Our shop is open from nine to five.", title="Opening hours", questions=("when are you open",))
PARKING = article(
    "parking", "There are twenty places behind the house.", title="Where to park", category="product_inquiry"
)
SMALL = Index([HOURS, PARKING])


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("The machine at the station swallowed my bank card", "card_swallowed"),
        ("I would like a quote for insuring my van", "insurance_quote"),
        ("how do i chnage the adress of my acount", "change_address"),
        ("Can I still cancel the order from this morning?", "cancel_order"),
    ],
)
def test_the_article_that_answers_is_found_first(text, key):
    assert index().search(text)[0].article.id == key


def test_an_article_is_found_by_its_title_and_text_alone():
    assert SMALL.search("is there a place to park behind the house")[0].article == PARKING


def test_what_no_article_speaks_of_is_not_found():
    assert SMALL.search("zzzz qqqq") == []


def test_an_excluded_article_is_not_found():
    assert SMALL.search("when are you open", exclude=["hours"])[:1] != [HOURS]
    assert all(hit.article != HOURS for hit in SMALL.search("when are you open", exclude=["hours"]))


def test_the_specialists_own_articles_come_before_others():
    own = SMALL.search("when are you open", "general")[0]
    foreign = next(hit for hit in SMALL.search("when are you open", "billing_question") if hit.article == HOURS)

    assert foreign.score == pytest.approx(own.score * OTHER_CATEGORY, abs=0.001)


def test_no_more_hits_than_asked_for_and_best_first():
    scores = [hit.score for hit in index().search("why was my card payment declined", limit=3)]

    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


def test_a_hit_names_the_words_that_the_article_has_and_lacks():
    hit = SMALL.search("When is your SHOP open for unicorns?")[0]

    assert hit.matched_terms == ("shop", "open")
    assert hit.missing_terms == ("unicorns",)
    assert 0 < hit.coverage < 1


def test_words_of_courtesy_need_no_answer():
    assert SMALL.search("Good morning, could you please help me with when are you open")[0].coverage == 1


def test_an_empty_knowledge_base_answers_nothing():
    assert Index([]).search("hello") == []


def test_one_article_is_enough_to_search():
    assert Index([HOURS]).search("opening hours")[0].article == HOURS


def test_a_hit_can_be_stored_as_json():
    hit = SMALL.search("opening hours")[0]

    assert json.loads(json.dumps(hit.as_dict())) == hit.as_dict()


def test_hundreds_of_articles_are_searched_in_five_milliseconds():
    articles = [
        Article(number, f"Subject {number}", f"Text about subject {number} and thing {number % 7}.", "general", ())
        for number in range(300)
    ]
    many = Index(articles)
    many.search("warm")
    before = time.process_time()
    for number in range(20):
        many.search(f"what of thing {number}")

    assert (time.process_time() - before) / 20 < 0.005
