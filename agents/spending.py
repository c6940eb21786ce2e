"""What models cost, and the budgets that bound it: the only writer of ModelCall and SpendingDay.

A call is booked before it is made, at the most that it may cost, and settled at what it came to. Both happen under the
locks of their agents' rows, many calls in one transaction of a constant number of statements, so that whatever is in
flight anywhere is counted before anything more is allowed. What nobody settles stays counted at its most.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from agents import health
from agents.models import ModelCall, SpendingDay
from agents.outcomes import Usage
from agents.prices import NOTHING, SMALLEST, Budget, Estimate, money, of_float
from orchestra.kernel import bulk, right_of_way
from orchestra.kernel.clock import database_now

GRACE = timedelta(minutes=1)
"""A call is settled so long after its deadline at the latest."""
FORGOTTEN_AT_ONCE = 10_000
SETTLED = ("settled_at", "tokens_in", "tokens_out", "cost", "model", "is_estimated")
SUMS = ("calls", "tokens_in", "tokens_out", "cost")


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that somebody wants to make: whose it is, the most that it may cost, and what bounds that."""

    call: str
    agent: int
    name: str
    """The agent's, for the sentence of a refusal."""
    most: Estimate
    budget: Budget
    deadline: datetime
    claim: int = 0
    run: int | None = None
    task: str = ""
    correlation: str = ""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a call that was booked has come to."""

    call: str
    claim: int
    agent: int
    usage: Usage


def book(asked: Sequence[Asked], spent: Collection[Spent] = ()) -> list[str]:
    """Settle ``spent``, then book ``asked`` in order; for each why it must not be made, or nothing if it may."""
    agents = sorted({call.agent for call in asked} | {call.agent for call in spent})
    if not agents:
        return []
    with right_of_way.announced(), transaction.atomic():
        health.lock(agents)
        now = database_now()
        settled = _settle(spent, now)
        books = _Books(agents, {row.day for row in settled}, asked, now)
        for row in settled:
            books.correct(row)
        refusals = [books.book(call) for call in asked]
        books.save()
    return refusals


def settle(spent: Collection[Spent]) -> None:
    """Give calls that have ended their real figures."""
    book((), spent)


def forget_old() -> int:
    """Remove calls as old as the runs that are removed; the sums of their days stay. Returns how many."""
    if not settings.RUN_RETENTION_DAYS:
        return 0
    before = timezone.localdate() - timedelta(days=settings.RUN_RETENTION_DAYS)
    old = ModelCall.objects.filter(day__lt=before).order_by("day").values_list("pk", flat=True)
    return ModelCall.objects.filter(pk__in=list(old[:FORGOTTEN_AT_ONCE])).delete()[0]


@dataclass(frozen=True, slots=True)
class _Settled:
    """A call that has its real figures now, and by how much they differ from what was booked."""

    agent: int
    day: date
    tokens_in: int
    tokens_out: int
    cost: Decimal


def _settle(spent: Collection[Spent], now: datetime) -> list[_Settled]:
    """Write the real figures of those that are still open; a second time changes nothing."""
    if not spent:
        return []
    usages = {(call.call, call.claim): call.usage for call in spent}
    found = ModelCall.objects.filter(call__in={call.call for call in spent}, settled_at=None)
    rows = [row for row in found if (row.call, row.claim) in usages]
    settled = [_take_in(row, usages[row.call, row.claim], now) for row in rows]
    bulk.update(ModelCall, rows, SETTLED)
    return settled


def _take_in(row: ModelCall, usage: Usage, now: datetime) -> _Settled:
    cost = of_float(usage.cost)
    difference = _Settled(
        row.agent_id, row.day, usage.tokens_in - row.tokens_in, usage.tokens_out - row.tokens_out, cost - row.cost
    )
    row.tokens_in, row.tokens_out, row.cost = usage.tokens_in, usage.tokens_out, cost
    row.model, row.is_estimated, row.settled_at = usage.model[:100], usage.is_estimated, now
    return difference


class _Books:
    """The sums that budgets are judged by, read under the agents' locks and kept while a group of calls is booked."""

    def __init__(self, agents: Sequence[int], days: Iterable[date], asked: Sequence[Asked], now: datetime) -> None:
        self.now, self.today = now, timezone.localdate(now)
        kept = SpendingDay.objects.filter(agent__in=agents, day__in={*days, self.today})
        self.days = {(row.agent_id, row.day): row for row in kept}
        self.runs = _spent_in_runs(asked)
        self.calls: list[ModelCall] = []

    def correct(self, settled: _Settled) -> None:
        day = self._day(settled.agent, settled.day)
        day.tokens_in += settled.tokens_in
        day.tokens_out += settled.tokens_out
        day.cost += settled.cost

    def book(self, asked: Asked) -> str:
        """Count the call at its most, unless it could break a budget; then why it must not be made."""
        day = self._day(asked.agent, self.today)
        in_run = self.runs.get((asked.agent, asked.run), NOTHING)
        if refusal := _refusal(asked, in_run, day.cost):
            return refusal
        day.calls += 1
        day.tokens_in += asked.most.tokens_in
        day.tokens_out += asked.most.tokens_out
        day.cost += asked.most.cost
        self.runs[asked.agent, asked.run] = in_run + asked.most.cost
        self.calls.append(_row(asked, self.today, self.now))
        return ""

    def save(self) -> None:
        known = [day for day in self.days.values() if day.pk is not None]
        new = [day for day in self.days.values() if day.pk is None]
        bulk.execute(
            bulk.insertion_of(ModelCall, self.calls),
            bulk.change(SpendingDay, known, SUMS),
            bulk.insertion_of(SpendingDay, new),
        )

    def _day(self, agent: int, day: date) -> SpendingDay:
        return self.days.setdefault((agent, day), SpendingDay(agent_id=agent, day=day))


