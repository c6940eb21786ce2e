"""Entry points that worker processes call, by dotted path."""

import fcntl
import logging
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import connections

from orchestra.kernel import jobs
from workflows import bulk, executor

logger = logging.getLogger(__name__)


def run_executor() -> None:
    """Be an executor until told to stop; return at once if this host has as many as it should."""
    slot = _take_slot()
    if slot is None:
        return
    with slot:
        reason = executor.run()
        logger.info("The executor stopped: %s", reason)
    connections.close_all()


def work_on_bulk(pk: int) -> None:
    """Work on an action on many runs; enqueue the rest of it."""
    if not bulk.work_on(pk):
        jobs.enqueue(bulk.WORK, pk)


def resume_bulk() -> None:
    """Take up the actions on many runs whose message was lost."""
    for pk in bulk.unfinished():
        work_on_bulk(pk)


def _take_slot() -> IO[str] | None:
    """A lock file of this data folder that the system frees at the instant its holder dies, or None."""
    folder = Path(settings.DATA_DIR) / "executors"
    folder.mkdir(exist_ok=True)
    for number in range(settings.EXECUTORS):
        file = (folder / f"slot-{number}.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        return file
    return None
