"""The linear model under triage and retrieval."""

import pytest

from workflows.customer_service.text_model import RIDGE, TextModel

EXAMPLES = {
    "my card was declined": "billing",
    "the payment was declined in a shop": "billing",
    "I was charged two times": "billing",
    "the app crashes at the start": "technical",
    "an error appears when the app starts": "technical",
    "the screen of the app stays black": "technical",
}


@pytest.fixture(scope="module")
def model():
    return TextModel(list(EXAMPLES), list(EXAMPLES.values()))


def best(model, text):
    scores = model.measure([text])[0].scores
    return model.labels[scores.index(max(scores))]


def test_a_text_gets_the_label_of_those_like_it(model):
    assert best(model, "declined payment for a card") == "billing"
    assert best(model, "app starting with an error") == "technical"


def test_a_typing_error_does_not_hide_what_is_meant(model):
    assert best(model, "my crad was declinned") == "billing"


def test_scores_of_one_text_do_not_depend_on_the_others(model):
    alone = model.measure(["the app crashes"])[0]
    among = model.measure(["I was charged", "the app crashes"])[1]

    assert alone.scores == pytest.approx(among.scores)


def test_what_resembles_no_example_scores_zero(model):
    measured = model.measure(["zzz qqq"])[0]

    assert (measured.nearest, measured.known) == (0.0, 0.0)
    assert measured.scores == [0.0, 0.0]


def test_half_known_words_are_known_by_half(model):
    known = model.measure(["declined hippopotamus"])[0].known

    assert 0.3 < known < 0.6


def test_left_out_scores_are_those_of_a_model_that_never_saw_the_example():
    """With the vectors held fixed, the closed form must equal what refitting without the example says."""
    import numpy as np

    model = TextModel(list(EXAMPLES), list(EXAMPLES.values()))
    vectors = model._vectors(list(EXAMPLES))
    kernel = (vectors @ vectors.T).toarray()
    targets = np.eye(2)[[model.labels.index(label) for label in EXAMPLES.values()]]
    rest = np.arange(1, len(EXAMPLES))
    refitted = np.linalg.solve(kernel[np.ix_(rest, rest)] + RIDGE * np.eye(len(rest)), targets[rest])

    assert model.left_out()[0] == pytest.approx((kernel[0, rest] @ refitted).tolist())


def test_the_words_that_spoke_for_a_label_are_shown_as_written(model):
    assert model.telling_words("The payment was Declined", "billing")[0] == "declined"


def test_words_that_spoke_against_a_label_are_not_shown(model):
    assert model.telling_words("the app crashes", "billing") == ()


def test_a_word_that_no_example_has_is_as_rare_as_the_rarest(model):
    assert model.rarity("hippopotamus") == max(model.rarity(word) for word in ("crash", "declin", "shop"))
