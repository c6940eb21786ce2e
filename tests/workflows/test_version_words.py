"""What two versions say differently, as sentences and side by side."""

import pytest

from workflows.version_changes import Change
from workflows.version_words import CONTEXT, sentence, side_by_side


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change("title", "a", "b", "changed"), "Title changed from a to b."),
        (Change("title", "a", "", "changed"), 'Title changed from a to "".'),
        (Change("deadline", None, 5, "added"), "Deadline was added: 5."),
        (Change("deadline", "5d", None, "removed"), "Deadline was removed; it was 5d."),
        (Change("steps.pay", None, {"name": "pay"}, "added"), "Step pay was added."),
        (Change("steps.pay", {"name": "pay"}, None, "removed"), "Step pay was removed."),
        (Change("steps.pay.retry.attempts", 3, 5, "changed"), "In step pay, retry.attempts changed from 3 to 5."),
        (Change("steps.pay.needs", ["a", "b"], [], "changed"), "In step pay, needs changed from a, b to nothing."),
        (Change("steps.pay.critical", True, False, "changed"), "In step pay, critical changed from true to false."),
    ],
)
def test_a_change_is_a_sentence(change, words):
    assert sentence(change) == words


def test_a_long_value_is_cut():
    assert len(sentence(Change("title", "x" * 500, "y" * 500, "changed"))) < 200


def shown(before, after):
    """Blocks as texts: ``=`` the same, ``-`` before, ``+`` after, a number for so many folded lines."""
    found = []
    for block in side_by_side("\n".join(before), "\n".join(after)):
        if block.folded:
            found.append(len(block.pairs))
            continue
        for pair in block.pairs:
            if not pair.changed:
                found.append(f"={pair.before.text}")
            else:
                found += [f"-{pair.before.text}"] if pair.before else []
                found += [f"+{pair.after.text}"] if pair.after else []
    return found


def test_lines_that_changed_stand_beside_each_other():
    assert shown(["a", "b"], ["a", "c"]) == ["=a", "-b", "+c"]
    assert shown(["a"], ["a", "b"]) == ["=a", "+b"]
    assert shown(["a", "b"], ["b"]) == ["-a", "=b"]


def test_what_is_the_same_is_folded_but_for_a_few_lines_around_a_change():
    same = [str(number) for number in range(20)]

    found = shown([*same, "old", *same], [*same, "new", *same])

    assert found == [
        20 - CONTEXT, *(f"={line}" for line in same[-CONTEXT:]), "-old", "+new",
        *(f"={line}" for line in same[:CONTEXT]), 20 - CONTEXT,
    ]  # fmt: skip


def test_nothing_is_folded_to_save_one_line():
    same = [str(number) for number in range(CONTEXT + 1)]

    assert shown([*same, "old"], [*same, "new"]) == [*(f"={line}" for line in same), "-old", "+new"]


def test_two_equal_texts_are_one_fold():
    assert shown(["a", "b"], ["a", "b"]) == [2]
    assert side_by_side("", "") == []


def test_every_line_has_its_number_on_its_side():
    (block,) = side_by_side("a\nb\nc", "x\na\nc")

    numbers = [(pair.before and pair.before.number, pair.after and pair.after.number) for pair in block.pairs]

    assert numbers == [(None, 1), (1, 2), (2, None), (3, 3)]
