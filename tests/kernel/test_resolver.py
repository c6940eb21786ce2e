"""Lookups of names: shared while under way, apart from each other, and given up without harm."""

import asyncio
import socket
import threading
import time
from ipaddress import ip_address

import pytest

from orchestra.kernel import resolver

SOON_S = 20.0


@pytest.fixture
def slow(monkeypatch):
    """Names that begin with ``slow`` are answered once ``slow.set()`` was called; ``slow.asked`` lists all lookups."""
    real, gate = socket.getaddrinfo, threading.Event()
    gate.asked = []

    def look_up(host, *args, **kwargs):
        gate.asked.append(host)
        if host.startswith("slow"):
            gate.wait(SOON_S)
            return real("127.0.0.1", *args, **kwargs)
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield gate
    gate.set()


async def test_each_address_is_given_once():
    found = await resolver.addresses_of("localhost")

    assert ip_address("127.0.0.1") in found
    assert len(found) == len(set(found))


async def test_a_name_that_does_not_exist_is_an_error_each_time():
    for _ in range(2):
        with pytest.raises(socket.gaierror):
            await resolver.addresses_of("nobody.invalid")


@pytest.mark.parametrize("name", ["x" * 64 + ".example", "a..example"])
async def test_what_cannot_be_a_name_is_an_error(name):
    with pytest.raises((OSError, ValueError)):
        await resolver.addresses_of(name)


async def test_who_asks_for_a_name_that_is_being_asked_for_waits_along(slow):
    tasks = [asyncio.create_task(resolver.addresses_of("slow.example")) for _ in range(100)]
    await asyncio.sleep(0)
    slow.set()

    assert await asyncio.gather(*tasks) == [[ip_address("127.0.0.1")]] * 100
    assert slow.asked == ["slow.example"]


async def test_names_that_nobody_answers_hold_no_other_up(slow):
    stuck = [asyncio.create_task(resolver.addresses_of(f"slow-{number}.example")) for number in range(100)]
    await asyncio.sleep(0)

    async with asyncio.timeout(SOON_S):
        assert await resolver.addresses_of("127.0.0.1") == [ip_address("127.0.0.1")]
    assert not any(task.done() for task in stuck)
    slow.set()
    await asyncio.gather(*stuck)


async def test_one_who_gives_up_leaves_the_others_waiting(slow):
    first, second = (asyncio.create_task(resolver.addresses_of("slow.example")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    slow.set()

    assert await second == [ip_address("127.0.0.1")]
    assert first.cancelled()


def test_a_loop_that_ends_does_not_wait_for_a_lookup(slow):
    async def give_up():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await resolver.addresses_of("slow.example")

    began = time.monotonic()
    asyncio.run(give_up())

    assert time.monotonic() - began < SOON_S / 2
