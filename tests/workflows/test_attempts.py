"""The tries of a step, from its row alone, and the bars that show them."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestra.kernel.drawing import TimeLine
from workflows import attempts
from workflows.models import Step

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LINE = TimeLine(NOON, NOON + timedelta(seconds=100))


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def failed(number, start, end, agent="writer"):
    return {
        "attempt": number,
        "agent": agent,
        "started_at": at(start).isoformat(),
        "finished_at": at(end).isoformat(),
        "error": "No.",
    }


def step(status, *history, start=None, end=None, attempt=1, **more):
    return Step(
        status=status,
        history=list(history),
        started_at=None if start is None else at(start),
        finished_at=None if end is None else at(end),
        attempt=attempt,
        choice={"chosen": "writer"},
        created_at=NOON,
        **more,
    )


def tries(row):
    return [(one.number, one.agent, one.status) for one in attempts.of_step(row)]


def bars(row, now=100):
    return [(bar.tone, bar.start, bar.width) for bar in attempts.bars_of(row, attempts.of_step(row), LINE, at(now))]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (step("ready"), []),
        (step("ready", failed(1, 0, 10), start=0), [(1, "writer", "failed")]),
        (step("running", start=0), [(1, "writer", "running")]),
        (
            step("running", failed(1, 0, 10), start=20, attempt=2),
            [(1, "writer", "failed"), (2, "writer", "running")],
        ),
        (step("failed", failed(1, 0, 10), start=0, end=10), [(1, "writer", "failed")]),
        (step("skipped", failed(1, 0, 10), start=0, end=10), [(1, "writer", "failed")]),
        (step("cancelled", failed(1, 0, 10), start=0, end=30), [(1, "writer", "failed")]),
        (step("waiting", failed(1, 0, 10), start=0), [(1, "writer", "failed"), (1, "", "waiting")]),
        (step("succeeded", failed(1, 0, 10), start=0, end=60), [(1, "writer", "failed"), (1, "", "succeeded")]),
        (
            step("succeeded", failed(1, 0, 10), start=12, end=60),
            [(1, "writer", "failed"), (1, "writer", "succeeded")],
        ),
    ],
    ids=[
        "not begun", "due again", "first try", "second try", "failed", "failed and skipped", "cancelled early",
        "handed over", "done by a person", "given back in good order and done",
    ],
)  # fmt: skip
def test_each_try_is_told_once(row, expected):
    assert tries(row) == expected


def test_what_a_person_took_over_begins_where_the_agent_failed():
    last = attempts.of_step(step("waiting", failed(1, 0, 10), start=0))[-1]

    assert last.started_at == at(10)


def test_waiting_before_and_between_the_tries_is_shaded():
    row = step("running", failed(1, 20, 30), start=50, attempt=2)

    assert bars(row) == [("idle", 0, 20), ("failed", 20, 10), ("idle", 30, 20), ("running", 50, 50)]


def test_a_step_in_the_queue_is_shaded_up_to_now():
    assert bars(step("ready"), now=40) == [("idle", 0, 40)]


def test_waiting_that_nobody_could_see_is_left_out():
    assert bars(step("succeeded", start=1, end=51)) == [("succeeded", 1, 50)]


def test_the_try_of_a_step_that_could_not_be_undone_had_succeeded_all_the_same():
    left = step("dead", failed(1, 0, 10), start=20, end=50, attempt=2, error="It could not be undone: No.")
    assert tries(left) == [(1, "writer", "failed"), (2, "writer", "succeeded")]
    assert attempts.of_step(left)[-1].error == ""
    assert tries(step("dead", failed(1, 0, 10), start=20, end=50, error="It died."))[-1][2] == "dead"


def test_what_undoes_a_step_is_violet():
    assert bars(step("succeeded", name="pay.compensate", start=0, end=50)) == [("compensating", 0, 50)]
    assert bars(step("failed", name="pay.compensate", start=0, end=50))[0][0] == "failed"
