"""Web processes tell each other how far they have read; without that, and without Redis, everything goes on."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from channels.layers import channel_layers, get_channel_layer
from django.conf import settings as configured
from django.db import connection

from monitoring.consumers import LiveConsumer
from monitoring.hints import Hints
from monitoring.live import Feed, Inbox
from orchestra import env
from orchestra.kernel import events
from orchestra.kernel.access import Actor
from orchestra.kernel.events import Ref
from tests.kernel.redis_gate import Gate

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("not configured.REDIS_URL.startswith('redis:')", reason="needs Redis"),
]


@pytest.fixture
def gate(settings) -> Iterator[Gate]:
    """The channel layer reaches Redis through this gate."""
    gate = Gate(configured.REDIS_URL)
    settings.CHANNEL_LAYERS = env.channel_layers(gate.url, connection.settings_dict["NAME"])
    channel_layers.backends.clear()
    yield gate
    channel_layers.backends.clear()
    gate.shut()


class Reader:
    """Hints of a process that has read up to ``number``."""

    def __init__(self) -> None:
        self.number = 0
        self.looks = threading.Semaphore(0)
        self.hints = Hints(lambda: self.number, self.look)

    def look(self) -> None:
        self.looks.release()

    def start(self) -> "Reader":
        self.hints.start()
        return self


def tell_until_heard(teller: Reader, hearer: Reader, within_s: float = 30) -> bool:
    """Hints may be lost, so one is given again and again."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        teller.number += 1
        teller.hints.tell()
        if hearer.looks.acquire(timeout=0.5):
            return True
    return False


@pytest.fixture
def readers(gate) -> Iterator[tuple[Reader, Reader]]:
    pair = (Reader().start(), Reader().start())
    yield pair
    for reader in pair:
        reader.hints.stop()


def test_who_is_behind_looks_when_another_has_read_on(readers):
    ahead, behind = readers

    assert tell_until_heard(ahead, behind)


def test_who_has_read_as_far_does_not_look(readers):
    ahead, level = readers
    assert tell_until_heard(ahead, level)
    level.number = ahead.number
    while level.looks.acquire(timeout=1):
        pass
    ahead.hints.tell()

    assert not level.looks.acquire(timeout=1)


def test_hints_come_back_when_redis_does(readers, gate):
    ahead, behind = readers
    assert tell_until_heard(ahead, behind)
    gate.shut()
    while behind.looks.acquire(timeout=1):  # what was on its way when the gate shut still arrives
        pass
    assert not tell_until_heard(ahead, behind, within_s=2)
    gate.open()

    assert tell_until_heard(ahead, behind)


def test_a_page_hears_of_an_event_that_no_bell_rang_for(gate, monkeypatch):
    """The feed itself does not look here: as if its doorbell were deaf and its next look at the table far off."""
    monkeypatch.setattr(Feed, "_follow", lambda feed: time.sleep(60))
    other = Reader().start()

    async def hear() -> object:
        feed, inbox = Feed(), Inbox("session", frozenset({"run"}))
        feed.join(inbox, 0)
        try:
            async with asyncio.timeout(30):
                news = asyncio.create_task(inbox.next())
                while not news.done():
                    other.number = 10_000_000
                    other.hints.tell()
                    await asyncio.wait({news}, timeout=0.5)
                return await news
        finally:
            feed.leave(inbox)
            feed._is_wanted()

    with events.recording(Actor.system("engine")):
        events.record("RunStarted", target=Ref("run", 7))
    frame = asyncio.run(hear())
    other.hints.stop()

    assert frame["topics"] == ["run"]


def test_the_connection_of_a_page_does_not_stand_on_redis():
    assert get_channel_layer(LiveConsumer.channel_layer_alias) is None
