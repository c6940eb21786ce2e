"""Turns of executors that meet whoever changes the fleet, and each other: on PostgreSQL none waits in a ring.

SQLite lets one transaction write at a time, so there is nothing to meet.
"""

import threading
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from agents import fleet, health, members, pools, snapshot
from agents.models import AgentHealth, AgentStatus, Circuit
from orchestra.kernel import chain
from tests.silent_writes import arranged
from tests.workflows.conftest import OPERATOR, SYSTEM
from workflows import queue, tasks

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no locks of rows"),
]
LONG_S = 30.0
TEMPLATE = {"config": {"function": "test.echo"}, "capabilities": ["work"]}


def together(*jobs):
    """What each of the jobs returned, or the error that it met; each has a thread and a connection of its own."""
    found = {}

    def run(job):
        try:
            found[job] = job()
        except Exception as error:  # noqa: BLE001  the test tells it
            found[job] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    return [found.get(job) for job in jobs]


@pytest.fixture
def meeting(monkeypatch, script):
    """``meeting(module, name)``: whoever comes there has its locks, and goes on when a turn is at its end."""
    has_locks, at_the_end = threading.Event(), threading.Event()
    append = chain.append

    def appended(*args, **kwargs):
        number = append(*args, **kwargs)
        if threading.current_thread().name == "turn":
            at_the_end.set()
        return number

    monkeypatch.setattr(chain, "append", appended)

    def arrange(module, name):
        original = getattr(module, name)

        def held_up(*args):
            if threading.current_thread().name != "turn":
                has_locks.set()
                assert at_the_end.wait(LONG_S)
            return original(*args)

        results = [script.answer(each) for each in script.turn(room=2).assignments]
        monkeypatch.setattr(module, name, held_up)
        return lambda: turn(results)

    def turn(results):
        threading.current_thread().name = "turn"
        assert has_locks.wait(LONG_S)
        return len(queue.take_turn(results, executor="executor:1", fleet=snapshot.read(), room=10).assignments)

    return arrange


def test_a_pool_is_scaled_while_its_members_are_given_calls(meeting):
    pool = pools.create("python", {"name": "p", "template": TEMPLATE, "min_size": 2, "max_size": 5}, by=SYSTEM)
    for _ in range(4):
        tasks.create(["work"], {}, by=SYSTEM)
    turn = meeting(members, "moves")

    scaled, claimed = together(lambda: pools.scale(pool.pk, 3, by=OPERATOR, reason="more"), turn)

    assert (getattr(scaled, "target", scaled), claimed) == (3, 2)


def test_an_agent_is_drained_while_it_is_given_calls(meeting):
    agent = fleet.create("python", {"name": "a", "max_concurrency": 50, **TEMPLATE}, ["work"], by=SYSTEM)
    for _ in range(4):
        tasks.create(["work"], {}, by=SYSTEM)
    turn = meeting(fleet, "raise_revision")

    drained, claimed = together(lambda: fleet.set_status(agent.pk, AgentStatus.DRAINING, by=SYSTEM), turn)

    assert (getattr(drained, "status", drained), claimed) == (AgentStatus.DRAINING, 2)


def test_two_turns_take_the_probes_of_two_agents_whichever_comes_first(monkeypatch):
    """Each would take the other agent's probe first, as the ranks of its steps have it."""
    for name in ("a", "b"):
        fleet.create("python", {"name": name, "config": TEMPLATE["config"], "max_concurrency": 900}, [name], by=SYSTEM)
    with arranged():
        past = timezone.now() - timedelta(seconds=1)
        AgentHealth.objects.update(circuit=Circuit.OPEN, opened_at=past, probe_at=past)
    for name in ("a", "b", "b", "a"):
        tasks.create([name], {}, by=SYSTEM)
    both_have_one = threading.Barrier(2)
    take_probe, has_one = health.take_probe, threading.local()

    def held_up(*args, **kwargs):
        taken = take_probe(*args, **kwargs)
        if not getattr(has_one, "yes", False):
            has_one.yes = True
            with suppress(threading.BrokenBarrierError):
                both_have_one.wait(1)  # in vain, where the other waits for all that is taken here
        return taken

    monkeypatch.setattr(health, "take_probe", held_up)
    seen, start = snapshot.read(), threading.Barrier(2)

    def turn(name):
        start.wait(LONG_S)
        turned = queue.take_turn([], executor=name, fleet=seen, room=2)
        return sorted(each.agent.name for each in turned.assignments)

    got = together(lambda: turn("executor:1"), lambda: turn("executor:2"))

    assert sorted(got, key=str) == [["a", "b"], []]
