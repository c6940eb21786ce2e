"""So many of something at a time on this host: lock files that the system frees at the instant their holder dies."""

import fcntl
from pathlib import Path
from typing import IO

from django.conf import settings


def take(name: str, count: int) -> IO[str] | None:
    """One of ``count`` slots for ``name`` in this data folder, held until it is closed; None if all are taken."""
    folder = Path(settings.DATA_DIR) / name
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        file = (folder / f"slot-{number}.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        return file
    return None
