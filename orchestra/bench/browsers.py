"""Browsers without a screen: each has a page open, listens, and fetches the regions it is told of at the page's pace.

The pace is that of static/js/regions.js and backoff.js: one request at a time, at most two a second, and fewer when
the server takes its time.
"""

import asyncio
import json
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import httpx2
from autobahn.asyncio.websocket import WebSocketClientFactory, WebSocketClientProtocol

SHORTEST_GAP_S, LONGEST_GAP_S = 0.5, 10.0
PATIENCE_S = 60.0
LIVE_SINCE = re.compile(r'data-live-since="(\d+)"')


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a page, what it listens for, and how long it rests between two fetches."""

    id: str
    topics: frozenset[str]
    rest_s: float

    def shows(self, changed: frozenset[str]) -> bool:
        return any(topic in changed or topic.partition(":")[0] in changed for topic in self.topics)


@dataclass(slots=True)
class Seen:
    """What one browser heard and fetched: frames as (instant, number, topics), fetches as (begun, ended, regions)."""

    path: str
    regions: Sequence[Region] = ()
    since: int = 0
    frames: list[tuple[float, int, frozenset[str]]] = field(default_factory=list)
    fetches: list[tuple[float, float, frozenset[str]]] = field(default_factory=list)
    refused: int = 0
    closed: int = 0


class Browser:
    """One page of somebody who is signed in by the session ``key`` at the server ``host``."""

    def __init__(self, host: str, key: str, path: str) -> None:
        self.host, self.key, self.seen = host, key, Seen(path)
        self._known = 0
        self._dirty: set[str] = set()
        self._fetched_at: dict[str, float] = {}
        self._news = asyncio.Event()

    async def browse(self, opened: asyncio.Event, over: asyncio.Event) -> Seen:
        """Open the page, then follow what happens until ``over``; ``opened`` is set once it listens."""
        headers = {"Cookie": f"sessionid={self.key}"}
        async with httpx2.AsyncClient(base_url=f"http://{self.host}", headers=headers, timeout=PATIENCE_S) as client:
            page = await client.get(self.seen.path)
            page.raise_for_status()
            self.seen.regions = regions_of(page.text)
            self.seen.since = self._known = int(LIVE_SINCE.search(page.text)[1])  # type: ignore[index]
            transport = await self._listen(opened)
            follower = asyncio.create_task(self._follow(client))
            await over.wait()
            follower.cancel()
            transport.close()
        return self.seen

    async def _listen(self, opened: asyncio.Event) -> asyncio.Transport:
        topics = sorted({topic for region in self.seen.regions for topic in region.topics})
        query = urlencode([("since", self.seen.since), *(("topic", topic) for topic in topics)])
        factory: Any = WebSocketClientFactory(  # type: ignore[no-untyped-call]
            f"ws://{self.host}/ws/live/?{query}",
            origin=f"http://{self.host}",
            headers={"Cookie": f"sessionid={self.key}"},
        )
        factory.protocol = lambda: _Listener(self, opened)
        host, port = self.host.split(":")
        transport, _ = await asyncio.get_running_loop().create_connection(factory, host, int(port))
        return transport

    def hear(self, frame: dict[str, Any]) -> None:
        number, topics = frame["number"], frozenset(frame.get("topics", ()))
        if frame["type"] != "hello":
            self._known = max(self._known, number)
        everything = frame["type"] == "behind"
        if everything or topics:
            self.seen.frames.append((time.time(), number, topics))
            self._dirty |= {region.id for region in self.seen.regions if everything or region.shows(topics)}
            self._news.set()

    async def _follow(self, client: httpx2.AsyncClient) -> None:
        while True:
            await self._news.wait()
            now = time.time()
            due = [
                region.id for region in self.seen.regions if region.id in self._dirty and not self._rests(region, now)
            ]
            if not due:
                await asyncio.sleep(SHORTEST_GAP_S)
                continue
            self._dirty -= set(due)
            if not self._dirty:
                self._news.clear()
            took = await self._fetch(client, due)
            await asyncio.sleep(max(0.0, min(LONGEST_GAP_S, max(SHORTEST_GAP_S, 2 * took)) - took))

    def _rests(self, region: Region, now: float) -> bool:
        return now - self._fetched_at.get(region.id, 0.0) < region.rest_s

    async def _fetch(self, client: httpx2.AsyncClient, due: list[str]) -> float:
        began = time.time()
        self._fetched_at |= dict.fromkeys(due, began)
        headers = {"X-Regions": " ".join(due), "X-Known": str(self._known)}
        answer = await client.get(self.seen.path, headers=headers)
        ended = time.time()
        if answer.status_code == httpx2.codes.OK:
            self.seen.fetches.append((began, ended, frozenset(due)))
        else:
            self.seen.refused += 1
            self._dirty |= set(due)
            self._news.set()
        return ended - began


class _Listener(WebSocketClientProtocol):
    def __init__(self, browser: Browser, opened: asyncio.Event) -> None:
        super().__init__()
        self._browser, self._opened = browser, opened

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803  names of autobahn
        frame = json.loads(payload)
        if frame["type"] == "hello":
            self._opened.set()
        if frame["type"] == "beat":
            self.sendMessage(b'{"type": "beat"}')  # type: ignore[no-untyped-call]
        self._browser.hear(frame)

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:  # noqa: N802, N803  names of autobahn
        self._browser.seen.closed += 1


class _Regions(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Region] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if "data-region" in values and values.get("id"):
            topics = frozenset((values.get("data-topics") or "").split())
            self.found.append(Region(str(values["id"]), topics, float(values.get("data-rest") or 0)))


def regions_of(html: str) -> list[Region]:
    """The regions of a page."""
    parser = _Regions()
    parser.feed(html)
    return parser.found


async def browse_all(browsers: Sequence[Browser], work: asyncio.Event) -> list[Seen]:
    """Open all of them, a few at a time; then set ``work`` going, and return what they saw once it is unset again."""
    over, doors = asyncio.Event(), asyncio.Semaphore(10)

    async def open_one(browser: Browser) -> asyncio.Task[Seen]:
        async with doors:
            opened = asyncio.Event()
            task = asyncio.create_task(browser.browse(opened, over))
            waiting = asyncio.create_task(opened.wait())
            await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
            waiting.cancel()
            await asyncio.sleep(random.random() * 0.05)  # noqa: S311  browsers do not start in step
            return task

    tasks = await asyncio.gather(*map(open_one, browsers))
    work.set()
    while work.is_set():  # noqa: ASYNC110  a thread clears it
        await asyncio.sleep(0.05)
    over.set()
    return list(await asyncio.gather(*tasks))
