import pytest

from orchestra.kernel.secrets import MASK, mask, restore

STORED = {"name": "shop", "api_key": "sk-1", "hosts": [{"token": "a"}, {"token": "b"}], "pair": {"password": "p"}}


def test_what_was_masked_comes_back_as_it_is_stored():
    assert mask(STORED) != STORED
    assert restore(mask(STORED), STORED) == STORED


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"api_key": "sk-2"}, {"api_key": "sk-2"}),
        ({"name": "other", "api_key": MASK}, {"name": "other", "api_key": "sk-1"}),
        ({"hosts": [{"token": MASK}]}, {"hosts": [{"token": MASK}]}),
        ({"unknown": MASK}, {"unknown": MASK}),
        ({}, {}),
    ],
)
def test_only_masks_that_stand_for_something_stored_are_replaced(sent, kept):
    assert restore(sent, STORED) == kept
