"""Entry points that worker processes call, by dotted path."""

import logging

from django.conf import settings
from django.db import connections

from orchestra.kernel import jobs, slots
from workflows import bulk, executor

logger = logging.getLogger(__name__)


def run_executor() -> None:
    """Be an executor until told to stop; return at once if this host has as many as it should."""
    slot = slots.take("executors", settings.EXECUTORS)
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
