"""Recommendations. ``advice/recommendations.py`` writes them."""

from django.db import models

from orchestra.kernel.states import Machine


class AdviceStatus(models.TextChoices):
    OPEN = "open", "open"
    APPLIED = "applied", "applied"
    DISMISSED = "dismissed", "dismissed"
    WITHDRAWN = "withdrawn", "no longer true"


ADVICE_STATES = Machine(
    {
        AdviceStatus.OPEN: [AdviceStatus.APPLIED, AdviceStatus.DISMISSED, AdviceStatus.WITHDRAWN],
        AdviceStatus.APPLIED: [AdviceStatus.DISMISSED],
        AdviceStatus.DISMISSED: [],
        AdviceStatus.WITHDRAWN: [],
    }
)
"""What was applied and then undone counts as dismissed: it was not right."""


class Recommendation(models.Model):
    """What one rule advises for one subject. ``evidence`` is ``[{label, value, unit, url}]``, ``weight`` its strength.

    ``action`` names what its button does: ``{verb, label, arguments}`` of ``advice/actions.py``. One that was dismissed
    is made anew only when its weight has grown well beyond what it was.
    """

    rule = models.CharField(max_length=50)
    subject_kind = models.CharField(max_length=20)
    subject_id = models.CharField(max_length=130, blank=True)
    subject_label = models.CharField(max_length=150, blank=True)
    sentence = models.TextField()
    evidence = models.JSONField(default=list)
    weight = models.FloatField(default=0)
    action = models.JSONField(default=dict)
    status = models.CharField(max_length=10, choices=AdviceStatus.choices, default=AdviceStatus.OPEN)
    created_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="When the rule last found it so.")
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=150, blank=True)
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "subject_kind", "subject_id"],
                name="recommendation_open_once",
                condition=models.Q(status=AdviceStatus.OPEN),
            ),
            models.CheckConstraint(name="recommendation_status", condition=models.Q(status__in=AdviceStatus.values)),
        ]
        indexes = [
            models.Index(fields=["status", "id"], name="recommendation_status_id"),
            models.Index(fields=["rule", "subject_kind", "subject_id", "id"], name="recommendation_subject"),
        ]

    def __str__(self) -> str:
        return self.sentence
