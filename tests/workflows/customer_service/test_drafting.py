"""A reply that says nothing but what an article says."""

import json

import pytest

from tests.workflows.customer_service.trained import article, hit, index
from workflows.customer_service import drafting
from workflows.customer_service.drafting import CLOSINGS, Draft, NoDraft

PIN = article("pin", "You can change it at any cash machine. It works at once.", title="Changing your PIN")
FEES = article("fees", "A transfer costs one pound.", title="Fees")


def test_the_reply_greets_answers_closes_and_cites():
    draft = drafting.draft("how do I change my pin", "Ada Lovelace", [hit(PIN)], "account_management")

    assert isinstance(draft, Draft)
    assert draft.text.split("\n\n") == [
        "Hello Ada Lovelace,",
        "You can change it at any cash machine. It works at once. [1]",
        CLOSINGS["account_management"],
        "Kind regards\nCustomer service",
        "[1] Changing your PIN",
    ]


def test_the_passage_cited_stands_in_the_article_word_for_word():
    draft = drafting.draft("how do I change my pin", "", [hit(PIN)], "general")

    assert [citation.as_dict() for citation in draft.citations] == [
        {"article": "pin", "title": "Changing your PIN", "passage": PIN.body}
    ]


def test_an_own_signature_closes_the_reply():
    draft = drafting.draft("pin", "", [hit(PIN)], "general", signature="Best regards\nMeridian")

    assert "Best regards\nMeridian" in draft.text


@pytest.mark.parametrize(
    ("name", "greeting"),
    [
        ("Ada", "Hello Ada,"),
        ("  Zoë\n O'Neill-Çelik ", "Hello Zoë O'Neill-Çelik,"),
        ("", "Hello,"),
        ("ada@example.com", "Hello,"),
        ("<b>Ada</b>", "Hello,"),
        ("customer 4711", "Hello,"),
        ("A" * 61, "Hello,"),
    ],
)
def test_only_what_looks_like_a_name_is_used_as_one(name, greeting):
    assert drafting.greeting(name) == greeting


def test_no_article_gives_no_draft():
    assert drafting.draft("unicorns", "Ada", [], "general") == NoDraft(
        "No article of the knowledge base speaks of this."
    )


def test_an_article_that_hardly_fits_gives_no_draft_and_says_what_it_lacks():
    weak = hit(FEES, score=0.1, missing_terms=("unicorns", "hotel"))

    assert drafting.draft("unicorns in a hotel", "Ada", [weak], "general") == NoDraft(
        'No article answers this well enough; the nearest is "Fees". It says nothing of "unicorns" and "hotel".'
    )


def test_two_different_answers_that_fit_alike_give_no_draft():
    assert drafting.draft("pin fee", "Ada", [hit(PIN, 0.5), hit(FEES, 0.49)], "general") == NoDraft(
        'Two articles answer about equally well: "Changing your PIN" and "Fees".'
    )


def test_two_articles_that_say_the_same_do_not_rival_each_other():
    copy = article("copy", f"{PIN.body} Easy.", title="New PIN")

    assert isinstance(drafting.draft("pin", "Ada", [hit(PIN, 0.5), hit(copy, 0.49)], "general"), Draft)


def test_confidence_grows_with_score_margin_and_coverage():
    base = drafting.confidence([hit(PIN, 0.5, 0.5), hit(FEES, 0.3)])

    assert drafting.confidence([hit(PIN, 0.6, 0.5), hit(FEES, 0.4)]) > base
    assert drafting.confidence([hit(PIN, 0.5, 0.5), hit(FEES, 0.2)]) > base
    assert drafting.confidence([hit(PIN, 0.5, 0.8), hit(FEES, 0.3)]) > base
    assert drafting.confidence([]) == 0


def test_a_question_of_an_article_is_answered_with_near_certainty():
    text = "how do I unblock the pin"

    assert drafting.confidence(index().search(text)) > 0.95


def long_article(separator):
    parts = [
        f"Part {number} speaks of subject {word}. " + "It has many details. " * 15
        for number, word in enumerate(("apples", "bridges", "candles", "dragons", "engines", "forests"))
    ]
    return article("long", separator.join(part.strip() for part in parts))


@pytest.mark.parametrize("separator", ["\n\n", " "])
def test_of_a_long_article_the_part_that_answers_is_quoted(separator):
    found = long_article(separator)
    passage = drafting.passage(found, "what do you know of dragons?")

    assert "dragons" in passage
    assert "apples" not in passage
    assert passage in found.body
    assert len(passage) <= drafting.LONGEST_PASSAGE


def test_statements_are_what_stands_between_greeting_and_close():
    draft = drafting.draft("pin", "Ada", [hit(PIN)], "billing_question")

    assert drafting.statements(draft.text) == ["You can change it at any cash machine.", "It works at once."]


@pytest.mark.parametrize("hits", [[hit(PIN)], []])
def test_what_is_drafted_can_be_stored_as_json(hits):
    found = drafting.draft("pin", "Ada", hits, "general").as_dict()

    assert json.loads(json.dumps(found)) == found
