"""What calls have written so far. ``partials.py`` writes it; telemetry, gone when the call ends."""

from django.db import models
from django.utils import timezone


class PartialText(models.Model):
    """The text of a call that goes on, for whoever watches its run; a long one without its beginning."""

    step_id = models.PositiveBigIntegerField(primary_key=True)
    token = models.PositiveBigIntegerField(help_text="The fencing token of the claim that it belongs to.")
    text = models.TextField()
    length = models.PositiveBigIntegerField(help_text="Characters that were written, those left out included.")
    written_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["written_at"], name="partial_written")]

    def __str__(self) -> str:
        return f"step {self.step_id}"
