"""Signals that are waited for."""

import os
import signal
import time

from orchestra.supervisor.signals import Signals


def test_a_signal_ends_the_wait():
    with Signals(signal.SIGTERM) as signals:
        os.kill(os.getpid(), signal.SIGTERM)

        assert signals.wait(5) == {signal.SIGTERM}


def test_signals_between_two_waits_are_heard_together():
    with Signals(signal.SIGTERM, signal.SIGHUP) as signals:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTERM):
            os.kill(os.getpid(), number)

        assert signals.wait(5) == {signal.SIGTERM, signal.SIGHUP}
        assert signals.wait(0) == set()


def test_without_a_signal_the_wait_ends_at_its_time():
    with Signals(signal.SIGTERM) as signals:
        began_at = time.monotonic()

        assert signals.wait(0.1) == set()
        assert 0.1 <= time.monotonic() - began_at < 1


def test_afterwards_signals_do_what_they_did_before():
    before = signal.getsignal(signal.SIGTERM)
    with Signals(signal.SIGTERM):
        assert signal.getsignal(signal.SIGTERM) is not before

    assert signal.getsignal(signal.SIGTERM) is before
