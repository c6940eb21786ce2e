"""The committer: the thread of an executor that talks to the database, one transaction a turn."""

import logging
import time

from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from agents import snapshot
from agents.outcomes import Done
from agents.snapshot import Fleet
from orchestra.kernel import right_of_way
from workflows import quarantine, queues, relay
from workflows import queue as tasks
from workflows.advance import Result
from workflows.calls import Calls
from workflows.charges import Charges, is_free
from workflows.queue import Assignment
from workflows.turnstile import Memory

logger = logging.getLogger(__name__)

IDLE_S = 1.0
"""An idle executor looks at the queue this often even if no bell rings."""
SOON_S = 0.005
"""Most answers come so soon that it is not worth asking what else may become due."""
SQLITE_BATCH = 60
"""Steps settled and claimed in one turn on SQLite, whose only writer this turn is: about 25 ms in a quiet minute."""
SQLITE_REST_S = 0.001
FLEET_AGE_S = 1.0
STOP_WITHIN_S = 8.0
PAUSE_AFTER_ERROR_S = (0.05, 0.2, 1.0, 2.0, 5.0)


class Committer:
    """Knows the fleet, the demands that find no agent at the moment, and the errors in a row."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.fleet = Fleet(0, {})
        self.fleet_read_at = float("-inf")
        self.blocked: frozenset[str] = frozenset()
        self.blocked_at = 0.0
        self.memory = Memory()
        self.charges = Charges()
        self.errors = 0
        self.pending: list[Result] = []
        self.more = True
        self.batch = SQLITE_BATCH if connection.vendor == "sqlite" else tasks.BATCH

    def run(self) -> None:
        """Take turns until told to stop, then settle what comes in time and give back the rest."""
        try:
            with right_of_way.giving_way():
                while not self.calls.stopping.is_set():
                    self.turn()
                    self._stop_if_retired()
                self.finish()
        finally:
            connection.close()

    def turn(self) -> None:
        """One turn: wait until there is something to do, then settle and claim. Whatever fails is tried again."""
        try:
            self._wait()
            if self.errors:
                self.pending = self._renewed(self.pending)
            self.pending += self._collected()
            if self.pending or self.charges.are_due or self._may_claim():
                with self.calls.claiming:
                    self._take(self.pending)
                self.pending = []
                self._rest()
            self.errors = 0
        except (OperationalError, InterfaceError) as error:
            self._recover(error)
        except Exception:  # the worker's edge: this thread goes on whatever happens
            logger.exception("A turn failed; its %s results are left to the expiry of their leases", len(self.pending))
            self._give_back()
            self.pending = []
            self._pause()

    def _stop_if_retired(self) -> None:
        if self.calls.retiring and not self.calls.in_flight and not self.pending:
            self.calls.stop(self.calls.retiring)

    def _rest(self) -> None:
        """Between two commits on SQLite others get their turn, those first who have announced themselves."""
        if connection.vendor == "sqlite":
            if self.more or not self.calls.results.empty():  # else it waits anyway
                time.sleep(SQLITE_REST_S)
            right_of_way.give_way()

    def finish(self) -> None:
        """Settle what still comes within the time to stop, then give the rest back."""
        until = time.monotonic() + STOP_WITHIN_S
        while time.monotonic() < until and (self.calls.in_flight or not self.calls.results.empty()):
            self.calls.wake.wait(0.1)
            self.calls.wake.clear()
            self.pending += self._collected()
            if self.pending:
                self._settle_only(self.pending)
                self.pending = []
        self.calls.drop(list(self.calls.in_flight))
        tasks.release(self.calls.name)

    def _collected(self) -> list[Result]:
        """Results that came back since, whose cost is remembered whatever becomes of them."""
        results = self.calls.collect(self.batch - len(self.pending))
        self.charges.note(results)
        return results

    def _wait(self) -> None:
        if not self.more and self.calls.results.empty() and not self.calls.wake.wait(SOON_S):
            self.calls.wake.wait(self._idle_s())
        self.calls.wake.clear()

    def _idle_s(self) -> float:
        now = timezone.now()
        due = [moment for moment in (tasks.next_due(), self.memory.next_start(now)) if moment is not None]
        if not due:
            return IDLE_S
        return min(IDLE_S, max(0.005, (min(due) - now).total_seconds()))

    def _may_claim(self) -> bool:
        self.more = False
        if not self.calls.room:
            return False
        if time.monotonic() - self.blocked_at > IDLE_S:  # others may have made room
            self.blocked, self.blocked_at = frozenset(), time.monotonic()
            self.memory.full.clear()
            self.memory.keys.clear()
        return tasks.has_work(self.blocked, self.memory)

    def _take(self, results: list[Result], *, claims: bool = True) -> None:
        self._refresh_fleet()
        if results:
            self.blocked = frozenset()  # a slot came free, and maybe room in a queue; keys are asked for anyway
            self.memory.full.clear()
        try:
            turn = tasks.take_turn(
                results,
                executor=self.calls.name,
                fleet=self.calls.keeper.reachable(self.fleet),
                room=min(self.calls.room, self.batch) if claims else 0,
                blocked=self.blocked,
                memory=self.memory,
            )
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:  # the worker's edge: one bad row must never stop the line
            logger.warning("A group of %s results could not be stored", len(results), exc_info=error)
            self._isolate(results, error, claimed=claims)
            return
        self.calls.launch([assignment for assignment in turn.assignments if is_free(assignment)])
        self._settled(results)
        self._note(results, turn)
        self._begin_charged([assignment for assignment in turn.assignments if not is_free(assignment)])
        if turn.relays:
            self._deliver()

    def _begin_charged(self, assignments: list[Assignment]) -> None:
        """Calls that cost money begin once that is set aside; those beyond a budget fail without being made."""
        begun, refused = self.charges.book(assignments)
        self.calls.launch(begun)
        for assignment, outcome in refused:
            self.calls.answer(assignment, outcome)

    def _settled(self, results: list[Result]) -> None:
        """What is stored is not submitted again, whatever fails after its commit."""
        stored = {(result.step.pk, result.token) for result in results}
        self.pending = [result for result in self.pending if (result.step.pk, result.token) not in stored]

    def _deliver(self) -> None:
        try:
            self.more |= relay.deliver() > 0  # what began there may be claimed at once
        except (OperationalError, InterfaceError) as error:
            logger.warning("Runs within runs did not follow at once, the ticker sees to it: %s", error)
            connection.close_if_unusable_or_obsolete()

    def _note(self, results: list[Result], turn: tasks.Turn) -> None:
        if turn.unmet - self.blocked:
            self.blocked_at = time.monotonic()
        self.blocked |= turn.unmet
        self.more = turn.may_be_more
        if any(not isinstance(result.outcome, Done) for result in results):
            self.fleet_read_at = float("-inf")

    def _renewed(self, results: list[Result]) -> list[Result]:
        """What a transaction that failed has done to rows in memory is undone."""
        return tasks.renew(results, [assignment.step for assignment in list(self.calls.in_flight.values())])

    def _settle_only(self, results: list[Result]) -> None:
        try:
            if self.errors:
                results = self._renewed(results)
            self._take(results, claims=False)
        except (OperationalError, InterfaceError) as error:
            logger.warning("The last results could not be stored, their steps go back: %s", error)
        except Exception:  # what the others hold must go back all the same
            logger.exception("The last results could not be stored, their leases expire")

    def _isolate(self, results: list[Result], error: Exception, *, claimed: bool) -> None:
        """A group that fails is halved until the one row is found that fails alone: that one becomes dead.

        Nothing is claimed meanwhile, or a step of the queue that cannot be claimed would be taken for the culprit;
        such a one is put off.
        """
        if not results:
            if quarantine.put_off_broken():
                return
            time.sleep(IDLE_S)
            raise OperationalError(str(error)) from error
        if claimed:
            self._take(self._renewed(results), claims=False)
            self.more = True
            return
        if len(results) == 1:
            self._bury(results[0], error)
            return
        results = self._renewed(results)
        middle = len(results) // 2
        self._take(results[:middle], claims=False)
        self._take(results[middle:], claims=False)

    def _bury(self, result: Result, error: Exception) -> None:
        try:
            tasks.bury(result.step.pk, result.token, f"Its outcome could not be stored: {error}"[:1000])
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # the worker's edge: it is left to the expiry of its lease
            logger.exception("Step %s could not be marked dead", result.step.pk)
        self._settled([result])

    def _refresh_fleet(self) -> None:
        now = time.monotonic()
        if now - self.fleet_read_at > FLEET_AGE_S or snapshot.revision() != self.fleet.revision:
            self.fleet = snapshot.read()
            self.memory.policies = queues.policies()
            self.fleet_read_at = now

    def _recover(self, error: Exception) -> None:
        """The database was away: whether the last commit counted is unknown, so what is not in flight goes back."""
        logger.warning("The database did not answer and is tried again soon: %s", error)
        connection.close()
        self._pause()
        self._give_back()

    def _give_back(self) -> None:
        """Steps that were claimed and whose calls did not begin."""
        try:
            held = {*self.calls.in_flight, *(result.step.pk for result in self.pending)}
            tasks.release(self.calls.name, except_for=held, reason="Its call could not begin.")
        except (OperationalError, InterfaceError) as error:
            logger.warning("The database does not answer, so steps are left to the expiry of their leases: %s", error)
        except Exception:  # the worker's edge
            logger.exception("Steps could not be given back; they are left to the expiry of their leases")

    def _pause(self) -> None:
        """The longer, the more errors came in a row."""
        pause_s = PAUSE_AFTER_ERROR_S[min(self.errors, len(PAUSE_AFTER_ERROR_S) - 1)]
        self.errors += 1
        time.sleep(pause_s)
