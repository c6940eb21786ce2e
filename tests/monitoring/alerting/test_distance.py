"""How far a value is from its limit."""

import pytest

from monitoring.alerting import distance


@pytest.mark.parametrize(
    ("operator", "limit", "values", "worst"),
    [
        (">", 5, {"1": 2, "2": 4, "3": 3}, ("2", 4)),
        ("<=", 0.1, {"1": 0.4, "2": 0.2}, ("2", 0.2)),
        ("==", 3, {"1": 9, "2": 4, "3": 0}, ("2", 4)),
        ("!=", 3, {"1": 9, "2": 4, "3": 0}, ("1", 9)),
        (">", 5, {}, None),
    ],
)
def test_the_worst_value_is_the_one_nearest_to_its_limit_or_furthest_beyond(operator, limit, values, worst):
    assert distance.worst(operator, limit, values) == worst


@pytest.mark.parametrize(
    ("operator", "limit", "value", "share"),
    [
        (">", 5, 2.5, 0.5),
        (">", 5, 0, 0),
        (">", 5, 5, 1),
        (">", 5, 50, 1),
        (">", 5, -5, 0),
        (">", 0, 0, 0),
        (">", 0, 1, 1),
        (">=", 5, 5, 1),
        ("<", 0.1, 0.4, 0.25),
        ("<", 0.1, 0.05, 1),
        ("<", 0, 0.5, 0),
        ("<", 0, 0, 0),
        ("<=", 0, 0, 1),
        ("==", 3, 3, 1),
        ("==", 3, 2.9, 0),
        ("!=", 3, 3, 0),
        ("!=", 3, 4, 1),
    ],
)
def test_the_share_of_the_way_is_whole_where_it_breaches(operator, limit, value, share):
    assert distance.share(operator, limit, value) == pytest.approx(share)
