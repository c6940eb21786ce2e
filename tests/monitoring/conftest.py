"""A real daphne on the test's database, and people who are signed in to it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from orchestra.kernel.models import User
from tests.agents.conftest import make_agent  # noqa: F401  used as a fixture
from tests.monitoring.websocket import WebSocket
from tests.workflows.customer_service.conftest import escalated, play, receive, service  # noqa: F401  used as fixtures

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def web_server(django_db_setup: None, django_db_blocker: Any) -> Iterator[int]:
    """The port of a daphne in a process of its own, as in production."""
    port = free_port()
    with django_db_blocker.unblock():
        environment = {"DATABASE_URL": database_url(), "ORCHESTRA_PROCESS": "web", "LOG_LEVEL": "WARNING"}
    command = [
        sys.executable,
        "-m",
        "daphne",
        "-v",
        "0",
        "-b",
        "127.0.0.1",
        "-p",
        str(port),
        "orchestra.asgi:application",
    ]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment)
    try:
        wait_until_it_listens(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def connect(web_server: int, transactional_db: None) -> Iterator[Callable[..., WebSocket]]:
    """``connect(session_key, topics=["run:7"], since=3)``: a socket to the server, closed after the test."""
    opened: list[WebSocket] = []

    def open_socket(key: str = "", **query: Any) -> WebSocket:
        opened.append(WebSocket(web_server, key, **query))
        return opened[-1]

    yield open_socket
    for one in opened:
        one.__exit__()


@pytest.fixture
def key(operator: User, as_: Callable[[User], Any]) -> str:
    """The session of an operator who is signed in."""
    return as_(operator).session.session_key


def database_url() -> str:
    """The test's database as DATABASE_URL."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    settings = connection.settings_dict
    return f"postgresql://{settings['USER']}:{settings['PASSWORD']}@{settings['HOST']}:{settings['PORT']}/{name}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert process.poll() is None, "The web server did not start."
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("The web server does not listen after 30 s.")
