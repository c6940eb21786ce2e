"""One supervised process, with real ones that end, sleep or do not listen."""

import logging
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from orchestra.supervisor import child as children
from orchestra.supervisor.child import Child
from tests.orchestra.running_tree import wait_until
from tests.processes import lives

SOON_S = 10


@pytest.fixture
def make_child(caplog) -> Iterator[Callable[..., Child]]:
    """``make_child("end", "3")``: a child that behaves as ``stand_in.py`` says, looked at once."""
    caplog.set_level(logging.INFO, "orchestra.supervisor")
    made: list[Child] = []

    def make(*behaviour: str, delay_s: float = 0) -> Child:
        made.append(Child("worker", ["tests.orchestra.stand_in", *behaviour], environment={}, delay_s=delay_s))
        made[-1].tend()
        return made[-1]

    yield make
    for child in made:
        child.dismiss(within_s=0)
        tend_until(child, lambda child=child: child.group is None)


def tend_until(child: Child, claim: Callable[[], object], within_s: float = SOON_S) -> None:
    def looked() -> object:
        child.tend()
        return claim()

    wait_until(looked, within_s)


def test_what_ends_is_started_again_and_the_log_says_why(make_child, caplog):
    child = make_child("end", "3")
    first = child.group
    tend_until(child, lambda: child.group not in {None, first})

    assert "worker ended with exit code 3; it starts again in 0.5 s." in caplog.text


def test_each_failure_doubles_the_wait(make_child, monkeypatch, caplog):
    child = make_child("end")
    for _ in range(3):
        tend_until(child, lambda: child.group is None)
        monkeypatch.setattr(child, "_due_at", 0)
        child.tend()

    assert [line.partition("again in ")[2] for line in caplog.messages if "again" in line] == ["0.5 s.", "1 s.", "2 s."]


def test_it_is_not_started_before_its_wait_is_over(make_child):
    child = make_child("end")
    tend_until(child, lambda: child.group is None)
    child.tend()

    assert child.group is None


def test_a_healthy_minute_is_forgiven(make_child, monkeypatch):
    monkeypatch.setattr(children, "HEALTHY_S", 0.01)
    child = make_child("end")
    child.failures = 5
    time.sleep(0.02)
    tend_until(child, lambda: child.group is None)

    assert child.failures == 1


def test_its_first_start_may_be_delayed(make_child):
    child = make_child("sleep", delay_s=0.2)

    assert child.group is None
    tend_until(child, lambda: child.group)


def test_what_is_replaced_is_started_anew_for_the_reason_given(make_child, caplog):
    child = make_child("sleep")
    first = child.group
    child.replace("showed no life for 20 s")
    tend_until(child, lambda: child.group not in {None, first})

    assert "worker showed no life for 20 s; it starts again in 0.5 s." in caplog.text


def test_what_is_dismissed_stays_away(make_child, caplog):
    child = make_child("sleep")
    child.dismiss(within_s=SOON_S)
    tend_until(child, lambda: child.group is None)
    child.tend()

    assert child.group is None
    assert "worker stopped." in caplog.messages


def test_what_does_not_listen_is_killed_when_its_time_is_over(make_child):
    child = make_child("stubborn")
    stubborn = psutil.Process(child.group)
    wait_until(lambda: "stand_in" in " ".join(stubborn.cmdline()) or stubborn.num_threads(), SOON_S)
    child.dismiss(within_s=0.2)
    tend_until(child, lambda: child.group is None)

    assert not stubborn.is_running()


def test_what_a_dead_leader_forked_dies_with_it(make_child):
    child = make_child("parent")
    leader = psutil.Process(child.group)
    wait_until(leader.children, SOON_S)
    [fork] = leader.children()
    leader.kill()

    wait_until(lambda: not lives(fork), 2)
