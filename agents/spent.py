"""What was spent, for pages and the API. Reads only; ``spending.py`` writes it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, Sum
from django.utils import timezone

from agents.models import Agent, AgentKind, ModelCall, SpendingDay
from agents.prices import NOTHING, SMALLEST, Budget, money

SHOWN_DAYS = 14


@dataclass(slots=True)
class Spent:
    """What some calls of models have come to together; those under way count at the most that they may cost."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    costs: dict[str, Decimal] = field(default_factory=dict)
    """By currency."""
    models: list[str] = field(default_factory=list)
    under_way: int = 0
    lost: int = 0
    """Calls of which nobody will ever say what they came to."""
    estimated: int = 0
    """Calls that have ended, whose tokens their server did not count."""

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out

    @property
    def cost(self) -> str:
        """In words: ``0.0021 EUR``; nothing where nothing has a price."""
        priced = {currency: amount for currency, amount in self.costs.items() if amount}
        return " + ".join(money(amount, currency) for currency, amount in sorted(priced.items()))

    @property
    def precision(self) -> str:
        """What stands before the figures: ``up to`` while they are bounds, ``about`` where they are estimates."""
        if self.under_way or self.lost:
            return "up to"
        return "about" if self.estimated else ""

    def add(self, row: dict[str, Any]) -> None:
        self.calls += row["calls"]
        self.tokens_in += row["sum_in"]
        self.tokens_out += row["sum_out"]
        amount = self.costs.get(row["currency"], NOTHING) + row["sum_cost"].quantize(SMALLEST)
        self.costs[row["currency"]] = amount
        self.models = sorted({*self.models, row["model"]} - {""})
        self.lost += row["lost"]
        self.under_way += row["unsettled"] - row["lost"]
        self.estimated += row["estimated"]


@dataclass(frozen=True, slots=True)
class RunSpending:
    """Of a run: each step's, items under their step, and all of it."""

    steps: dict[str, Spent]
    total: Spent


def of_run(run: int) -> RunSpending:
    """What a run's calls of models have come to, in one query over an index."""
    steps: dict[str, Spent] = {}
    total = Spent()
    for row in _sums(ModelCall.objects.filter(run=run), "step"):
        steps.setdefault(row["step"], Spent()).add(row)
        total.add(row)
    return RunSpending(steps, total)


def of_task(run: int, task: str) -> Spent | None:
    """Likewise of one task, such as an item; None if it called no model."""
    found = Spent()
    for row in _sums(ModelCall.objects.filter(run=run, task=task), "task"):
        found.add(row)
    return found if found.calls else None


def _sums(calls: Any, by: str) -> Iterable[dict[str, Any]]:
    open_ = Q(settled_at=None)
    return (
        calls.order_by()
        .values(by, "currency", "model")
        .annotate(
            calls=Count("pk"),
            sum_in=Sum("tokens_in"),
            sum_out=Sum("tokens_out"),
            sum_cost=Sum("cost"),
            unsettled=Count("pk", filter=open_),
            lost=Count("pk", filter=open_ & Q(expires_at__lte=timezone.now())),
            estimated=Count("pk", filter=~open_ & Q(is_estimated=True)),
        )
    )


@dataclass(frozen=True, slots=True)
class Today:
    """What an agent's calls of today have come to, beside its budget."""

    cost: Decimal
    tokens: int
    calls: int
    budget: Budget

    @property
    def share(self) -> float | None:
        """Of the budget for a day; None without one."""
        limit = self.budget.per_day
        return None if not limit else min(1.0, float(self.cost / limit))


def with_today(agents: Iterable[Agent]) -> list[Agent]:
    """The same agents with ``spending``: a :class:`Today` for those that are models, else None; one query at most."""
    agents = list(agents)
    models = [agent.pk for agent in agents if agent.kind == AgentKind.LLM]
    days = SpendingDay.objects.filter(agent__in=models, day=timezone.localdate()) if models else ()
    found = {day.agent_id: day for day in days}
    for agent in agents:
        agent.spending = _today(agent, found.get(agent.pk)) if agent.kind == AgentKind.LLM else None
    return agents


def _today(agent: Agent, day: SpendingDay | None) -> Today:
    budget = Budget.of(agent.config)
    return Today(day.cost, day.tokens, day.calls, budget) if day else Today(NOTHING, 0, 0, budget)


def last_days(agent: Agent, count: int = SHOWN_DAYS) -> list[SpendingDay]:
    """The last ``count`` days, today first, those without a call as well."""
    today = timezone.localdate()
    days = [today - timedelta(days=back) for back in range(count)]
    kept: dict[date, SpendingDay] = {day.day: day for day in agent.spending_days.filter(day__gte=days[-1])}
    return [kept.get(day) or SpendingDay(agent=agent, day=day) for day in days]


def lost_calls(agent: Agent) -> int:
    """Calls of the shown days that were never settled, and so stay counted at the most that they may have cost."""
    since = timezone.localdate() - timedelta(days=SHOWN_DAYS)
    open_ = ModelCall.objects.filter(agent=agent, settled_at=None, day__gte=since)
    return open_.filter(expires_at__lte=timezone.now()).count()
