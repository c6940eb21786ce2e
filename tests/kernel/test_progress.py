"""Progress: a bar that redraws itself where somebody watches, a few lines elsewhere."""

from io import StringIO

import pytest

from orchestra.kernel.progress import Progress


class Terminal(StringIO):
    def isatty(self):
        return True


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_where_nobody_watches_a_run_takes_ten_lines():
    printed = StringIO()
    progress = Progress(1000, printed)
    for done in range(1, 1001):
        progress.show(done, f"{done} rows")

    lines = printed.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[4] == " 50%  500 rows"


def test_on_a_terminal_the_bar_is_redrawn_at_most_ten_times_a_second():
    printed, clock = Terminal(), Clock()
    progress = Progress(100, printed, clock=clock)
    for done in range(100):
        clock.now += 0.01
        progress.show(done, "rows")

    assert 9 <= printed.getvalue().count("\r") <= 11
    assert "[██████" in printed.getvalue()


def test_a_note_stands_on_a_line_of_its_own_above_the_bar():
    printed = Terminal()
    progress = Progress(10, printed)
    progress.show(5, "half")
    progress.note("line 7 skipped")
    progress.show(6, "more")

    assert "\r\x1b[Kline 7 skipped\n\r\x1b[K[" in printed.getvalue()


@pytest.mark.parametrize(("total", "done"), [(0, 0), (10, 20)])
def test_a_share_is_never_more_than_all_of_it(total, done):
    printed = StringIO()
    Progress(total, printed).show(done, "rows")

    assert printed.getvalue() == "100%  rows\n"
