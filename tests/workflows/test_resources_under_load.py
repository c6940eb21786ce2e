"""Many runs, few units, real executors, some of them killed: never over capacity, first come first served, all free.

What is held is summed up by another connection all the while, and by the audit trail afterwards, whose events stand in
the order of the commits.
"""

import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum

from agents import reservations
from agents.granting import Line
from agents.models import Reservation, ReservationLine, ReservationStatus, Resource
from agents.reservations import Ask, Return
from orchestra.kernel import events
from orchestra.kernel.events import NOTHING
from orchestra.kernel.models import Event
from orchestra.kernel.verification import verify
from tests.workflows import stock_of_resources as stock
from tests.workflows.conftest import OPERATOR, SYSTEM
from tests.workflows.real_executors import add_agent, until
from workflows import engine
from workflows.models import RUN_ENDS, Run, RunStatus

pytestmark = pytest.mark.django_db(transaction=True)
NAP = {"name": "nap", "capabilities": ["sleep"], "retry": {"attempts": 3, "delay": 0}}
ONE = [{"type": "bench"}]
TWO = [{"type": "bench", "units": 2}]
BOTH = [{"name": "left", "type": "bench"}, {"name": "right", "type": "bench"}]
FLOWS: dict[str, dict[str, Any]] = {
    "one": {"steps": [{**NAP, "resources": ONE}]},
    "two": {"steps": [{**NAP, "resources": TWO}]},
    "both": {"steps": [{**NAP, "resources": BOTH}]},
    "whole": {"steps": [NAP, {**NAP, "name": "again", "resources": ONE}], "resources": ONE},
}
CAPACITY = {"Bench 1": 2, "Bench 2": 1}
PATIENCE_S = 600
HOLDING = {"reservation__status": ReservationStatus.HELD}


@contextmanager
def watched() -> Iterator[list[str]]:
    """What another connection has seen that must not be, and at the end how often it looked."""
    seen, done, looks = [], threading.Event(), 0

    def look() -> None:
        nonlocal looks
        try:
            while not done.is_set():
                lines = ReservationLine.objects.filter(**HOLDING).order_by()
                held = lines.values_list("resource__name", "resource__capacity").annotate(total=Sum("units"))
                seen.extend(f"{units} of {name}" for name, capacity, units in held if units > capacity)
                looks += 1
                time.sleep(0.02)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        watching = thread.submit(look)
        try:
            yield seen
        finally:
            done.set()
            watching.result(30)
    assert looks > 5, "it has really looked"


def compete(publish: Any, count: int) -> None:
    for name, capacity in CAPACITY.items():
        stock.add(name, capacity=capacity)
    add_agent("test.nap", "sleep")
    for name, flow in FLOWS.items():
        publish(name, *flow["steps"], **{key: value for key, value in flow.items() if key != "steps"})
    chance = random.Random(5)
    for _ in range(count):
        engine.start_many(chance.choice(list(FLOWS)), [({"seconds": 0.01}, NOTHING)], by=OPERATOR)


def all_ended() -> bool:
    return not Run.objects.exclude(status__in=RUN_ENDS).exists()


def check_the_trail() -> None:
    """Replays who held what after every commit; and who was granted before whom."""
    held: dict[str, int] = defaultdict(int)
    holders: dict[str, dict[str, int]] = {}
    granted: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for event in Event.objects.filter(target_kind="reservation").select_related("detail").order_by("number"):
        if event.action == "ResourcesReserved":
            units: dict[str, int] = defaultdict(int)
            lines = json.loads(event.detail.after)["resources"]
            for line in lines.values():
                units[line["resource"]] += line["units"]
            holders[event.target_id] = units
            for name, count in units.items():
                held[name] += count
                assert held[name] <= CAPACITY[name], f"after event {event.number}"
            shape = tuple(sorted(line["units"] for line in lines.values()))
            granted[shape].append(int(event.target_id))
        elif event.action == "ResourcesReleased":
            for name, count in holders.pop(event.target_id).items():
                held[name] -= count
    assert (holders, {name: count for name, count in held.items() if count}) == ({}, {})
    for order in granted.values():
        assert order == sorted(order), "of those who ask for the same, who asked first is served first"


def check_all_is_free(count: int) -> None:
    assert Run.objects.filter(status=RunStatus.SUCCEEDED).count() == count
    assert Reservation.objects.filter(ended_at=None).count() == 0
    assert stock.used() == {}
    check_the_trail()
    assert verify().valid


def test_two_hundred_runs_compete_for_three_units(publish: Any, executors: Any) -> None:
    with watched() as seen:
        for _ in range(2):
            executors(RESOURCE_LEASE_S="4")
        compete(publish, 200)
        until(all_ended, within_s=PATIENCE_S)
    assert seen == []
    check_all_is_free(200)


@pytest.mark.parametrize(("runs", "kills"), [(40, 3), pytest.param(200, 12, marks=pytest.mark.soak)])
def test_likewise_while_executors_are_killed(publish: Any, executors: Any, runs: int, kills: int) -> None:
    chance = random.Random(7)
    with watched() as seen:
        working = [executors(RESOURCE_LEASE_S="4") for _ in range(2)]
        compete(publish, runs)
        for killed in range(kills):
            target = runs * (killed + 1) // (2 * kills)
            until(lambda target=target: Run.objects.filter(status__in=RUN_ENDS).count() >= target, within_s=PATIENCE_S)
            victim = working.pop(chance.randrange(len(working)))
            victim.kill()
            victim.wait()
            working.append(executors(RESOURCE_LEASE_S="4"))
        until(all_ended, within_s=PATIENCE_S)
    assert seen == []
    check_all_is_free(runs)


@pytest.mark.parametrize("rounds", [25, pytest.param(400, marks=pytest.mark.soak)])
def test_two_connections_grant_at_once_and_never_too_much(rounds: int) -> None:
    for name, capacity in CAPACITY.items():
        stock.add(name, capacity=capacity)
    barrier = threading.Barrier(2)
    shapes = [(Line("a", "bench"),), (Line("a", "bench", 2),), (Line("a", "bench"), Line("b", "bench"))]

    def take_turns(first: int) -> None:
        chance, mine = random.Random(first), list[int]()
        try:
            for turn in range(rounds):
                asks = [Ask(first + 10 * turn + n, "", chance.choice(shapes)) for n in range(chance.randint(0, 3))]
                gone = [mine.pop(0) for _ in range(chance.randint(0, len(mine)))]
                mine += [ask.run for ask in asks]
                barrier.wait(60)
                with events.recording(SYSTEM):
                    reservations.settle(asks, [Return(run, None, "It is done.") for run in gone])
            with events.recording(SYSTEM):
                reservations.settle((), [Return(run, None, "It is done.") for run in mine])
        except BaseException:
            barrier.abort()
            raise
        finally:
            connection.close()

    with watched() as seen, ThreadPoolExecutor(2) as threads:
        for turns in [threads.submit(take_turns, first) for first in (1, 1_000_000)]:
            turns.result(PATIENCE_S)
        time.sleep(0.2)
    assert seen == []
    assert Reservation.objects.filter(ended_at=None).count() == 0
    assert Resource.objects.count() == 2
    check_the_trail()
