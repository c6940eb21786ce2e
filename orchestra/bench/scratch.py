"""A database of the benchmark's own, made and dropped, and real workers on it.

PostgreSQL: ``<name>_bench`` beside the database of DATABASE_URL. SQLite: a file in a temporary folder. Redis: an empty
database of the server of REDIS_URL, by its number. No other one is ever touched: the benchmark itself runs in a process
that only knows the scratch ones.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.core.management.base import CommandError
from redis import ConnectionPool, Redis
from redis.exceptions import ResponseError

from orchestra.kernel.models import Pulse

SUFFIX = "_bench"
MARK = "ORCHESTRA_BENCH"
CLAIM = "orchestra:bench"
REDIS_DATABASES = 16
START_S = 60


def is_scratch() -> bool:
    """Whether this process runs on a scratch database, as the inner half of a benchmark does."""
    return os.environ.get(MARK, "") != "" and SUFFIX in str(settings.DATABASES["default"]["NAME"])


@contextmanager
def environment(url: str, redis_url: str) -> Iterator[dict[str, str]]:
    """The environment in which the benchmark and its workers run; the database is dropped afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=f"orchestra{SUFFIX}-"))
    scratch = _create(url, folder)
    values = {MARK: "1", "DATABASE_URL": scratch, "DATA_DIR": str(folder), "LOG_LEVEL": "ERROR"}
    try:
        with _scratch_redis(redis_url) as values["REDIS_URL"]:
            yield os.environ | values
    finally:
        _drop(scratch)
        shutil.rmtree(folder, ignore_errors=True)


def workers(executors: int, **settings_: str) -> subprocess.Popen[bytes]:
    """Start the supervised worker processes of a real installation, and wait until its executors answer."""
    process = start_workers(executors, **settings_)
    wait_for_executors(executors)
    return process


def start_workers(executors: int, **settings_: str) -> subprocess.Popen[bytes]:
    """The same without waiting, as a service manager starts them again; ``settings_`` are of this installation only."""
    command = [sys.executable, "manage.py", "worker", "--executors", str(executors)]
    environment = os.environ | settings_
    return subprocess.Popen(
        command, cwd=settings.BASE_DIR, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )


def wait_for_executors(count: int) -> None:
    until = time.monotonic() + START_S
    while Pulse.objects.filter(name__startswith="executor:").count() < count:
        if time.monotonic() > until:
            raise CommandError(f"The workers did not start within {START_S} s; run `manage.py worker` to see why.")
        time.sleep(0.1)


@contextmanager
def web() -> Iterator[str]:
    """Host and port of the web server of a real installation, on the scratch database; it ends with the block."""
    port = _free_port()
    command = ["daphne", "-b", "127.0.0.1", "-p", str(port), "--verbosity", "0", "orchestra.asgi:application"]
    environment = os.environ | {"ORCHESTRA_PROCESS": "web"}
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=settings.BASE_DIR, env=environment)
    try:
        _wait_until_it_listens(port)
        yield f"127.0.0.1:{port}"
    finally:
        stop(process)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_until_it_listens(port: int) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise CommandError(f"The web server did not start within {START_S} s; run `manage.py up` to see why.")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the worker processes as a service manager would."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def flush_redis(url: str) -> None:
    """Empty the benchmark's own Redis database; any other is refused."""
    with Redis.from_url(url) as redis:
        if not redis.exists(CLAIM):
            raise CommandError("This Redis database is not the benchmark's own: nothing was removed from it.")
        redis.pipeline(transaction=True).flushdb().set(CLAIM, os.getpid()).execute()


@contextmanager
def _scratch_redis(url: str) -> Iterator[str]:
    """The address of an empty Redis database on the same server, emptied again afterwards; none of none."""
    if not url:
        yield ""
        return
    scratch = _claim_redis(url)
    try:
        yield scratch
    finally:
        with Redis.from_url(scratch) as redis:
            redis.flushdb()


def _claim_redis(url: str) -> str:
    used = int(ConnectionPool.from_url(url).connection_kwargs.get("db") or 0)
    for number in reversed(range(REDIS_DATABASES)):
        scratch = _with_number(url, number)
        with suppress(ResponseError), Redis.from_url(scratch) as redis:  # the server may have fewer of them
            if number != used and redis.dbsize() == 0 and redis.set(CLAIM, os.getpid(), nx=True):
                return scratch
    raise CommandError(
        "No Redis database is empty, and benchmarks use no other: empty one by its number, or run without REDIS_URL."
    )


def _with_number(url: str, number: int) -> str:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"{url.partition('?')[0]}?db={number}"
    return urlunsplit(parts._replace(path=f"/{number}"))


def _create(url: str, folder: Path) -> str:
    if not url.startswith("postgres"):
        return f"sqlite:///{folder / f'orchestra{SUFFIX}.sqlite3'}"
    parts = urlsplit(url)
    name = f"{parts.path.lstrip('/')}{SUFFIX}"
    _on_server(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}"')
    return urlunsplit(parts._replace(path=f"/{name}"))


def _drop(url: str) -> None:
    if url.startswith("postgres"):
        _on_server(url.removesuffix(SUFFIX), f'DROP DATABASE IF EXISTS "{urlsplit(url).path.lstrip("/")}" WITH (FORCE)')


def _on_server(url: str, *statements: str) -> None:
    import psycopg  # not installed where only SQLite is used

    with psycopg.connect(url.replace("postgres://", "postgresql://", 1), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
