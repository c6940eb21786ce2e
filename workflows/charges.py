"""The money of an executor's calls: set aside before a model is called, settled once the call has ended."""

import logging
from collections.abc import Sequence
from datetime import timedelta

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from agents import spending
from agents.kinds import llm
from agents.models import AgentKind
from agents.outcomes import AgentError, Failed, Fault
from agents.prices import Budget
from agents.spending import Asked, Spent
from workflows.advance import Result
from workflows.models import Step
from workflows.queue import Assignment

logger = logging.getLogger(__name__)


def is_free(assignment: Assignment) -> bool:
    """Whether the call costs nothing, so that it need not wait for the books."""
    return assignment.agent.kind != AgentKind.LLM


class Charges:
    """What came back is kept until it is written, whatever becomes of the transaction that stores its outcome."""

    def __init__(self) -> None:
        self._due: list[Spent] = []

    @property
    def are_due(self) -> bool:
        return bool(self._due)

    def note(self, results: Sequence[Result]) -> None:
        """Remember what calls have come to; to be told before anything is done with their steps."""
        for result in results:
            usage = getattr(result.outcome, "usage", None)
            if usage is not None:
                self._due.append(Spent(_call(result.step), result.token, result.agent.id, usage))

    def book(self, assignments: Sequence[Assignment]) -> tuple[list[Assignment], list[tuple[Assignment, Failed]]]:
        """Settle what is due and set aside what ``assignments`` may cost; those to begin, and what becomes of the rest.

        That a budget is used up is no fault of the agent's, so no breaker counts it; and no retry helps.
        """
        if not assignments and not self._due:
            return [], []
        asked, answers = [], []
        for assignment in assignments:
            one = _asked(assignment)
            if isinstance(one, Failed):
                answers.append((assignment, one))
            else:
                asked.append((assignment, one))
        refusals = self._booked([one for _, one in asked])
        begun = []
        for (assignment, _), refusal in zip(asked, refusals, strict=True):
            if refusal:
                answers.append((assignment, Failed(refusal, retryable=False, fault=Fault.CALLER)))
            else:
                begun.append(assignment)
        return begun, answers

    def _booked(self, asked: Sequence[Asked]) -> list[str]:
        """All in one transaction; if that fails for what is in it, what is due goes before, each call for itself."""
        try:
            refusals = spending.book(asked, self._due)
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # the worker's edge: one bad row must never stop the line
            logger.exception("%s calls could not be settled together", len(self._due))
            self._settle_one_by_one()
            return spending.book(asked)
        self._due = []
        return refusals

    def _settle_one_by_one(self) -> None:
        """What cannot be written even alone stays counted at the most that it may have cost."""
        while self._due:
            try:
                spending.settle(self._due[:1])
            except (OperationalError, InterfaceError):
                raise
            except Exception:
                logger.exception("What call %s has come to cannot be written", self._due[0].call)
            del self._due[0]


def _call(step: Step) -> str:
    return f"{step.call_key}/{step.attempt}"


def _asked(assignment: Assignment) -> Asked | Failed:
    step, agent = assignment.step, assignment.agent
    try:
        most = llm.estimate_of(agent.config, assignment.input)
    except AgentError as error:
        return Failed(str(error), retryable=error.retryable, fault=error.fault)
    except Exception as error:  # the agent's edge: whatever its configuration is, others go on
        logger.warning("What a call of %s may cost could not be told", agent.name, exc_info=error)
        return Failed(f"What this call may cost could not be told: {error}"[:1000], retryable=False)
    return Asked(
        call=_call(step),
        agent=agent.id,
        name=agent.name,
        most=most,
        budget=Budget.of(agent.config),
        deadline=timezone.now() + timedelta(seconds=step.timeout_s),
        claim=step.token,
        run=step.run_id,
        task=step.name,
        correlation=assignment.correlation,
    )
