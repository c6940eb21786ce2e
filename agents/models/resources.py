"""Resources, and who holds units of them. ``resources.py`` writes Resource, ``reservations.py`` the rest.

What is in use derives from the lines of unexpired held reservations; there is no second counter.
"""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from orchestra.kernel.states import Machine


class Resource(models.Model):
    """Something that only so many may use at a time: a machine, a licence, a desk."""

    name = models.CharField(max_length=100, unique=True)
    type = models.CharField(max_length=100, help_text="What steps and runs ask for.")
    capacity = models.PositiveIntegerField(default=1, help_text="Units in all.")
    specs = models.JSONField(default=dict, blank=True, help_text="What it is like, by property.")
    enabled = models.BooleanField(default=True, help_text="Whether units of it are granted.")
    description = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["type", "name"]
        indexes = [models.Index(fields=["type", "name"], name="resource_type")]
        constraints = [models.CheckConstraint(name="resource_has_a_unit", condition=Q(capacity__gte=1))]

    def __str__(self) -> str:
        return self.name


class HolderKind(models.TextChoices):
    RUN = "run", "run"
    STEP = "step", "step"


class ReservationStatus(models.TextChoices):
    WAITING = "waiting", "waiting"
    HELD = "held", "held"
    RELEASED = "released", "released"
    EXPIRED = "expired", "expired"
    WITHDRAWN = "withdrawn", "withdrawn"


RESERVATION_STATES = Machine(
    {
        ReservationStatus.WAITING: [ReservationStatus.HELD, ReservationStatus.WITHDRAWN, ReservationStatus.EXPIRED],
        ReservationStatus.HELD: [ReservationStatus.RELEASED, ReservationStatus.EXPIRED],
        ReservationStatus.RELEASED: [],
        ReservationStatus.EXPIRED: [],
        ReservationStatus.WITHDRAWN: [],
    }
)
OPEN_RESERVATION = [ReservationStatus.WAITING, ReservationStatus.HELD]
_OPEN = Q(status__in=OPEN_RESERVATION)


class Reservation(models.Model):
    """What a run, or one step of it, asked for and holds: all of it or nothing. The number is the order of asking.

    ``run`` is a number, not a key: the fleet knows no workflows. A lease is renewed as long as the holder lives.
    """

    kind = models.CharField(max_length=4, choices=HolderKind.choices)
    run = models.PositiveBigIntegerField(help_text="The run that holds it, or whose step does.")
    task = models.CharField(max_length=130, blank=True, help_text="The step that holds it; empty for the whole run.")
    label = models.CharField(max_length=200, blank=True, help_text="The holder's name, for people.")
    correlation = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=9, choices=ReservationStatus.choices, default=ReservationStatus.WAITING)
    created_at = models.DateTimeField(default=timezone.now)
    granted_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True, help_text="When its holder was let go on.")
    expires_at = models.DateTimeField(help_text="It ends by then unless its holder lives.")
    ended_at = models.DateTimeField(null=True, blank=True)
    why = models.CharField(max_length=1000, blank=True, help_text="Why it ended.")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["run", "-id"], name="reservation_run"),
            models.Index(fields=["status", "-id"], name="reservation_status"),
            models.Index(fields=["id"], name="reservation_held", condition=Q(status="held")),
            models.Index(fields=["id"], name="reservation_waits", condition=Q(status="waiting")),
            models.Index(fields=["id"], name="reservation_untold", condition=Q(status="held", told_at__isnull=True)),
            models.Index(fields=["expires_at"], name="reservation_expires", condition=_OPEN),
            models.Index(fields=["ended_at"], name="reservation_ended", condition=Q(ended_at__isnull=False)),
        ]
        constraints = [
            models.UniqueConstraint(fields=["run", "task"], name="reservation_open_once_a_holder", condition=_OPEN),
            models.CheckConstraint(
                name="reservation_status_is_known", condition=Q(status__in=ReservationStatus.values)
            ),
            models.CheckConstraint(
                name="reservation_holder_is_known",
                condition=Q(kind="run", task="") | (Q(kind="step") & ~Q(task="")),
            ),
            models.CheckConstraint(
                name="reservation_held_was_granted", condition=~Q(status="held") | Q(granted_at__isnull=False)
            ),
            models.CheckConstraint(
                name="reservation_open_has_no_end",
                condition=Q(status__in=OPEN_RESERVATION, ended_at__isnull=True)
                | (~Q(status__in=OPEN_RESERVATION) & Q(ended_at__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return self.holder

    @property
    def held_s(self) -> float | None:
        """Seconds from its grant to its end; None while there is none of these."""
        if self.granted_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.granted_at).total_seconds()

    @property
    def holder(self) -> str:
        """Who holds it or asks for it, in words."""
        return f"{self.task} of run #{self.run}" if self.task else f"run #{self.run}"


class ReservationLine(models.Model):
    """One of the things that a reservation is over; ``resource`` is what serves it once it is granted.

    Name and specifications of the resource are kept as they were when it was granted: the holder saw those.
    """

    reservation = models.ForeignKey(Reservation, on_delete=models.CASCADE, related_name="lines", db_index=False)
    name = models.CharField(max_length=210)
    type = models.CharField(max_length=100)
    units = models.PositiveIntegerField(default=1)
    wants = models.JSONField(default=dict, help_text="What it must be like.")
    waits = models.BooleanField(default=True, help_text="Its reservation waits, so that it stands in line.")
    resource = models.ForeignKey(Resource, null=True, on_delete=models.SET_NULL, related_name="lines", db_index=False)
    resource_name = models.CharField(max_length=100, blank=True)
    resource_specs = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["type", "reservation"], name="reservation_line_waits", condition=Q(waits=True)),
            models.Index(fields=["resource", "-reservation"], name="reservation_line_resource"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["reservation", "name"], name="reservation_line_once"),
            models.CheckConstraint(name="reservation_line_has_a_unit", condition=Q(units__gte=1)),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.type})"
