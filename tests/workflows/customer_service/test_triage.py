"""Triage: which specialist, how sure, and why."""

import json
import time

import pytest

from tests.workflows.customer_service.trained import PUBLIC_INQUIRIES, classifier
from workflows.customer_service import evaluation
from workflows.customer_service.triage import CATEGORIES, Classifier, Phrase, read_phrases

FEW = [Phrase(text, category) for category in CATEGORIES for text in (f"{category} one", f"{category} two")]


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("The desktop program freezes as soon as I open a spreadsheet", "technical_issue"),
        ("You took the monthly fee from my account two times", "billing_question"),
        ("I got married and my surname is different now", "account_management"),
        ("Which of your pianos would suit a beginner?", "product_inquiry"),
        ("That was quick, thanks a million!", "general"),
    ],
)
def test_an_inquiry_goes_to_the_specialist_who_owns_its_resolution(text, category):
    triage = classifier().triage(text)

    assert triage.category == category
    assert triage.confidence > 0.5


def test_scores_are_probabilities_of_all_categories():
    triage = classifier().triage("my card was declined at the petrol station")

    assert tuple(triage.scores) == CATEGORIES
    assert sum(triage.scores.values()) == pytest.approx(1, abs=0.001)
    assert triage.confidence == triage.scores[triage.category]


def test_the_words_that_decided_are_given():
    assert "declined" in classifier().triage("My Card was DECLINED at the till").words


@pytest.mark.parametrize("text", ["", "....", "xkjh lkjsd fjkl", "ねこがすき"])
def test_what_says_nothing_is_left_to_chance_and_to_the_generalist(text):
    triage = classifier().triage(text)

    assert (triage.category, triage.confidence) == ("general", 0.2)


@pytest.mark.parametrize(
    "text",
    [
        "which mountain is the highest in europe",
        "my cat ate a purple banana",
        "how do I bake sourdough bread",
        "is it going to snow in the alps",
    ],
)
def test_triage_is_unsure_of_what_lies_outside_the_business(text):
    assert classifier().triage(text).confidence < 0.5


def test_many_inquiries_are_triaged_as_each_alone():
    texts = ["cancel my internet contract", "my invoice is wrong", "hello"]

    assert classifier().triage_all(texts) == [classifier().triage(text) for text in texts]


def test_no_inquiries_give_no_triage():
    assert classifier().triage_all([]) == []


def test_the_same_phrases_give_the_same_answer():
    assert Classifier(FEW).triage("billing_question one") == Classifier(FEW).triage("billing_question one")


def test_a_correction_is_learned():
    text = "my flux capacitor hums"
    corrected = Classifier(
        [*read_phrases(), Phrase(text, "billing_question"), Phrase(f"{text} again", "billing_question")]
    )

    assert classifier().triage(text).category != "billing_question"
    assert corrected.triage(text).category == "billing_question"


def test_a_category_without_phrases_is_refused_by_name():
    with pytest.raises(ValueError, match="add some of billing_question"):
        Classifier([phrase for phrase in FEW if phrase.category != "billing_question"])


def test_a_triage_can_be_stored_as_json():
    triage = classifier().triage("update my e-mail address")

    assert json.loads(json.dumps(triage.as_dict())) == triage.as_dict()


def test_learning_takes_under_two_seconds_of_work():
    phrases = read_phrases()
    Classifier(FEW)  # the first one also loads scikit-learn
    before = time.process_time()
    Classifier(phrases)

    assert time.process_time() - before < 2


@pytest.mark.skipif(not PUBLIC_INQUIRIES.is_dir(), reason="the public inquiries are not on this machine")
@pytest.mark.parametrize(
    ("name", "least_lenient"),
    [
        ("banking77", 91),
        ("bitext", 94),
        ("clinc150", 91),
        ("dstc11_insurance", 94),
        ("multidogo_finance", 92),
        ("multidogo_media", 89),
        ("multidogo_software", 90),
    ],
)
def test_real_inquiries_reach_the_right_specialist_and_confidence_means_what_it_says(name, least_lenient):
    labelled = evaluation.read_labelled(PUBLIC_INQUIRIES / f"{name}.csv")[::10]
    report = evaluation.report(classifier().triage_all([each.text for each in labelled]), labelled)

    assert report.lenient >= least_lenient
    assert report.at50 >= 95
    assert report.ece <= 12  # a tenth of a small set; whole sets stay below 10
