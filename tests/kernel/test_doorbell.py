"""The doorbell over two real connections: Django's own commits, the waiter listens."""

import statistics
import threading
import time
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from orchestra.kernel import doorbell, pulses
from orchestra.kernel.doorbell import Waiter

pytestmark = pytest.mark.django_db(transaction=True)
sqlite = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="is about the file of SQLite")
postgres = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="is about connections to PostgreSQL")


def commit_something() -> None:
    with transaction.atomic():
        pulses.beat("visitor", {"at": time.monotonic()})  # SQLite does not commit a row that stays the same
        doorbell.ring()


@contextmanager
def in_a_thread(work):
    """Runs ``work`` beside the block, on a connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_a_commit_wakes_the_waiter():
    with Waiter() as waiter, in_a_thread(lambda: (time.sleep(0.1), commit_something())):
        assert waiter.wait(5)


def test_silence_ends_at_the_timeout():
    with Waiter() as waiter:
        began = time.monotonic()

        assert not waiter.wait(0.1)
        assert 0.1 <= time.monotonic() - began < 1


def test_a_commit_between_two_calls_counts_for_the_second():
    with Waiter() as waiter:
        assert not waiter.wait(0)
        commit_something()

        assert waiter.wait(1)  # PostgreSQL delivers a notification a moment after the commit


def test_many_commits_between_two_calls_ring_together():
    with Waiter() as waiter:
        for _ in range(20):
            commit_something()
        rings = 0
        while waiter.wait(0.5):
            rings += 1

        assert 1 <= rings <= 5  # once as a rule; a server may deliver the last of them a moment later


def test_what_is_not_committed_does_not_ring():
    with Waiter() as waiter, transaction.atomic():
        pulses.beat("visitor")
        doorbell.ring()

        assert not waiter.wait(0.1)
        transaction.set_rollback(True)


def test_what_is_rolled_back_does_not_ring():
    with Waiter() as waiter:
        with transaction.atomic():
            pulses.beat("visitor")
            doorbell.ring()
            transaction.set_rollback(True)

        assert not waiter.wait(0.1)


def test_a_stream_of_commits_rings_at_most_a_hundred_times_a_second():
    stop = threading.Event()

    def commit_until_stopped() -> None:
        while not stop.is_set():
            commit_something()

    with Waiter() as waiter, in_a_thread(commit_until_stopped):
        until = time.monotonic() + 0.5
        rings = 0
        while time.monotonic() < until:
            rings += waiter.wait(0.1)
        stop.set()

    assert 1 <= rings <= 51


def test_waiting_costs_next_to_nothing():
    with Waiter() as waiter:
        waiter.wait(0)
        before = time.process_time()
        waiter.wait(1)

        assert time.process_time() - before < 0.005  # half a percent of a core


def test_work_starts_within_milliseconds_of_its_commit(record_testsuite_property):
    committed, heard = [], []

    def commit_after_a_moment() -> None:
        time.sleep(0.03)
        commit_something()
        committed.append(time.monotonic())

    with Waiter() as waiter:
        for _ in range(30):
            with in_a_thread(commit_after_a_moment):
                assert waiter.wait(5)
                heard.append(time.monotonic())
    delays = [max(0.0, end - start) for start, end in zip(committed, heard, strict=True)]
    record_testsuite_property("doorbell_p50_ms", round(statistics.median(delays) * 1000, 2))

    assert statistics.median(delays) < 0.015


@sqlite
def test_a_database_that_is_away_at_first_rings_once_it_is_there(tmp_path, monkeypatch):
    path = tmp_path / "late.sqlite3"
    monkeypatch.setitem(connection.settings_dict, "NAME", str(path))
    with Waiter() as waiter:
        assert not waiter.wait(0.1)
        assert not path.exists()
        path.touch()

        assert waiter.wait(2)


@sqlite
def test_a_waiter_does_not_keep_the_log_from_being_emptied():
    with Waiter() as waiter, connection.cursor() as cursor:
        commit_something()
        waiter.wait(1)
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        assert cursor.fetchone() == (0, 0, 0)  # not busy, nothing left


@sqlite
def test_a_connection_in_trouble_is_opened_anew():
    with Waiter() as waiter:
        waiter._bell._database.close()

        assert waiter.wait(2)
        commit_something()
        assert waiter.wait(1)


@sqlite
def test_commits_are_heard_where_the_system_does_not_tell_of_writes(monkeypatch):
    monkeypatch.setattr("orchestra.kernel.bells.sqlite.FileWatch.of", lambda path: None)
    with Waiter() as waiter, in_a_thread(lambda: (time.sleep(0.05), commit_something())):
        assert waiter.wait(5)


@postgres
def test_a_listener_that_lost_its_server_connects_anew_and_rings():
    with Waiter() as waiter:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE application_name = 'orchestra doorbell' AND datname = current_database()"
            )
            assert cursor.fetchone() == (1,)

        assert waiter.wait(5)
        commit_something()
        assert waiter.wait(1)


def test_a_waiter_outside_its_with_block_says_so():
    with pytest.raises(RuntimeError, match="with block"):
        Waiter().wait(0)
