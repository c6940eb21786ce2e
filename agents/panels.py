"""What the fleet adds to its agents' pages for some kinds only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from agents import spent
from agents.models import Agent, AgentKind, SpendingDay
from agents.prices import money

NEARLY_USED_UP = 0.9


@dataclass(frozen=True, slots=True)
class DayRow:
    """A day's spending, with the length of its bar in percent of the longest."""

    day: SpendingDay
    cost: str
    percent: float


def spending(agent: Agent, request: HttpRequest) -> dict[str, Any] | None:
    """What a language model costs: today beside its budget, and the last days."""
    if agent.kind != AgentKind.LLM:
        return None
    today = spent.with_today([agent])[0].spending
    currency, days = today.budget.currency, spent.last_days(agent)
    return {
        "today": today,
        "cost": money(today.cost, currency),
        "per_day": "" if today.budget.per_day is None else money(today.budget.per_day, currency),
        "per_run": "" if today.budget.per_run is None else money(today.budget.per_run, currency),
        "tone": "waiting" if (today.share or 0) >= NEARLY_USED_UP else "running",
        "rows": _rows(days, currency) if any(day.calls for day in days) else [],
        "lost": spent.lost_calls(agent),
    }


def _rows(days: Sequence[SpendingDay], currency: str) -> list[DayRow]:
    """The bars are of costs, or of tokens where nothing has a price."""
    lengths = [float(day.cost) for day in days]
    if not any(lengths):
        lengths = [float(day.tokens) for day in days]
    longest = max(lengths) or 1.0
    return [
        DayRow(day, money(day.cost, currency), round(100 * length / longest, 1))
        for day, length in zip(days, lengths, strict=True)
    ]
