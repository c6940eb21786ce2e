"""What an event changed, field by field."""

from monitoring.audit.differences import Change, difference


def test_only_fields_that_differ_are_listed():
    assert difference({"status": "new", "tier": "gold"}, {"status": "escalated", "tier": "gold"}) == [
        Change("status", "new", "escalated")
    ]


def test_nested_fields_have_paths():
    assert difference({"qa": {"score": 0.5}}, {"qa": {"score": 0.9}}) == [Change("qa.score", "0.5", "0.9")]


def test_what_was_not_there_differs_from_what_was_nothing():
    assert difference({}, {"agent": None}) == [Change("agent", None, "nothing")]
    assert difference({"agent": None}, {}) == [Change("agent", "nothing", None)]


def test_lists_are_compared_whole():
    assert difference({"can": ["a"]}, {"can": ["a", "b"]}) == [Change("can", '["a"]', '["a", "b"]')]


def test_what_is_no_table_is_one_value():
    assert difference(None, "gone") == [Change("value", None, "gone")]


def test_nothing_and_nothing_do_not_differ():
    assert difference(None, None) == []
    assert difference({"empty": {}}, {"empty": {}}) == []
