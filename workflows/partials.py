"""What calls write while they go on, for whoever watches: the only writer of PartialText.

Calls report as often as they like, which costs next to nothing; a thread of each executor writes what is new once a
second, for all its calls together, and removes what belongs to calls that have ended.
"""

import logging
import threading
from collections.abc import Iterable
from datetime import timedelta

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from orchestra.kernel import right_of_way
from workflows.models import PartialText, Step, StepStatus

logger = logging.getLogger(__name__)

EVERY_S = 1.0
KEPT = 16_000
"""Characters that are kept of a text, its newest."""
AT_ONCE = 1_000_000
"""Characters that are written in one second; what has waited longest goes first."""
FORGOTTEN_AFTER = timedelta(hours=1)


class Reporter:
    """What one call writes through; deaf once the call has ended, since a thread may outlive its call."""

    def __init__(self, partials: "Partials", step: int, token: int) -> None:
        self.step, self.token = step, token
        self.text, self.length = "", 0
        self.is_stored = self.is_over = False
        self._partials = partials

    def __call__(self, text: str) -> None:
        self._partials.take(self, text)

    def end(self) -> None:
        self._partials.end(self)


class Partials:
    """The texts of the calls of one executor; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # over the two below and what reporters hold
        self._fresh: dict[int, Reporter] = {}
        self._ended: list[Reporter] = []

    def reporter(self, step: int, token: int) -> Reporter:
        return Reporter(self, step, token)

    def take(self, reporter: Reporter, text: str) -> None:
        with self._lock:
            if not reporter.is_over:
                reporter.text, reporter.length = text[-KEPT:], len(text)
                self._fresh.setdefault(reporter.step, reporter)

    def end(self, reporter: Reporter) -> None:
        with self._lock:
            reporter.is_over = True
            if self._fresh.get(reporter.step) is reporter:
                del self._fresh[reporter.step]
            if reporter.is_stored:
                self._ended.append(reporter)

    def run(self, ended: threading.Event) -> None:
        """Write once a second until ``ended``; what cannot be written is logged, and never stops a call."""
        try:
            while not ended.wait(EVERY_S):
                self._try_to_write()
            self._try_to_write()
        finally:
            connection.close()

    def write(self) -> int:
        """Write what is new and remove what has ended, in one transaction; returns how many texts were written."""
        with self._lock:
            fresh, gone = self._taken(), self._ended
            rows = [_row(reporter) for reporter in fresh]
            self._ended = []
            for reporter in fresh:
                reporter.is_stored = True
        if not rows and not gone:
            return 0
        try:
            _store(rows, gone)
        except (OperationalError, InterfaceError):
            with self._lock:
                self._ended += gone
            raise
        return len(rows)

    def _taken(self) -> list[Reporter]:
        taken, room = [], AT_ONCE
        for step, reporter in list(self._fresh.items()):
            room -= len(reporter.text)
            if room < 0:
                break
            taken.append(self._fresh.pop(step))
        return taken

    def _try_to_write(self) -> None:
        try:
            self.write()
        except (OperationalError, InterfaceError) as error:
            logger.warning("What calls have written so far could not be stored: %s", error)
            connection.close()
        except Exception:  # the worker's edge: nobody's work depends on it
            logger.exception("What calls have written so far could not be stored")


def of_steps(steps: Iterable[Step]) -> dict[int, PartialText]:
    """What the calls of those steps that are running have written so far; no query if none is."""
    tokens = {step.pk: step.token for step in steps if step.status == StepStatus.RUNNING}
    if not tokens:
        return {}
    found = PartialText.objects.filter(step_id__in=tokens)
    return {row.step_id: row for row in found if row.token == tokens[row.step_id]}


def forget_old() -> int:
    """Remove what executors that died have left behind."""
    return PartialText.objects.filter(written_at__lt=timezone.now() - FORGOTTEN_AFTER).delete()[0]


def _row(reporter: Reporter) -> PartialText:
    text = reporter.text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return PartialText(step_id=reporter.step, token=reporter.token, text=text, length=reporter.length)


def _store(rows: list[PartialText], gone: list[Reporter]) -> None:
    with right_of_way.announced(), transaction.atomic():
        if rows:
            PartialText.objects.bulk_create(
                rows,
                update_conflicts=True,
                unique_fields=["step_id"],
                update_fields=["token", "text", "length", "written_at"],
            )
        if gone:
            steps, tokens = [each.step for each in gone], {each.token for each in gone}
            PartialText.objects.filter(step_id__in=steps, token__in=tokens).delete()
