"""What calls of a model cost, and the most that may be spent on them; money is Decimal up to the database. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Any, Self

PLACES = 9
SMALLEST = Decimal(1).scaleb(-PLACES)
PER = Decimal(1_000_000)
"""Prices are for so many tokens."""
NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Prices:
    """For a million tokens in (the prompt) and out (the answer)."""

    tokens_in: Decimal
    tokens_out: Decimal

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        return cls(_amount(config.get("price_in")) or NOTHING, _amount(config.get("price_out")) or NOTHING)

    def cost(self, tokens_in: int, tokens_out: int) -> Decimal:
        """Rounded up to a billionth, so that nothing is free that is not."""
        exact = (self.tokens_in * tokens_in + self.tokens_out * tokens_out) / PER
        return exact.quantize(SMALLEST, ROUND_UP)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The most that a call may come to."""

    tokens_in: int
    tokens_out: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that an agent may spend in one run, and in one day; None is without limit."""

    per_run: Decimal | None
    per_day: Decimal | None
    currency: str

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        currency = str(config.get("currency") or "")
        return cls(_amount(config.get("budget_per_run")), _amount(config.get("budget_per_day")), currency)


def money(amount: Decimal | float, currency: str = "") -> str:
    """For people: two places, or as many as a small amount needs for two figures: ``0.0021 EUR``."""
    exact = Decimal(str(amount))
    places = 2 if exact == 0 else min(PLACES, max(2, 1 - exact.adjusted()))
    return f"{exact:,.{places}f} {currency}".rstrip()


def of_float(amount: float) -> Decimal:
    """An amount that came as a float, as the database keeps it."""
    return Decimal(str(amount)).quantize(SMALLEST, ROUND_UP)


def _amount(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))
