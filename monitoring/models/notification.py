"""Who is told of alerts, how, and what became of it. Each table has one writer in ``notification/``.

``channels.py`` writes Channel, ``routes.py`` Route and Inhibition, ``silencing.py`` Silence, ``planner.py`` AlertGroup
and, together with ``delivery.py``, Notification.
"""

import uuid
from typing import Any

from django.db import models

from monitoring.models.alerts import Alert
from orchestra.kernel.models import User
from orchestra.kernel.secrets import EncryptedJSONField
from orchestra.kernel.states import Machine


class ChannelKind(models.TextChoices):
    BROWSER = "browser", "In the browser"
    EMAIL = "email", "E-mail"
    WEBHOOK = "webhook", "Signed webhook"
    APPRISE = "apprise", "Slack and others"


class Channel(models.Model):
    """A way to reach people. ``config`` is checked against the schema of its kind; what is secret lies encrypted."""

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=10, choices=ChannelKind.choices)
    config = models.JSONField(default=dict, blank=True)
    secrets: "models.Field[Any, Any]" = EncryptedJSONField(null=True, blank=True)
    enabled = models.BooleanField(default=True)
    tested_at = models.DateTimeField(null=True, blank=True)
    tested_by = models.CharField(max_length=150, blank=True)
    test_passed = models.BooleanField(null=True, blank=True)
    test_said = models.TextField(blank=True, help_text="What the last test found, in a sentence.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(name="channel_kind_known", condition=models.Q(kind__in=ChannelKind.values))
        ]

    def __str__(self) -> str:
        return self.name


class Route(models.Model):
    """Which alerts go to which channels, how they are grouped, and when. The first that fits decides, by position.

    ``matchers`` are ``[{label, operator, value}]``, all of which must hold; ``group_by`` are names of labels.
    ``quiet`` is ``{timezone, blocks: [{days, from, to}], except: [severity]}`` or empty.
    """

    name = models.CharField(max_length=100, unique=True)
    position = models.PositiveIntegerField(default=100)
    severities = models.JSONField(default=list, blank=True, help_text="Empty: every severity.")
    matchers = models.JSONField(default=list, blank=True)
    channels = models.ManyToManyField(Channel, related_name="routes", blank=True)
    group_by = models.JSONField(default=list, blank=True)
    wait_s = models.PositiveIntegerField(default=30, help_text="A new group waits so long for others to join.")
    interval_s = models.PositiveIntegerField(default=300, help_text="News of a group come at most so often.")
    repeat_s = models.PositiveIntegerField(default=14_400, help_text="What still fires is told again; 0: never.")
    quiet = models.JSONField(default=dict, blank=True)
    escalate_after_s = models.PositiveIntegerField(
        default=0, help_text="Nobody has acknowledged for so long: others are told; 0: never."
    )
    escalate_to = models.ManyToManyField(Channel, related_name="+", blank=True)
    continues = models.BooleanField(default=False, help_text="Routes after this one are asked as well.")
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return self.name


class Inhibition(models.Model):
    """While an alert that fits ``source`` fires, none is told that fits ``target`` and shares the ``equal`` labels."""

    name = models.CharField(max_length=100, unique=True)
    source = models.JSONField(default=list)
    target = models.JSONField(default=list)
    equal = models.JSONField(default=list)
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Silence(models.Model):
    """Alerts that fit all ``matchers`` are not told of between ``starts_at`` and ``ends_at``."""

    matchers = models.JSONField()
    author = models.CharField(max_length=150)
    author_user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    reason = models.TextField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_by = models.CharField(max_length=150, blank=True, help_text="Who ended it early.")
    warned_at = models.DateTimeField(null=True, help_text="When its near end was told of, since an alert still fires.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(name="silence_ends_later", condition=models.Q(ends_at__gte=models.F("starts_at")))
        ]
        indexes = [models.Index(fields=["ends_at", "id"], name="silence_end")]

    def __str__(self) -> str:
        return f"silence {self.pk}"


