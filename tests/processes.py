"""Whether processes live, for tests that start and end them: each may be gone between two questions about it."""

from contextlib import suppress

import psutil


def lives(process: psutil.Process) -> bool:
    """Whether it runs; one that has ended and that nobody has buried yet does not."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def is_unburied(process: psutil.Process) -> bool:
    """Whether it has ended, and nobody has asked how."""
    with suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return False


def is_gone(pid: int) -> bool:
    """Whether no process of this number lives."""
    try:
        return not lives(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True
