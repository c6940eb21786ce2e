"""What is done about clusters that work, lack an executor, or show no life."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from django_q.brokers import get_broker

from orchestra.kernel import jobs, pulses
from orchestra.kernel.models import Pulse
from orchestra.supervisor.lookout import ExecutorCluster, Lookout, MainCluster

pytestmark = pytest.mark.django_db(transaction=True)
NOW = 1000.0


@dataclass
class RunningChild:
    """A child that was started at ``started_at`` and whose processes are those of the test's own group."""

    started_at: float = NOW
    failures: int = 0
    group: int | None = os.getpgid(0)


@pytest.fixture(autouse=True)
def empty_queues() -> None:
    for cluster in ("main", "executors"):
        get_broker(jobs.queue_of(cluster)).delete_queue()


def fetched(cluster: str) -> None:
    """A worker took the messages."""
    get_broker(jobs.queue_of(cluster)).delete_queue()


class TestMain:
    @pytest.fixture
    def main(self) -> MainCluster:
        return MainCluster(RunningChild())

    def test_a_ping_is_sent_at_once_and_then_every_ten_seconds(self, main):
        main.look(NOW + 1)
        assert jobs.waiting("main") == 1
        fetched("main")
        main.look(NOW + 10)
        assert jobs.waiting("main") == 0
        main.look(NOW + 11)
        assert jobs.waiting("main") == 1

    def test_no_ping_is_sent_while_another_message_waits(self, main):
        jobs.enqueue("some.job")
        main.look(NOW + 1)

        assert jobs.waiting("main") == 1

    def test_a_cluster_that_was_started_anew_is_pinged_at_once(self, main):
        main.look(NOW + 1)
        fetched("main")
        main.child.started_at = NOW + 2
        main.look(NOW + 3)

        assert jobs.waiting("main") == 1

    def test_whatever_it_works_on_is_a_sign_of_life(self, main):
        lookout = Lookout([main])
        lookout.look(NOW + 1)
        pulses.beat(pulses.MAIN)
        lookout.look(NOW + 60)
        lookout.look(NOW + 130)

        assert lookout.complaints.empty()

    def test_silence_longer_than_any_job_is_complained_of_once(self, main):
        lookout = Lookout([main])
        pulses.beat(pulses.MAIN)
        for second in (1, 70, 77, 78):
            lookout.look(NOW + second)

        complaint = lookout.complaints.get_nowait()
        assert (complaint.child, complaint.reason) == (main.child, "showed no life for 76 s")
        assert lookout.complaints.empty()


class TestExecutors:
    @pytest.fixture
    def cluster(self) -> Iterator[ExecutorCluster]:
        return ExecutorCluster(RunningChild(), wanted=2)

    def test_each_missing_executor_is_sent_for(self, cluster):
        cluster.look(NOW)

        assert jobs.waiting("executors") == 2

    def test_a_message_has_five_seconds_before_another_is_sent(self, cluster):
        cluster.look(NOW)
        fetched("executors")
        cluster.look(NOW + 4)
        assert jobs.waiting("executors") == 0
        cluster.look(NOW + 6)
        assert jobs.waiting("executors") == 2

    def test_no_message_is_sent_beyond_those_that_wait(self, cluster):
        jobs.enqueue("workflows.jobs.run_executor", cluster="executors")
        cluster.look(NOW)

        assert jobs.waiting("executors") == 2

    def test_who_beats_is_at_work_and_not_sent_for(self, cluster):
        pulses.beat(pulses.of_process("executor"))
        cluster.look(NOW)

        assert cluster.at_work == {os.getpid()}
        assert jobs.waiting("executors") == 1

    def test_who_ends_right_after_coming_is_sent_for_at_once(self, cluster):
        cluster.look(NOW)
        fetched("executors")
        pulses.beat(pulses.of_process("executor"))
        cluster.look(NOW + 1)
        pulses.end(pulses.of_process("executor"))
        cluster.look(NOW + 2)

        assert jobs.waiting("executors") == 1

    @pytest.mark.parametrize(
        "name", [f"executor:{pulses.HOST}:1", f"executor:elsewhere:{os.getpid()}"], ids=["same host", "elsewhere"]
    )
    def test_executors_of_other_trees_do_not_count(self, cluster, name):
        pulses.beat(name)
        cluster.look(NOW)

        assert cluster.at_work == set()

    def test_who_has_not_beaten_for_half_a_minute_does_not_count(self, cluster):
        pulses.beat(pulses.of_process("executor"))
        Pulse.objects.update(beat_at=timezone.now() - timedelta(seconds=31))
        cluster.look(NOW)

        assert cluster.at_work == set()

    def test_nobody_is_sent_for_while_the_cluster_is_down(self, cluster):
        cluster.child.group = None
        cluster.look(NOW)

        assert jobs.waiting("executors") == 0

    @pytest.mark.parametrize(("failures", "patience_s"), [(0, 20), (1, 40), (2, 60)])
    def test_a_cluster_to_which_nobody_comes_is_complained_of_later_each_time(self, cluster, failures, patience_s):
        cluster.child.failures = failures
        lookout = Lookout([cluster])
        lookout.look(NOW + patience_s)
        assert lookout.complaints.empty()
        lookout.look(NOW + patience_s + 1)
        assert lookout.complaints.get_nowait().reason == f"showed no life for {patience_s + 1} s"

    def test_one_that_comes_is_a_sign_of_life_though_another_is_missing(self, cluster):
        lookout = Lookout([cluster])
        lookout.look(NOW + 1)
        pulses.beat(pulses.of_process("executor"))
        lookout.look(NOW + 19)
        lookout.look(NOW + 38)

        assert lookout.complaints.empty()


def test_while_the_database_is_away_nobody_is_complained_of_and_the_log_says_so_once(caplog):
    lookout = Lookout([MainCluster(RunningChild())])
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE kernel_pulse RENAME TO away")
    try:
        for second in range(0, 200, 20):
            lookout.look(NOW + second)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO kernel_pulse")

    assert lookout.complaints.empty()
    assert len(caplog.records) == 1
    assert "does not answer" in caplog.text


def test_once_the_database_is_back_silence_counts_from_then(caplog):
    main = MainCluster(RunningChild())
    lookout = Lookout([main])
    lookout.is_blind = True
    lookout.look(NOW + 500)
    lookout.look(NOW + 574)
    assert lookout.complaints.empty()
    lookout.look(NOW + 576)
    assert not lookout.complaints.empty()


def test_it_looks_each_second_until_it_rests():
    main = MainCluster(RunningChild())
    looks = []
    main.look = looks.append
    lookout = Lookout([main])
    lookout.start()
    time.sleep(2.3)
    lookout.rest()
    lookout.join(timeout=2)

    assert len(looks) == 2
