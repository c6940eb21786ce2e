"""Executors in processes of their own, for tests that start and kill them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import connection

from agents import fleet
from orchestra.kernel.access import Actor

LEASE_S = 6  # longer than the ticker's own lease, as in earnest


@contextmanager
def starting() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """What starts one more, with settings by their names; all of them are killed at the end."""
    running: list[subprocess.Popen[str]] = []

    def start(**given: str) -> subprocess.Popen[str]:
        database = connection.settings_dict
        url = (
            f"sqlite:///{database['NAME']}"
            if connection.vendor == "sqlite"
            else f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
        )
        environment = os.environ | {"DATABASE_URL": url, "LEASE_S": str(LEASE_S), "ORCHESTRA_PROCESS": "worker"} | given
        command = [sys.executable, "-m", "tests.workflows.executor_process"]
        process = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True)
        running.append(process)
        return process

    try:
        yield start
    finally:
        for process in running:
            process.kill()
            process.communicate()


def until(condition: Callable[[], Any], within_s: float = 20) -> float:
    """Wait for ``condition``; returns how long it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < within_s, "it took too long"
        time.sleep(0.02)
    return time.monotonic() - started


def add_agent(function: str, capability: str, slots: int = 50) -> None:
    values = {"name": f"{function}-1", "config": {"function": function}, "max_concurrency": slots}
    fleet.create("python", values, [capability], by=Actor.system("test"))
