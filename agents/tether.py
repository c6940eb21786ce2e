"""What stands between an executor and the process of an agent, so that none is left behind. A program of its own.

``python tether.py PARENT GRACE_S WORD…`` runs a command with the pipes that it was given itself, in a session and a
group of its own, and ends as the command ends. Everything that the command starts stays below it, what it abandons too
(a subreaper, on Linux), and all of that is killed when

- the process PARENT ends, in whichever way: the kernel sends SIGUSR1 when the thread that started the tether is gone;
- it gets SIGUSR1;
- it gets SIGTERM, which it hands on to the command, and GRACE_S seconds later something is still there;
- the command ends by itself.

It knows nothing of Orchestra and imports only the standard library: it is started often, and must be small.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36
NOT_FOUND = 127
KILL = signal.SIGUSR1
"""Kill all of it now."""
HEARD = {signal.SIGCHLD, signal.SIGTERM, KILL}
"""Blocked, and taken one by one: nothing here is interrupted."""
REAP_WITHIN_S = 2.0
PROCESSES = Path("/proc")

_libc = ctypes.CDLL(None, use_errno=True)


def run(words: list[str], grace_s: float) -> int:
    """Run the command to its end, and return its status as ``waitpid`` gives it; nothing of it is left then."""
    command = os.fork()
    if command == 0:
        _become(words)
    for descriptor in (0, 1):  # or the command's end of the pipes would never be seen to close
        os.close(descriptor)
    kill_at = float("inf")
    while True:
        pid, status = _reap()
        if pid == command:
            _kill_all()
            return status
        if pid:
            continue
        taken = signal.sigtimedwait(HEARD, max(0.0, min(60.0, kill_at - time.monotonic())))
        if taken is not None and taken.si_signo == signal.SIGTERM:
            kill_at = min(kill_at, time.monotonic() + grace_s)
            with suppress(ProcessLookupError):
                os.kill(command, signal.SIGTERM)
        elif (taken is not None and taken.si_signo == KILL) or time.monotonic() >= kill_at:
            _kill_all()
            kill_at = float("inf")


def _become(words: list[str]) -> None:
    """The child turns into the command; it dies with the tether if that is killed itself."""
    try:
        for number in (signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.execvp(words[0], words)  # noqa: S606  what it is for
    except OSError as error:
        os.write(2, f"{words[0]} cannot be run: {error.strerror}.\n".encode())
    finally:
        os._exit(NOT_FOUND)


def _kill_all() -> None:
    """Kill all descendants, again until none is found twice: what is killed may just have forked. Then reap them."""
    if not PROCESSES.joinpath("self", "stat").exists():
        os.killpg(0, signal.SIGKILL)  # no way to tell descendants: the group, with this process
    missed = 0
    while missed < 2:
        found = [pid for pid, state in _descendants() if state not in {"Z", "X"}]
        missed = 0 if found else missed + 1
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)


def _reap() -> tuple[int, int]:
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return 0, 0


def _reap_the_rest() -> None:
    """What was killed and had lost its parent is ours to bury."""
    until = time.monotonic() + REAP_WITHIN_S
    while time.monotonic() < until:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.001)
        except ChildProcessError:
            return


def _descendants() -> Iterator[tuple[int, str]]:
    """All processes below this one, by their parents' numbers, with their states."""
    below: dict[int, list[tuple[int, str]]] = {}
    for pid in (int(entry.name) for entry in PROCESSES.iterdir() if entry.name.isdigit()):
        with suppress(OSError, ValueError, IndexError):
            state, parent = (
                PROCESSES.joinpath(str(pid), "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            )
            below.setdefault(int(parent), []).append((pid, state))
    rest = [os.getpid()]
    while rest:
        children = below.get(rest.pop(), [])
        yield from children
        rest += [pid for pid, _ in children]


def _end_as(status: int) -> int:
    """End by the same signal as the command did, or with its code."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        _prctl(PR_SET_DUMPABLE, 0)
        with suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.kill(os.getpid(), -code)
    return code


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        _libc.prctl(option, value)


def main() -> int:
    parent, grace_s, words = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.getsid(0) != os.getpid():
        os.setsid()
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    _prctl(PR_SET_PDEATHSIG, KILL)
    if os.getppid() != parent:  # gone before it could be told
        return NOT_FOUND
    status = run(words, grace_s)
    _reap_the_rest()
    return _end_as(status)


if __name__ == "__main__":
    sys.exit(main())
