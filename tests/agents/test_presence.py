"""Processes of agents are held by one at a time."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from agents import fleet, presence, snapshot
from agents.models import AgentProcess
from agents.presence import Figures
from orchestra.kernel import right_of_way
from tests.agents.conftest import SYSTEM

ONE, OTHER = "executor:a:1:1", "executor:b:2:2"


@pytest.fixture
def agents(make_agent):
    return [make_agent(f"worker-{n}", kind="process", config={"command": "echo"}).pk for n in range(3)]


def expire():
    AgentProcess.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.django_db
class TestHolding:
    def test_what_nobody_holds_is_taken_and_what_somebody_holds_is_not(self, agents):
        assert presence.take(agents[:2], ONE, "a") == set(agents[:2])
        assert presence.take(agents, OTHER, "b") == {agents[2]}
        assert presence.held_by(ONE) == set(agents[:2])

    def test_an_expired_lease_is_anybodys_and_the_one_before_cannot_renew_it_then(self, agents):
        presence.take(agents, ONE, "a")
        expire()
        assert presence.take(agents[:1], OTHER, "b") == {agents[0]}
        assert presence.renew(ONE) == 2
        assert presence.held_by(ONE) == set(agents[1:])
        assert presence.take(agents, OTHER, "b") == {agents[0]}, "renewed leases hold, and its own may be taken again"

    def test_what_is_released_is_anybodys_at_once(self, agents):
        presence.take(agents, ONE, "a")
        assert presence.release(ONE, agents[:1]) == 1
        assert presence.take(agents, OTHER, "b") == {agents[0]}
        assert presence.release(ONE) == 2
        assert presence.take(agents, OTHER, "b") == set(agents)

    def test_agents_that_are_gone_are_left_out(self, agents):
        fleet.remove(agents[0], by=SYSTEM)
        assert presence.take(agents, ONE, "a") == set(agents[1:])

    def test_a_remote_worker_holds_itself_in_one_go(self, agents):
        assert presence.hold(agents[0], "remote:1", "far", 17)
        assert not presence.hold(agents[0], "remote:2", "near", 18)
        row = AgentProcess.objects.get(agent=agents[0])
        assert (row.holder, row.host, row.pid) == ("remote:1", "far", 17)
        assert row.started_at is not None

    def test_choosing_sees_who_holds_it(self, agents):
        assert {view.holder for view in snapshot.read().agents.values()} == {snapshot.NOBODY}
        presence.take(agents[:1], ONE, "a")
        presence.take(agents[1:2], OTHER, "b")
        AgentProcess.objects.filter(agent=agents[1]).update(lease_expires_at=timezone.now())
        held = snapshot.read().agents
        assert [held[agent].holder for agent in agents] == [ONE, snapshot.NOBODY, snapshot.NOBODY]


@pytest.mark.django_db
class TestMeasuring:
    def test_figures_of_all_are_stored_with_the_renewal_in_one_statement(self, agents, django_assert_num_queries):
        presence.take(agents, ONE, "a")
        before = AgentProcess.objects.get(agent=agents[0]).lease_expires_at
        with django_assert_num_queries(2 if connection.vendor == "postgresql" else 1):  # the database's clock
            assert presence.renew(ONE, {agents[0]: Figures(1024, 50.0), agents[1]: Figures(None, 1.5)}) == 3
        rows = AgentProcess.objects.in_bulk()
        assert [(row.memory_bytes, row.cpu_percent) for row in map(rows.get, agents)] == [
            (1024, 50.0),
            (None, 1.5),
            (None, None),
        ]
        assert [rows[agent].measured_at is not None for agent in agents] == [True, True, False]
        assert rows[agents[0]].lease_expires_at > before

    def test_how_it_ended_is_kept_and_counted_and_its_figures_are_gone(self, agents):
        presence.hold(agents[0], ONE, "a", 5)
        presence.renew(ONE, {agents[0]: Figures(1024, 50.0)})
        assert presence.ended(agents[0], ONE, "It ended with exit code 3. " + "x" * 600)
        assert not presence.ended(agents[0], OTHER, "It was not mine.")
        row = AgentProcess.objects.get(agent=agents[0])
        assert (row.restarts, row.pid, row.memory_bytes, row.holder) == (1, None, None, ONE)
        assert row.last_exit.startswith("It ended with exit code 3. xxx")


@pytest.mark.django_db(transaction=True)
def test_of_many_that_reach_at_once_each_process_has_one_holder(agents):
    start, taken = threading.Barrier(6), {}

    def reach(number):
        try:
            start.wait()
            with right_of_way.giving_way():
                taken[number] = presence.take(agents, f"executor:{number}", "here")
        finally:
            connection.close()

    threads = [threading.Thread(target=reach, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(agent for got in taken.values() for agent in got) == agents
