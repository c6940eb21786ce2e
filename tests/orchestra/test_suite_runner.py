"""``make test`` goes on to PostgreSQL and Redis only where both answer, and otherwise says why not."""

from tests.__main__ import why_unreachable

CLOSED = "127.0.0.1:1"


def test_each_server_that_does_not_answer_is_named_in_one_line():
    reason = why_unreachable(f"postgresql://postgres@{CLOSED}/postgres", f"redis://{CLOSED}")

    assert "PostgreSQL does not answer" in reason
    assert "Redis does not answer" in reason
    assert "\n" not in reason
