"""State machines: what is said of a move that the table does not allow."""

import pytest

from orchestra.kernel.errors import IllegalTransition
from orchestra.kernel.states import Machine

CUP = Machine({"being_filled": ["full"], "full": ["empty"], "empty": []})


def test_an_allowed_move_passes():
    CUP.check("being_filled", "full")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("full", "being_filled", "This is full, from where it cannot become being filled; reload it"),
        ("being_filled", "being_filled", "This is being filled already."),
    ],
)
def test_a_move_that_is_not_allowed_is_refused_in_words(before, after, said):
    with pytest.raises(IllegalTransition) as refused:
        CUP.check(before, after)

    assert refused.value.detail.startswith(said)
