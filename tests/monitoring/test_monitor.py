"""The monitor's turn: in a thread of its own, each step by itself, and again after the database was away."""

import threading
import time

import pytest
from django.db import OperationalError, connections

from monitoring import monitor
from monitoring.metrics.readings import ticks
from monitoring.models import AgentSample, Tick
from monitoring.monitor import Monitor, Step
from orchestra.kernel.housekeeping import chores
from workflows import ticker

HOUR_S = 3_600


def noting(name, done, **how):
    return Step(name, lambda: done.append(name), **how)


def broken():
    raise ValueError("It is broken.")


def away():
    raise OperationalError("The server closed the connection.")


def begun(one):
    """Have it take its turn, if one is due, and wait for that."""
    count = one.tick()
    if count:
        one._thread.join(10)
    return count


@pytest.fixture(autouse=True)
def _on(settings):
    settings.MONITORING = True


@pytest.mark.django_db
class TestTurns:
    def test_all_steps_are_done_in_their_order(self):
        done = []
        Monitor([noting("collect", done), noting("evaluate", done)]).turn()

        assert done == ["collect", "evaluate"]

    def test_a_step_that_fails_does_not_keep_the_others_from_theirs(self, caplog):
        done = []
        Monitor([Step("evaluate", broken), noting("notify", done)]).turn()

        assert done == ["notify"]
        assert "'evaluate' failed" in caplog.text

    def test_what_is_done_now_and_then_waits_for_its_time(self, monkeypatch):
        done = []
        one = Monitor([noting("collect", done), noting("advise", done, every_s=HOUR_S)])
        for _ in range(3):
            one.turn()

        assert done == ["collect", "advise", "collect", "collect"]

    def test_after_it_was_told_to_stop_no_further_step_begins(self):
        done = []
        one = Monitor([noting("evaluate", done)])
        one.steps = [Step("collect", one.stop), *one.steps]
        one.turn()

        assert done == []

    def test_the_usual_turn_collects_evaluates_notifies_and_advises(self, make_agent):
        make_agent("writer", ["draft"])
        one = Monitor()
        one.turn()

        tick = Tick.objects.get()
        assert (tick.evaluated, AgentSample.objects.count()) == (True, 1)
        assert [step.name for step in one.steps] == ["collect", "evaluate", "notify", "advise"]


@pytest.mark.django_db(transaction=True)
class TestThread:
    def test_it_does_not_keep_the_clock_waiting(self):
        go_on, began = threading.Event(), time.monotonic()
        one = Monitor([Step("collect", lambda: go_on.wait(10))])

        assert [one.tick(), one.tick()] == [1, 0]
        assert time.monotonic() - began < 5

        go_on.set()
        one._thread.join(10)
        assert not one._thread.is_alive()

    def test_a_turn_that_hangs_is_told_of_once(self, monkeypatch, caplog):
        begun, go_on = threading.Event(), threading.Event()
        one = Monitor([Step("collect", lambda: begun.set() or go_on.wait(10))])
        one.tick()
        assert begun.wait(10)
        one.tick()
        assert caplog.text == ""

        now = time.monotonic
        for later_s in (70, 100):
            monkeypatch.setattr(time, "monotonic", lambda later_s=later_s: now() + later_s)
            one.tick()
        go_on.set()
        one._thread.join(10)

        assert caplog.text.count("at its turn for 70 s, now at the step 'collect'") == 1
        assert "at its turn for 100 s" not in caplog.text

    def test_its_connection_is_closed_after_each_turn(self):
        used = []
        begun(Monitor([Step("collect", lambda: used.append(connections["default"]))]))

        assert used[0].connection is None
        assert used[0] is not connections["default"]

    def test_the_next_turn_is_at_the_next_tick(self, monkeypatch):
        done = []
        one = Monitor([noting("collect", done)])
        assert [begun(one), begun(one)] == [1, 0]

        monkeypatch.setattr(time, "monotonic", lambda now=time.monotonic: now() + 30)
        assert begun(one) == 1
        assert done == ["collect", "collect"]

    def test_when_the_database_does_not_answer_it_is_tried_again_soon(self, monkeypatch, caplog):
        done = []
        one = Monitor([Step("collect", away), noting("evaluate", done)])
        assert begun(one) == 1
        assert done == []
        assert "tries again" in caplog.text

        one.steps = [noting("collect", done)]
        monkeypatch.setattr(time, "monotonic", lambda now=time.monotonic: now() + monitor.AGAIN_S)
        assert begun(one) == 1
        assert done == ["collect"]

    def test_stopping_waits_for_the_step_that_is_being_done(self):
        done = []
        one = Monitor([Step("collect", lambda: time.sleep(0.3)), noting("evaluate", done)])
        one.tick()
        one.stop()

        assert not one._thread.is_alive()
        assert done == []

    def test_who_stops_does_not_wait_for_ever(self, monkeypatch):
        monkeypatch.setattr(monitor, "STOP_S", 0.05)
        go_on = threading.Event()
        one = Monitor([Step("collect", lambda: go_on.wait(10))])
        one.tick()
        one.stop()
        go_on.set()
        one._thread.join(10)

    def test_it_can_be_switched_off(self, settings):
        settings.MONITORING = False

        assert Monitor([Step("collect", broken)]).tick() == 0

    def test_turns_of_two_processes_leave_each_tick_once(self, make_agent):
        make_agent("writer", ["draft"])
        monitors = [Monitor(), Monitor()]
        for one in monitors:
            one.tick()
        for one in monitors:
            one._thread.join(20)

        assert Tick.objects.count() == 1
        assert AgentSample.objects.count() == 1
        assert Tick.objects.get().evaluated
        assert len(ticks(0, 2**40)) == 1


def test_the_clock_does_it_and_tells_it_when_to_stop():
    assert ticker.ticks.get("monitor").__self__ is ticker.ends.get("monitor").__self__


def test_housekeeping_keeps_the_tables_small():
    names = {name for name, _ in chores.items()}

    assert names >= {"old samples of agents", "old samples of gauges", "old measures of runs", "old ticks"}