def _spent_in_runs(asked: Sequence[Asked]) -> dict[tuple[int, int | None], Decimal]:
    """What agents with a budget for each run have spent in the runs of ``asked``."""
    bounded = [call for call in asked if call.budget.per_run is not None and call.run is not None]
    if not bounded:
        return {}
    rows = ModelCall.objects.filter(
        run__in={call.run for call in bounded}, agent__in={call.agent for call in bounded}
    ).order_by()
    sums = rows.values_list("agent_id", "run").annotate(Sum("cost"))
    return {(agent, run): cost.quantize(SMALLEST) for agent, run, cost in sums}


def _refusal(asked: Asked, in_run: Decimal, today: Decimal) -> str:
    budget, most = asked.budget, asked.most.cost
    limits: Mapping[str, tuple[Decimal | None, Decimal, str]] = {
        "budget_per_run": (budget.per_run, in_run, "for one run"),
        "budget_per_day": (budget.per_day, today, "for one day"),
    }
    for name, (limit, spent, words) in limits.items():
        if limit is not None and spent + most > limit:
            wait = ", or wait until tomorrow" if name == "budget_per_day" and most <= limit else ""
            return (
                f"The budget of {asked.name} {words} is {money(limit, budget.currency)}. Of that "
                f"{money(spent, budget.currency)} is spent or set aside for calls in flight, and this call may cost "
                f"up to {money(most, budget.currency)}, so it was not made. Raise {name} or lower max_tokens of the "
                f"agent{wait}."
            )
    return ""


def _row(asked: Asked, day: date, now: datetime) -> ModelCall:
    return ModelCall(
        call=asked.call,
        claim=asked.claim,
        agent_id=asked.agent,
        run=asked.run,
        step=asked.task.partition("[")[0],
        task=asked.task,
        correlation=asked.correlation,
        day=day,
        at=now,
        expires_at=asked.deadline + GRACE,
        tokens_in=asked.most.tokens_in,
        tokens_out=asked.most.tokens_out,
        cost=asked.most.cost,
        currency=asked.budget.currency,
    )
