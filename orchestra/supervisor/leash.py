"""What every supervised process begins with: it dies with the one that started it, and so does whatever it forks.

``python -m orchestra.supervisor.leash PARENT NAME MODULE ARGUMENTS…`` then runs MODULE as ``python -m`` would.
"""

import ctypes
import os
import runpy
import signal
import sys

from setproctitle import setproctitle

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def die_with(parent: int) -> None:
    """Have Linux kill this process when the thread that started it ends; die at once if ``parent`` is gone already."""
    if sys.platform == "linux":
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def leash_forks() -> None:
    """Have every process that is forked from here on die with the one that forked it.

    A cluster forks its sentinel, and that its workers, pusher and monitor: none should go on without the other.
    """
    forking = os.getpid()

    def remember() -> None:
        nonlocal forking
        forking = os.getpid()

    os.register_at_fork(before=remember, after_in_child=lambda: die_with(forking))


def main() -> None:
    parent, name, module, *arguments = sys.argv[1:]
    die_with(int(parent))
    leash_forks()
    setproctitle(f"orchestra {name}")
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
