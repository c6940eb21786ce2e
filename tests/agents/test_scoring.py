import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import scoring
from agents.scoring import Weights

shares = st.floats(0, 1)


@pytest.mark.parametrize(
    ("match_share", "success_rate", "response_s", "free_share", "total"),
    [
        (1, 1, 0, 1, 1.0),
        (1, 1, 10, 1, 0.8),
        (1, 1, 25, 1, 0.8),
        (0.5, 1, 0, 1, 0.8),
        (1, 0, 0, 1, 0.7),
        (1, 1, 0, 0, 0.9),
        (1, 0.96, 2.5, 0.5, 0.4 + 0.288 + 0.15 + 0.05),
        (0, 0, 30, 0, 0.0),
    ],
)
def test_the_score_is_the_weighted_sum_of_its_parts(match_share, success_rate, response_s, free_share, total):
    parts = scoring.score(
        Weights(), match_share=match_share, success_rate=success_rate, response_s=response_s, free_share=free_share
    )

    assert parts.total == pytest.approx(total)


@given(match_share=shares, success_rate=st.floats(-1, 2), response_s=st.floats(-5, 1e6), free_share=shares)
def test_a_score_lies_between_0_and_1_whatever_was_measured(match_share, success_rate, response_s, free_share):
    parts = scoring.score(
        Weights(), match_share=match_share, success_rate=success_rate, response_s=response_s, free_share=free_share
    )

    assert 0 <= parts.total <= 1 + 1e-9


@pytest.mark.parametrize(
    ("abilities", "needs", "prefers", "share"),
    [
        ({"draft"}, {"draft"}, (), 1),
        ({"draft"}, {"draft"}, {"billing"}, 0.5),
        ({"draft", "billing"}, {"draft"}, {"billing"}, 1),
        ({"draft", "billing", "more"}, {"draft"}, {"draft"}, 1),
        (set(), set(), (), 1),
        (set(), {"draft"}, (), 0),
    ],
)
def test_the_match_is_the_share_of_needs_and_preferences_that_are_covered(abilities, needs, prefers, share):
    assert scoring.match(abilities, needs, prefers) == share


def test_speed_falls_from_1_for_an_instant_answer_to_0_at_10_seconds():
    assert [scoring.speed(seconds) for seconds in (0, 2.5, 10, 11)] == [1, 0.75, 0, 0]


@pytest.mark.parametrize(("in_use", "slots", "share"), [(0, 4, 1), (1, 4, 0.75), (4, 4, 0), (5, 4, 0), (0, 0, 0)])
def test_availability_is_the_share_of_free_slots(in_use, slots, share):
    assert scoring.availability(in_use, slots) == share


def test_the_parts_shown_add_up_to_the_score():
    parts = scoring.score(Weights(), match_share=1, success_rate=0.9, response_s=1.5, free_share=0.25)

    assert sum(parts.as_dict().values()) == pytest.approx(parts.total, abs=1e-4)


def reference(required, able, success_rate, response_s, available):
    """The formula as the reference has it, before its corrections."""
    match = len(required & able) / len(required) * 0.4
    return match + success_rate * 0.3 + (1 - response_s / 10) * 0.2 + (0.1 if available else 0.0)


@pytest.mark.parametrize(
    ("required", "able", "success_rate", "response_s", "in_use"),
    [
        ({"a"}, {"a"}, 1.0, 0.0, 0),
        ({"a"}, {"a"}, 0.95, 1.2, 0),
        ({"a", "b"}, {"a", "b", "c"}, 0.5, 9.9, 0),
        ({"a", "b", "c"}, {"a", "b"}, 0.8, 4.0, 0),
        ({"a"}, {"b"}, 0.0, 10.0, 0),
        ({"a"}, {"a"}, 0.7, 3.0, 2),
    ],
)
def test_where_the_reference_is_sound_the_score_is_its_own(required, able, success_rate, response_s, in_use):
    parts = scoring.score(
        Weights(),
        match_share=scoring.match(able, required),
        success_rate=success_rate,
        response_s=response_s,
        free_share=scoring.availability(in_use, 2),
    )

    assert parts.total == pytest.approx(reference(required, able, success_rate, response_s, available=in_use < 2))


@pytest.mark.parametrize(
    ("idle_s", "average"), [(0, 0.2), (-5, 0.2), (3600, 0.6), (7200, 0.8), (365 * 86_400, 1.0), (None, 1.0)]
)
def test_what_was_known_of_an_agent_fades_while_it_is_not_called(idle_s, average):
    assert scoring.faded(0.2, scoring.RELIABLE, idle_s) == pytest.approx(average)


def test_a_slow_agent_is_given_another_chance_in_the_same_way():
    assert scoring.faded(8.0, scoring.QUICK, 2 * scoring.HALF_LIFE_S) == pytest.approx(2.0)


@given(average=shares, earlier=st.floats(0, 1e7), later=st.floats(0, 1e7))
def test_the_longer_the_rest_the_more_is_forgotten_and_never_more_than_there_was(average, earlier, later):
    soon, late = sorted((earlier, later))
    after_soon, after_late = (scoring.faded(average, scoring.RELIABLE, idle) for idle in (soon, late))

    assert average - 1e-9 <= after_soon <= after_late + 1e-9 <= 1 + 2e-9
