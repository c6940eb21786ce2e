"""Which processes a cluster consists of, and which are at work, from ``/proc``; nothing where there is none."""

from pathlib import Path


def members_of(leader: int) -> frozenset[int]:
    """What the cluster's leader forked (its sentinel), and what that forked (workers, pusher, monitor)."""
    children = _children(leader)
    return frozenset(children).union(*map(_children, children))


def busy_members_of(leader: int) -> frozenset[int]:
    """The workers that are at a job: django-q2 says so in their titles."""
    return frozenset(pid for pid in members_of(leader) if " processing " in _title(pid))


def _children(process: int) -> list[int]:
    return [int(pid) for pid in _read(f"/proc/{process}/task/{process}/children").split()]


def _title(process: int) -> str:
    return _read(f"/proc/{process}/cmdline").replace("\0", " ")


def _read(path: str) -> str:
    """The file's text; empty if the process has ended meanwhile."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""
