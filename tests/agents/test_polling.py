"""Which of the workers that wait are woken for what waits."""

import asyncio

import pytest

from agents import work
from agents.polling import Wakeups, _Waiting, chosen

PAINT, SING = frozenset({"paint"}), frozenset({"sing"})
BOTH = PAINT | SING
NOW = 100.0


class Waiting:
    """Tasks that wait, by what they ask for."""

    def __init__(self, found):
        self.found = found

    def waiting(self, able):
        return {needs: count for needs, count in self.found.items() if any(needs <= each for each in able)}


@pytest.fixture
def tasks(monkeypatch):
    """``tasks({PAINT: 2})``: what waits now."""

    def put(found):
        monkeypatch.setattr(work.tasks, "_providers", {"test": Waiting(found)})

    return put


def worker(abilities, not_before=0.0):
    return _Waiting(abilities, not_before, None)


def test_no_more_are_woken_than_there_are_tasks_the_first_to_come_first(tasks):
    tasks({PAINT: 2})
    workers = [worker(PAINT) for _ in range(5)]
    assert chosen(workers, NOW) == workers[:2]


def test_only_those_who_can_do_it_are_woken(tasks):
    tasks({SING: 5})
    painter, singer = worker(PAINT), worker(BOTH)
    assert chosen([painter, singer], NOW) == [singer]


def test_a_worker_is_woken_once_for_all_that_it_can_do(tasks):
    tasks({PAINT: 1, SING: 1})
    one, other = worker(BOTH), worker(BOTH)
    assert chosen([one, other], NOW) == [one, other]


def test_who_has_just_found_nothing_rests_and_another_is_woken(tasks):
    tasks({PAINT: 1})
    resting, fresh = worker(PAINT, not_before=NOW + 1), worker(PAINT)
    assert chosen([resting, fresh], NOW) == [fresh]


def test_what_asks_for_nothing_is_for_anybody(tasks):
    tasks({frozenset(): 1})
    anybody = worker(SING)
    assert chosen([anybody], NOW) == [anybody]


@pytest.mark.django_db(transaction=True)
async def test_a_wait_ends_by_itself_and_leaves_nothing_behind(tasks):
    tasks({})
    wakeups = Wakeups()
    await asyncio.wait_for(wakeups.wait(PAINT, 0.0, 0.2), 10)
    assert wakeups.count == 0


@pytest.mark.django_db(transaction=True)
async def test_what_is_there_before_somebody_waits_wakes_him_too(tasks):
    tasks({PAINT: 1})
    await asyncio.wait_for(Wakeups().wait(PAINT, 0.0, 60), 20)
