"""What calls of models cost. ``spending.py`` writes both tables; they are telemetry: no event tells of their rows.

A row is written before its call, with the most that it may cost, and gets the real figures when the call has ended.
"""

from decimal import Decimal

from django.db import models
from django.db.models import Q

from agents.models.fleet import Agent
from agents.prices import PLACES

DIGITS = 20


def _money() -> "models.DecimalField[Decimal, Decimal]":
    return models.DecimalField(max_digits=DIGITS, decimal_places=PLACES, default=Decimal(0))


class ModelCall(models.Model):
    """One call of a model. Until it is settled, tokens and cost are the most that it may come to.

    What is not settled by ``expires_at`` never will be, since its executor died or it was cut off; it stays counted.
    """

    call = models.CharField(max_length=60, help_text="The call's key and attempt.")
    claim = models.PositiveBigIntegerField(default=0, help_text="The fencing token of the step's claim.")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="model_calls", db_index=False)
    run = models.PositiveBigIntegerField(null=True, help_text="The number of the run; empty for a test.")
    step = models.CharField(max_length=130, blank=True, help_text="The step of the run; items have that of their step.")
    task = models.CharField(max_length=130, blank=True, help_text="The task of the run, for example an item.")
    correlation = models.CharField(max_length=64, blank=True)
    day = models.DateField(help_text="The day that it counts for: that of its beginning, in TIME_ZONE.")
    at = models.DateTimeField()
    expires_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    tokens_in = models.PositiveBigIntegerField(default=0)
    tokens_out = models.PositiveBigIntegerField(default=0)
    cost = _money()
    currency = models.CharField(max_length=10, blank=True)
    model = models.CharField(max_length=100, blank=True)
    is_estimated = models.BooleanField(default=True, help_text="The tokens were not counted by the server.")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["call", "claim"], name="model_call_once_a_claim")]
        indexes = [
            models.Index(fields=["run", "agent"], name="model_call_run", condition=Q(run__isnull=False)),
            models.Index(fields=["agent", "-id"], name="model_call_agent"),
            models.Index(fields=["day"], name="model_call_day"),
        ]

    def __str__(self) -> str:
        return self.call


class SpendingDay(models.Model):
    """What an agent's calls of a day come to: sums of ModelCall, kept because each call asks for them."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="spending_days", db_index=False)
    day = models.DateField()
    calls = models.PositiveBigIntegerField(default=0)
    tokens_in = models.PositiveBigIntegerField(default=0)
    tokens_out = models.PositiveBigIntegerField(default=0)
    cost = _money()

    class Meta:
        ordering = ["-day"]
        constraints = [models.UniqueConstraint(fields=["agent", "day"], name="spending_once_a_day")]

    def __str__(self) -> str:
        return f"agent {self.agent_id} on {self.day}"

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out
