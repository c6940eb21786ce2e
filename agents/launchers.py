"""Launchers: the command of a pool that is told its size, so that ``kubectl scale`` or the like starts its workers.

A pool names an entry of the setting COMMANDS; ``{size}`` and ``{pool}`` in its words are filled in, and no shell reads
them. It runs in a thread of its own, so that a slow one keeps nobody waiting, and is told the size again until it
succeeds. Whatever it starts ends with it. What it printed stands with the decision that it followed.
"""

import logging
import os
import re
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from agents import pools
from agents.kinds import commands
from agents.kinds.pipes import tethered
from agents.models import Pool
from orchestra.kernel import secrets
from orchestra.kernel.clock import database_now
from orchestra.kernel.retry import RetryPolicy

logger = logging.getLogger(__name__)

LIMIT_S = 60.0
"""What a command may take before it is killed; its tether kills all that it started with it."""
SPARE = timedelta(seconds=30)
RETRIES = RetryPolicy(delay_s=10, max_delay_s=120)
KEPT_BYTES = 8_000
_PAIR = re.compile(r"([\w-]+)(\s*[=:]\s*)(\S+)")


@dataclass(frozen=True, slots=True)
class Launch:
    """How a command ended: its exit code, None if it was killed or could not be run, and what it printed."""

    exit_code: int | None
    output: str


def launch_if_due(pool: Pool, now: datetime) -> threading.Thread | None:
    """Run the pool's launcher in a thread, if the pool has one which has not been told its size; returns the thread."""
    if not pools.is_launch_due(pool, now):
        return None
    thread = threading.Thread(target=_in_thread, args=(pool.pk,), name=f"launcher of {pool.name}", daemon=True)
    thread.start()
    return thread


def launch(pool_id: int) -> Launch | None:
    """Tell the pool's launcher its size, if that is due and nobody else is at it. Outside any transaction."""
    now = database_now()
    taken = pools.take_launch(pool_id, now, until=now + timedelta(seconds=LIMIT_S) + SPARE)
    if taken is None:
        return None
    done = run(words_for(taken.pool))
    retry_at = database_now() + timedelta(seconds=RETRIES.delay_after(taken.pool.launch_failures + 1))
    pools.keep_launch(taken, exit_code=done.exit_code, output=done.output, retry_at=retry_at)
    return done


def words_for(pool: Pool) -> list[str]:
    """The words of the pool's command with its size and name filled in; none if there is no such command here."""
    filled: Mapping[str, str] = {"{size}": str(pool.target), "{pool}": pool.name}
    return [_filled(word, filled) for word in settings.COMMANDS.get(pool.launcher, ())]


def run(words: Sequence[str], *, limit_s: float = LIMIT_S) -> Launch:
    """Run a command to its end, without our own settings in its environment; at most ``limit_s`` seconds.

    It runs below a tether, which ends all that it has started, in sessions of their own too: with it, when its time is
    over, and when this process ends in whichever way.
    """
    if not words:
        return Launch(None, "There is no such entry in the setting COMMANDS of this host; add it, or choose another.")
    try:
        process = subprocess.Popen(
            tethered(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=settings.BASE_DIR,
            env=commands.environment(),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return Launch(None, f"{words[0]} cannot be run: {error}.")
    with process:
        until = time.monotonic() + limit_s
        printed, ended = _read(process, until)
        with suppress(subprocess.TimeoutExpired):
            if ended:
                code = process.wait(max(0.0, until - time.monotonic()))
                return Launch(code, _masked(printed))
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGUSR1)
    return Launch(None, f"{_masked(printed)}\nIt took longer than {limit_s:g} s and was killed.".strip())


def _read(process: "subprocess.Popen[bytes]", until: float) -> tuple[bytes, bool]:
    """The beginning of what it prints, all of which is read; and whether it closed its output in time."""
    assert process.stdout is not None
    pipe, kept = process.stdout.fileno(), b""
    while (left := until - time.monotonic()) > 0:
        if not select.select([pipe], [], [], left)[0]:
            continue
        piece = os.read(pipe, 65_536)
        if not piece:
            return kept, True
        kept += piece[: KEPT_BYTES - len(kept)]
    return kept, False


def _filled(word: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(name, value)
    return word


def _masked(printed: bytes) -> str:
    """What was printed as text that can be stored, without values under a secret's name."""
    text = printed.decode(errors="replace").replace("\0", "").strip()
    return _PAIR.sub(lambda pair: f"{pair[1]}{pair[2]}{secrets.MASK}" if secrets.is_secret(pair[1]) else pair[0], text)


def _in_thread(pool_id: int) -> None:
    try:
        launch(pool_id)
    except (OperationalError, InterfaceError) as error:
        logger.warning(
            "The launcher of pool %s is run again in a while: the database did not answer: %s", pool_id, error
        )
    finally:
        connection.close()
