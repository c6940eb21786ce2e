"""The rules that need no page: waiting times, frames, rows, words."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestra.kernel import wording

pytestmark = pytest.mark.browser


def test_tries_come_later_and_later_but_at_least_every_15_seconds(call):
    earliest = call("backoff.js", "[0, 1, 2, 3, 20].map((n) => module.delayBefore(n, () => 0))")
    latest = call("backoff.js", "[0, 1, 2, 3, 20].map((n) => module.delayBefore(n, () => 1))")
    assert earliest == [250, 500, 1000, 2000, 7500]
    assert latest == [500, 1000, 2000, 4000, 15000]


def test_refreshes_are_at_most_two_a_second_and_fewer_on_a_slow_server(call):
    assert call("backoff.js", "[10, 400, 60000].map(module.gapAfter)") == [500, 800, 10000]


def test_what_is_no_frame_is_passed_over(call):
    texts = ["", "nonsense", "[]", "null", '{"type": 3}', '{"type": "beat"}']
    assert call("frames.js", "argument.map(module.readFrame)", texts) == [None] * len(texts)


HEAR = "argument.map(([type, number, at, topics]) => page.hear({type, number, topics}, at))"


@pytest.fixture
def hear(call):
    """``hear(5, ("hello", 5, 0))``: what a page rendered at event 5 refreshes at each frame (type, number, ms)."""

    def listen(since, *frames):
        with_page = f"((page) => {HEAR})(new module.Progress({since}, 0))"
        heard = call("frames.js", with_page, [list(frame) for frame in frames])
        return ["all" if what["all"] else what["topics"] for what in heard]

    return listen


def test_the_first_greeting_refreshes_nothing_because_a_replay_follows(hear):
    assert hear(5, ("hello", 9, 0)) == [[]]


def test_a_later_greeting_refreshes_everything(hear):
    assert hear(5, ("hello", 5, 0), ("hello", 6, 1)) == [[], "all"]


def test_a_later_greeting_refreshes_nothing_if_all_is_known_to_be_shown(call):
    greeted = "((page) => { page.hear({type: 'hello', number: 5}, 0); page.refreshedAll(5, 1); return page; })"
    again = f"{greeted}(new module.Progress(5, 0)).hear({{type: 'hello', number: 5}}, 2).all"
    assert call("frames.js", again) is False


def test_numbers_that_go_back_refresh_everything(hear):
    assert hear(5, ("hello", 3, 0)) == ["all"]


def test_a_change_refreshes_its_topics_also_when_it_comes_late_or_twice(hear):
    assert hear(5, ("changed", 7, 0, ["run"]), ("changed", 6, 0, ["run:1"]), ("changed", 6, 0, ["run:1"])) == [
        ["run"],
        ["run:1"],
        ["run:1"],
    ]


def test_falling_behind_refreshes_everything(hear):
    assert hear(5, ("behind", 9000, 0)) == ["all"]


def test_a_beat_that_has_moved_on_heals_a_lost_frame_after_half_a_minute(hear):
    assert hear(5, ("beat", 6, 15_000), ("beat", 6, 30_000)) == [[], "all"]


def test_the_first_late_beat_heals_what_happened_while_the_page_was_made(hear):
    assert hear(5, ("beat", 5, 15_000), ("beat", 5, 30_000)) == [[], "all"]


def test_a_full_refresh_answers_the_doubt(call):
    healed = "((page) => { page.refreshedAll(6, 20000); return page.hear({type: 'beat', number: 6}, 60000).all; })"
    assert call("frames.js", f"{healed}(new module.Progress(5, 0))") is False


ROWS = [  # what is there, what comes, which of it is new, what is gone, whether a row would move
    (["a", "b"], ["a", "b"], [], [], False),
    (["a", "b"], ["a", "b", "c"], ["c"], [], False),
    (["a", "b"], ["c", "a", "b"], ["c"], [], True),
    (["a", "b"], ["b"], [], ["a"], True),
    (["a", "b"], ["a"], [], ["b"], True),
    (["a", "b"], ["b", "a"], [], [], True),
    ([], ["a"], ["a"], [], False),
    (["a", "b", "c"], ["e", "d", "a"], ["e", "d"], [], True),  # b and c are on the next page now
    (["a", "b", "c"], ["d", "a", "c"], ["d"], ["b"], True),
    (["a", "b", "c", "d"], ["e", "b", "c", "f"], ["e", "f"], ["a"], True),
    (["a", "b", "c"], ["a", "b", "d"], ["d"], ["c"], True),
    (["a", "b", "c"], ["d", "a"], ["d"], ["b", "c"], True),  # the page has room for both
]


def test_rows_move_unless_new_ones_come_at_the_end(call):
    lists = [[current, coming] for current, coming, *_ in ROWS]
    found = call("rows.js", "argument.map((lists) => module.compareRows(...lists))", lists)
    assert [[what["fresh"], what["gone"], what["moves"]] for what in found] == [expected for _, _, *expected in ROWS]


def test_the_strip_counts_what_it_holds_back(call):
    words = call(
        "rows.js",
        "argument.map(module.stripText)",
        [
            {"fresh": ["a", "b"], "gone": []},
            {"fresh": ["a"], "gone": ["b"]},
            {"fresh": [], "gone": []},
        ],
    )
    assert words == ["2 new, show", "1 new, 1 gone, show", "New order, show"]


NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)


def test_relative_times_are_worded_as_on_the_server(call):
    lengths = [0, 0.5, 1, 59, 60, 3599, 3600, 86399, 86400, 864000]
    moments = [NOW + timedelta(seconds=sign * length) for length in lengths for sign in (1, -1)]
    milliseconds = [1000 * moment.timestamp() for moment in moments]
    words = call("clock.js", f"argument.map((at) => module.distance(at, {1000 * NOW.timestamp()}))", milliseconds)
    assert words == [wording.distance(moment, NOW) for moment in moments]


def test_the_state_is_stale_ten_seconds_after_the_last_proof(call):
    states = call(
        "pause.js",
        "argument.map((now) => module.describe({up: false, paused: false, provenAt: 0, now}).state)",
        [9_999, 10_000],
    )
    assert states == ["reconnecting", "stale"]


def test_messages_about_parts_of_a_field_belong_to_the_field(call):
    errors = [
        {"path": "steps[1].name", "message": "a"},
        {"path": "stepsize", "message": "b"},
        {"path": "steps", "message": "c"},
    ]
    assert call("forms.js", "module.errorsOf({errors: argument}, 'steps')", errors) == ["a", "c"]
