"""Workflows and their versions. Written by ``definitions.py``."""

from django.db import models


class Workflow(models.Model):
    """A named process. What it does is in its versions, which never change."""

    name = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class WorkflowVersion(models.Model):
    """One immutable definition; runs stay on the version they began with."""

    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    definition = models.JSONField()
    digest = models.CharField(max_length=64, help_text="SHA-256 of the definition's canonical text.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["workflow", "number"], name="version_number_once")]

    def __str__(self) -> str:
        return f"{self.workflow} v{self.number}"
