"""The difference between a draft and what a person made of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.customer_service import words
from workflows.customer_service.words import Extent

TEXTS = st.text(st.sampled_from("ab c.\n'é"), max_size=40)


@given(TEXTS, TEXTS)
def test_both_texts_can_be_read_out_of_their_difference(before, after):
    pieces = words.difference(before, after)

    assert "".join(text for kind, text in pieces if kind != "insert") == before
    assert "".join(text for kind, text in pieces if kind != "delete") == after


def test_neighbouring_changes_read_as_one():
    pieces = words.difference("We will refund you 98 € today.", "I have asked for 49 € to be returned.")

    assert pieces[:3] == [("delete", "We will refund you 98"), ("insert", "I have asked for 49"), ("same", " € ")]


@pytest.mark.parametrize(
    ("before", "after", "extent"),
    [
        ("one two three", "one two three", Extent(kept=3)),
        ("one two three", "one 2 three", Extent(kept=2, inserted=1, deleted=1)),
        ("", "hello there", Extent(inserted=2)),
        ("hello, there!", "hello there", Extent(kept=2)),
    ],
)
def test_only_words_are_counted(before, after, extent):
    assert words.extent(before, after) == extent


def test_the_extent_reads_as_words():
    assert str(Extent(kept=3, inserted=2)) == "words: 2 added"
    assert str(Extent(kept=3)) == "no word changed"


@given(TEXTS, TEXTS)
def test_words_that_are_kept_and_words_that_change_add_up_to_both_texts(before, after):
    extent = words.extent(before, after)

    assert extent.kept + extent.deleted == words.extent("", before).inserted
    assert extent.kept + extent.inserted == words.extent("", after).inserted


def test_as_many_words_are_kept_as_can_be():
    assert words.extent("a b c a b b a", "c b a b a c") == Extent(kept=4, inserted=2, deleted=3)


def test_space_alone_is_a_difference_that_changes_no_word():
    assert words.difference("one two", "one\n\ntwo") == [
        ("same", "one"),
        ("delete", " "),
        ("insert", "\n\n"),
        ("same", "two"),
    ]
    assert words.extent("one two", "one\n\ntwo") == Extent(kept=2)


def test_texts_beyond_the_limit_replace_each_other_as_a_whole():
    before, after = "old " * 10_000 + "end", "new " * 10_000 + "end"

    assert words.difference(before, after) == [("delete", before), ("insert", after)]
    assert words.extent(before, after) == Extent(inserted=10_001, deleted=10_001)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (" ".join(f"a{n}" for n in range(400)), " ".join(f"b{n}" for n in range(400))),
        (" ".join(f"a{n}" for n in range(2_999)), " ".join(f"a{n}" for n in reversed(range(2_999)))),
        ("a b " * 1_500, "b b a " * 1_000),
        ("." * 15_000, "!" * 15_000),
        ("." * 102_400, "!" * 102_400),
        (" " * 102_400, " " * 102_399 + "x"),
    ],
    ids=["different words", "reversed", "few words, often", "signs at the limit", "signs beyond it", "space"],
)
def test_the_parts_of_a_difference_are_the_two_texts_whatever_they_are(before, after):
    """A cubic cost would take minutes here."""
    parts = words.difference(before, after)

    assert "".join(text for kind, text in parts if kind != "insert") == before
    assert "".join(text for kind, text in parts if kind != "delete") == after
