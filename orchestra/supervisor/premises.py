"""What must hold before a tree is started; where it does not, a CommandError says what to do."""

import asyncio
import fcntl
import os
import socket
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import IO, Any

from channels.layers import get_channel_layer
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from orchestra.kernel import jobs, keys

BACKLOG = 512
REDIS_S = 3.0


def make_ready(command: BaseCommand) -> None:
    """What every tree needs before it starts: a database that is up to date, sound settings, keys, planned jobs."""
    require_migrated()
    command.check(databases=[DEFAULT_DB_ALIAS])
    require_redis()
    keys.remember()
    jobs.plan()


def require_migrated() -> None:
    """The database answers and has every migration."""
    missing = missing_migrations()
    if missing:
        what = "1 migration is" if missing == 1 else f"{missing} migrations are"
        raise CommandError(
            f"{what} missing from the database. Bring it up to date with: .venv/bin/python manage.py migrate"
        )


def missing_migrations() -> int:
    try:
        executor = MigrationExecutor(connection)
    except DatabaseError as error:
        raise CommandError(f"The database does not answer; check DATABASE_URL in .env. It said: {error}") from error
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def require_redis() -> None:
    """Redis answers, where REDIS_URL names one, and its channel layer carries. What runs already survives an outage."""
    if not settings.REDIS_URL:
        return
    try:
        with Redis.from_url(settings.REDIS_URL, socket_connect_timeout=REDIS_S, retry=Retry(NoBackoff(), 0)) as redis:
            redis.ping()
        asyncio.run(_send_to_oneself())
    except (RedisError, OSError, ValueError) as error:  # a TimeoutError is an OSError
        raise CommandError(
            "Redis does not answer; check REDIS_URL in .env, or take it out to go on without Redis. "
            f"It said: {error or type(error).__name__}"
        ) from error


async def _send_to_oneself() -> None:
    layer: Any = get_channel_layer()
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "start"})
    async with asyncio.timeout(REDIS_S):
        await layer.receive(channel)


def hold_folder(folder: Path) -> IO[str]:
    """The lock of this data folder, which one tree at a time may hold; it is freed when the process ends, however."""
    file = (folder / "supervisor.pid").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip()
        raise CommandError(
            f"Orchestra is already running on {folder} (process {holder}). "
            "Stop it first, or give this one a folder of its own with DATA_DIR."
        ) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def open_listener(host: str, port: int) -> socket.socket:
    """A socket on which connections wait from now on."""
    try:
        return socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise CommandError(
            f"The address {host}:{port} cannot be used: {reason}. Choose another port with --port or PORT."
        ) from None


def add_executors_option(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--executors", type=_at_least_one, default=settings.EXECUTORS, help="default: the setting EXECUTORS"
    )


def _at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError("give a whole number of at least 1")
    return int(text)