class AlertGroup(models.Model):
    """Alerts of one route that are told of together; without a route, those that go the built-in way.

    ``told`` is what was said of each and what keeps others back: ``{alert: {said, said_at, held, …}}``. A group that
    holds alerts always is due some time; one that holds none waits for the next.
    """

    route = models.ForeignKey(Route, null=True, on_delete=models.CASCADE, related_name="groups")
    key = models.CharField(max_length=500, help_text="The labels that it is grouped by, as canonical JSON.")
    labels = models.JSONField(default=dict)
    told = models.JSONField(default=dict)
    opened_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True, help_text="When to look at it next; empty while it holds no alerts.")
    escalated_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["route", "key"], name="alert_group_once"),
            models.UniqueConstraint(
                fields=["key"], name="alert_group_built_in_once", condition=models.Q(route__isnull=True)
            ),
        ]
        indexes = [models.Index(fields=["due_at"], name="alert_group_due")]

    def __str__(self) -> str:
        return f"{self.route_id or 'built in'}: {self.key}"


class NotificationKind(models.TextChoices):
    FIRING = "firing", "firing"
    RESOLVED = "resolved", "resolved"
    NO_DATA = "no_data", "no data"
    REPEAT = "repeat", "still firing"
    REMINDER = "reminder", "acknowledgement over"
    ESCALATION = "escalation", "nobody acknowledged"
    DIGEST = "digest", "digest of a flapping alert"
    SILENCE_ENDING = "silence_ending", "a silence ends soon"


class NotificationStatus(models.TextChoices):
    QUEUED = "queued", "queued"
    SENDING = "sending", "sending"
    SENT = "sent", "sent"
    FAILED = "failed", "failed"
    SUPPRESSED = "suppressed", "suppressed"


NOTIFICATION_STATES = Machine(
    {
        NotificationStatus.QUEUED: [NotificationStatus.SENDING, NotificationStatus.FAILED],
        NotificationStatus.SENDING: [
            NotificationStatus.QUEUED,
            NotificationStatus.SENT,
            NotificationStatus.FAILED,
        ],
        NotificationStatus.SENT: [],
        NotificationStatus.FAILED: [NotificationStatus.QUEUED],
        NotificationStatus.SUPPRESSED: [],
    }
)


class Notification(models.Model):
    """One message through one channel, or why none was sent. ``why`` is the path of rules, a sentence each.

    ``tries`` are its attempts: ``[{at, took_s, error}]``. ``key`` is the same for all of them, so that a receiver can
    tell a message that it has had.
    """

    channel = models.ForeignKey(Channel, null=True, on_delete=models.SET_NULL, related_name="notifications")
    channel_name = models.CharField(max_length=100)
    route = models.ForeignKey(Route, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    group = models.ForeignKey(AlertGroup, null=True, on_delete=models.SET_NULL, related_name="notifications")
    kind = models.CharField(max_length=15, choices=NotificationKind.choices)
    status = models.CharField(max_length=10, choices=NotificationStatus.choices, default=NotificationStatus.QUEUED)
    alerts = models.ManyToManyField(Alert, related_name="notifications")
    subject = models.CharField(max_length=300)
    body = models.TextField(blank=True)
    why = models.JSONField(default=list)
    key = models.UUIDField(default=uuid.uuid4, unique=True)
    attempts = models.PositiveIntegerField(default=0)
    tries = models.JSONField(default=list)
    error = models.TextField(blank=True)
    due_at = models.DateTimeField(null=True, help_text="When it is tried, or tried again; empty once it has ended.")
    lease_until = models.DateTimeField(null=True, help_text="Who sends it now has until then.")
    token = models.PositiveIntegerField(default=0, help_text="Fencing token: grows with every attempt.")
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="notification_status_known", condition=models.Q(status__in=NotificationStatus.values)
            )
        ]
        indexes = [
            models.Index(fields=["due_at"], name="notification_due", condition=models.Q(due_at__isnull=False)),
            models.Index(fields=["status", "id"], name="notification_status"),
            models.Index(fields=["channel", "id"], name="notification_channel"),
            models.Index(fields=["created_at"], name="notification_age"),
        ]

    def __str__(self) -> str:
        return self.subject
