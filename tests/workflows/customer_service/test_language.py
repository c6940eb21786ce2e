"""What is read out of a customer's words."""

import time

import pytest

from workflows.customer_service import language


@pytest.mark.parametrize("written", ["charge", "charges", "charged", "charging", "CHARGED"])
def test_forms_of_a_word_are_one_word(written):
    assert language.stems(written) == ["charg"]


def test_a_word_that_ends_in_double_s_is_not_a_plural():
    assert language.stem("address") == "address"


def test_numbers_are_all_alike():
    assert language.normalise("Order 4711 for 1,299.50") == language.normalise("order 23 for 7")


def test_accents_and_apostrophes_do_not_matter():
    assert language.words("Can’t pay at the Café") == ["cant", "pay", "at", "the", "cafe"]


@pytest.mark.parametrize(
    "text",
    [
        "Hi there, my card is broken",
        "Good morning! Could you please help me with my card is broken",
        "hello my name is Ada Lovelace and my card is broken",
    ],
)
def test_courtesy_is_not_part_of_the_request(text):
    assert language.request(text) == "my card is broken"


def test_the_frame_of_a_letter_is_not_part_of_the_request():
    letter = "Dear Sir or Madam,\n\nI hope you are well. My card is broken. Please help!\n\nBest regards,\nGrace Hopper"

    assert language.request(letter) == "my card is broken."


def test_thanks_that_are_all_a_letter_says_are_its_request():
    assert language.request("Thank you very much!\nGrace") == "thank you very much! grace"


def test_a_text_that_is_nothing_but_courtesy_is_not_emptied():
    assert language.request("Good morning") == "good morning"
    assert language.request("Good morning, how are you?") == "how are you?"


def test_content_words_are_found_as_they_were_written():
    assert language.content_words("Where are the invoices for my 3 orders?") == {
        "invoic": "invoices",
        "order": "orders",
    }


def test_a_long_letter_is_read_from_its_beginning():
    assert len(language.normalise("word " * 200_000)) <= language.READ_CHARACTERS


@pytest.mark.parametrize("part", ["ok ", "hello there. ", ", thanks a", "regards,\n", "can you help me "])
def test_endless_courtesy_does_not_take_long(part):
    before = time.process_time()
    language.request(part * 5_000)

    assert time.process_time() - before < 0.2


def test_sentences_end_where_a_paragraph_ends():
    assert language.sentences("Is it new? Yes.\n\nno full stop\n\nlast one") == [
        "Is it new?",
        "Yes.",
        "no full stop",
        "last one",
    ]


def test_quoted_terms_read_as_a_list():
    assert language.quoted(["pin", "card", "letter"]) == '"pin", "card" and "letter"'
    assert language.quoted(["pin"]) == '"pin"'
    assert language.quoted([]) == ""
