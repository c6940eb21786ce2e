"""One process of the tree with all that it forks: started, and started again with backoff whenever it ends."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from orchestra.kernel.retry import RetryPolicy

HEALTHY_S = 60.0  # who lived that long has no failures behind it
BACKOFF = RetryPolicy(delay_s=0.5, factor=2, max_delay_s=30, jitter=False)
ROOT = Path(__file__).resolve().parents[2]

log = logging.getLogger("orchestra.supervisor")


class Child:
    """A leashed process in a session of its own. Only the main thread may call its methods: leashes follow threads."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        descriptors: Sequence[int] = (),
        delay_s: float = 0.0,
    ) -> None:
        self.name = name
        self.failures = 0
        self.started_at = 0.0
        self._command = command
        self._environment = environment
        self._descriptors = descriptors
        self._process: subprocess.Popen[bytes] | None = None
        self._is_wanted = True
        self._due_at = time.monotonic() + delay_s
        self._kill_at = float("inf")
        self._reason = ""

    @property
    def group(self) -> int | None:
        """The id of its process group, None while it is not running."""
        return self._process.pid if self._process else None

    def tend(self) -> None:
        """Take one look: start it if that is due, bury it if it has ended, kill it if its time to end is over."""
        now = time.monotonic()
        if self._process is None:
            if self._is_wanted and now >= self._due_at:
                self._start(now)
        elif self._process.poll() is not None:
            self._bury(self._process, now)
        elif now >= self._kill_at:
            _kill_group(self._process)

    def replace(self, reason: str, *, within_s: float = 0.0) -> None:
        """End it, by force after that time, and start it anew; ``reason`` completes its name to a sentence."""
        if self._process is not None and not self._reason:
            self._reason = reason
            self._end(within_s)

    def dismiss(self, *, within_s: float) -> None:
        """End it, by force after that time, for good."""
        self._is_wanted = False
        self._end(within_s)

    def _start(self, now: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "orchestra.supervisor.leash", str(os.getpid()), self.name, *self._command],
            cwd=ROOT,
            env=os.environ | self._environment,
            pass_fds=self._descriptors,
            start_new_session=True,
        )
        self.started_at = now
        self._kill_at = float("inf")
        self._reason = ""
        log.info("%s started (process %d).", self.name, self._process.pid)

    def _end(self, within_s: float) -> None:
        if self._process is not None:
            self._kill_at = min(self._kill_at, time.monotonic() + within_s)
            self._process.terminate()

    def _bury(self, process: subprocess.Popen[bytes], now: float) -> None:
        _kill_group(process)  # what it forked and left behind
        self._process = None
        cause = self._reason or _cause(process.returncode)
        if not self._is_wanted:
            log.info("%s stopped.", self.name)
            return
        self.failures = 1 if now - self.started_at > HEALTHY_S else self.failures + 1
        delay_s = BACKOFF.delay_after(self.failures)
        self._due_at = now + delay_s
        log.warning("%s %s; it starts again in %g s.", self.name, cause, delay_s)


def _kill_group(leader: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGKILL)


def _cause(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
