"""A stage for the scripts of the pages: the real frame in a real browser, without a server.

The test says what a page contains, what the server would answer, and speaks through the page's socket.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.template import engines
from django.test import RequestFactory
from playwright.sync_api import Browser, Page, Request, Route, WebSocketRoute, sync_playwright

from orchestra.kernel.models import User

STATIC = Path(__file__).parents[3] / "static"
ADDRESS = "http://orchestra.test"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2"}
PAGE = "{% extends 'base.html' %}{% load ui %}{% block content %}CONTENT{% endblock %}"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser a module, gone before asynchronous tests: its driver occupies the thread's event loop."""
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with chromium.new_context() as context:
        yield context.new_page()


class Stage:
    """One page of an imaginary server."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.user = User(pk=1, username="ada", theme="light")
        self.content = ""
        self.status = 200
        self.answers: dict[str, Callable[[Request], dict[str, Any]]] = {}
        self.asked: list[str] = []  # the regions of each request
        self.posted: list[tuple[str, dict[str, str]]] = []
        self.sockets: list[WebSocketRoute] = []
        self.said: list[str] = []  # by the browser, through its socket
        self.refuses_sockets = False
        page.route(f"{ADDRESS}/**", self._serve)
        page.route_web_socket(lambda address: "/ws/live/" in address, self._connect)

    def open(self, content: str, *, since: int = 0) -> Page:
        """Show a page with ``content``, as of event ``since``."""
        self.content, self.since = content, since
        self.page.goto(f"{ADDRESS}/page/")
        return self.page

    def hear(self, kind: str, number: int, *topics: str) -> None:
        """Send the browser a frame through its newest socket."""
        self.sockets[-1].send(f'{{"type": "{kind}", "number": {number}, "topics": [{_quoted(topics)}]}}')

    def greeted(self, content: str, *, since: int = 0) -> Page:
        """Show a page whose live connection stands."""
        page = self.open(content, since=since)
        self.hear("hello", since)
        page.wait_for_selector("#live-state[data-state=live]")
        return page

    def eventually(self, holds: Callable[[], bool]) -> bool:
        """Whether ``holds()`` becomes true within 5 s."""
        for _ in range(100):
            if holds():
                return True
            self.page.wait_for_timeout(50)
        return False

    def query(self, number: int = -1) -> dict[str, list[str]]:
        """What the browser asked for with a socket."""
        return parse_qs(urlsplit(self.sockets[number].url).query)

    def _serve(self, route: Route, request: Request) -> None:
        path = urlsplit(request.url).path
        if "/vendor/inter/" in path or "/vendor/tabler" in path:
            route.fulfill(body="", content_type="text/css")  # heavy, and nothing here depends on them
        elif path.startswith("/static/"):
            file = STATIC / path.removeprefix("/static/")
            route.fulfill(path=file, content_type=TYPES.get(file.suffix, "text/plain"))
        elif request.method == "POST":
            self.posted.append((path, {key: values[0] for key, values in parse_qs(request.post_data or "").items()}))
            route.fulfill(**self.answers.get(path, lambda _: {"status": 204})(request))
        elif "x-regions" in request.headers:
            self.asked.append(request.headers["x-regions"])
            route.fulfill(status=self.status, body=self.content, content_type="text/html; charset=utf-8")
        else:
            route.fulfill(body=self._page(), content_type="text/html; charset=utf-8")

    def _page(self) -> str:
        cookies = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in self.page.context.cookies(ADDRESS))
        request = RequestFactory().get("/page/", headers={"cookie": cookies})
        request.user = self.user
        template = engines["django"].from_string(PAGE.replace("CONTENT", self.content))
        return template.render({"live_number": self.since}, request)

    def _connect(self, socket: WebSocketRoute) -> None:
        if self.refuses_sockets:
            socket.close(code=1006)
            return
        self.sockets.append(socket)
        socket.on_message(lambda message: self.said.append(str(message)))


@pytest.fixture
def stage(page: Page) -> Iterator[Stage]:
    """A stage whose every script must run without an error."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.set_default_timeout(5_000)
    yield Stage(page)
    assert faults == []


@pytest.fixture
def call(stage: Stage) -> Callable[..., Any]:
    """``call("backoff.js", "delayBefore(3)")``: what an expression in a module's exports gives."""
    stage.page.goto(f"{ADDRESS}/static/icons.txt")

    def evaluate(module: str, expression: str, argument: Any = None) -> Any:
        script = f"async (argument) => {{ const module = await import('/static/js/{module}'); return {expression}; }}"
        return stage.page.evaluate(script, argument)

    return evaluate


def _quoted(topics: tuple[str, ...]) -> str:
    return ", ".join(f'"{topic}"' for topic in topics)
