"""Plans that are carried out: which agent does which task. Written by ``allocations.py`` only."""

from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from agents.models import Agent
from workflows.models.runs import Run, RunStatus


class Allocation(models.Model):
    """A plan that was started: each of its tasks is a run, whose step only the chosen agent may take."""

    plan = models.JSONField(help_text="What the plan came to: objective, bound, gap_percent, status, seconds.")
    greedy = models.JSONField(help_text="The same of the plan that takes the best free agent for each task in turn.")
    maximize = models.BooleanField(default=False)
    total = models.PositiveIntegerField(help_text="How many tasks it has.")
    ended = models.PositiveIntegerField(default=0)
    succeeded = models.PositiveIntegerField(default=0)
    reason = models.TextField(blank=True)
    started_by = models.CharField(max_length=150, blank=True)
    correlation = models.CharField(max_length=64)
    started_at = models.DateTimeField(default=now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="allocation_ended_are_some_of_all",
                condition=Q(succeeded__lte=models.F("ended")) & Q(ended__lte=models.F("total")),
            )
        ]

    def __str__(self) -> str:
        return f"allocation {self.pk}"

    @property
    def success_rate(self) -> float | None:
        """Share of the tasks that have ended which succeeded; none while none has."""
        return self.succeeded / self.ended if self.ended else None

    @property
    def status(self) -> str:
        """``running`` while a task has not ended; then ``succeeded`` if all did, else ``failed``."""
        if self.ended < self.total:
            return RunStatus.RUNNING
        return RunStatus.SUCCEEDED if self.succeeded == self.total else RunStatus.FAILED


class AllocationTask(models.Model):
    """A task of a plan: the agent that it was given to, the one greed would have taken, and the run that it is."""

    allocation = models.ForeignKey(Allocation, on_delete=models.CASCADE, related_name="tasks", db_index=False)
    place = models.PositiveIntegerField(help_text="Its place among the tasks of the plan.")
    task = models.CharField(max_length=100, help_text="Its id, as it was given.")
    agent = models.ForeignKey(Agent, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    agent_name = models.CharField(max_length=100)
    greedy_agent_name = models.CharField(max_length=100, blank=True)
    cost = models.FloatField()
    run = models.OneToOneField(Run, null=True, on_delete=models.SET_NULL, related_name="allocation_task")
    outcome = models.CharField(max_length=12, choices=RunStatus.choices, blank=True, help_text="How its run ended.")
    released = models.TextField(blank=True, help_text="Why it may go to any agent after all.")

    class Meta:
        ordering = ["place"]
        constraints = [
            models.UniqueConstraint(fields=["allocation", "place"], name="allocation_task_place"),
        ]
        indexes = [
            models.Index(fields=["agent"], name="allocation_task_open", condition=Q(outcome="", released="")),
        ]

    def __str__(self) -> str:
        return f"task {self.task} of allocation {self.allocation_id}"

    @property
    def status(self) -> str:
        """That of its run; the last known once that has been removed."""
        return self.run.status if self.run is not None else self.outcome

    @property
    def has_moved(self) -> bool:
        """Whether the plan gives it to another agent than greed would have."""
        return self.agent_name != self.greedy_agent_name
