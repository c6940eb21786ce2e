"""The tables of the kernel: people and their tokens, the audit chain, leases. Each says which module writes it."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone

from orchestra.kernel import canonical


class Role(models.TextChoices):
    """What a person may do: read; act; also configure, manage people and tokens. Each includes the one before."""

    VIEWER = "viewer", "Viewer"
    OPERATOR = "operator", "Operator"
    ADMIN = "admin", "Administrator"


class Theme(models.TextChoices):
    SYSTEM = "system", "As the system"
    LIGHT = "light", "Light"
    DARK = "dark", "Dark"


class User(AbstractUser):
    """A person, with one role and the preferences of their pages. Written by ``accounts.py``."""

    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    theme = models.CharField(max_length=10, choices=Theme.choices, default=Theme.SYSTEM)
    shortcuts_enabled = models.BooleanField(default=True, help_text="Single-key shortcuts; switch off if they disturb.")
    updates_paused = models.BooleanField(default=False)

    class Meta(AbstractUser.Meta):
        verbose_name, verbose_name_plural = "person", "people"
        constraints = [models.CheckConstraint(name="user_role_is_known", condition=models.Q(role__in=Role.values))]

    @property
    def label(self) -> str:
        return self.get_full_name() or self.get_username()


class ApiToken(models.Model):
    """A key to the API. Only its digest is stored; the key itself is shown once. Written by ``accounts.py``."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    role = models.CharField(max_length=10, choices=Role.choices)
    prefix = models.CharField(max_length=12, help_text="The first characters, to tell tokens apart.")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API token"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class Outcome(models.TextChoices):
    SUCCEEDED = "succeeded", "done"
    FAILED = "failed", "failed"
    DENIED = "denied", "refused"
    TIMED_OUT = "timed_out", "timed out"


class Event(models.Model):
    """One thing that happened. Written only by ``chain.append``, never changed; the hash covers the other columns."""

    format = models.PositiveSmallIntegerField(default=canonical.FORMAT)
    number = models.BigIntegerField(primary_key=True)
    happened = models.DateTimeField()
    recorded = models.DateTimeField()
    actor_kind = models.CharField(max_length=10)
    actor_id = models.CharField(max_length=64)
    actor_label = models.CharField(max_length=150)
    on_behalf_of = models.CharField(max_length=150, blank=True)
    actor_model = models.CharField(max_length=100, blank=True)
    actor_version = models.CharField(max_length=50, blank=True)
    correlation = models.CharField(max_length=64, blank=True)
    request = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=60)
    target_kind = models.CharField(max_length=40)
    target_id = models.CharField(max_length=64)
    target_label = models.CharField(max_length=200, blank=True)
    parent_kind = models.CharField(max_length=40, blank=True)
    parent_id = models.CharField(max_length=64, blank=True)
    parent_label = models.CharField(max_length=200, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    permission = models.CharField(max_length=60, blank=True)
    address = models.CharField(max_length=64, blank=True)
    detail_digest = models.CharField(max_length=64)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["-number"]
        indexes = [
            models.Index(fields=["target_kind", "target_id", "number"], name="event_target"),
            models.Index(fields=["parent_kind", "parent_id", "number"], name="event_parent"),
            models.Index(fields=["actor_kind", "actor_id", "number"], name="event_actor"),
            models.Index(fields=["action", "number"], name="event_action"),
            models.Index(fields=["correlation", "number"], name="event_correlation"),
            models.Index(fields=["happened"], name="event_happened"),
            models.Index(
                fields=["outcome", "number"], name="event_not_succeeded", condition=~models.Q(outcome="succeeded")
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.number} {self.action}"


class EventDetail(models.Model):
    """What an event changed and why, apart from the event, so that it can be erased while the chain still verifies."""

    event = models.OneToOneField(
        Event, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="detail"
    )
    before = models.TextField(blank=True)
    after = models.TextField(blank=True)
    reason = models.TextField(blank=True)
    salt = models.CharField(max_length=32, blank=True)
    erased_by = models.BigIntegerField(null=True, help_text="Number of the event that records the erasure.")


class ChainHead(models.Model):
    """The end of the chain after each commit: inserted, never updated (an updated row bloats under old snapshots)."""

    number = models.BigIntegerField(primary_key=True)
    hash = models.CharField(max_length=64)
    recorded = models.DateTimeField()


class RefusalFold(models.Model):
    """Equal refusals within a minute: the first is an event at once, the rest are counted here and recorded as one."""

    key = models.CharField(max_length=64, primary_key=True)
    since = models.DateTimeField()
    repeats = models.PositiveIntegerField(default=0)
    draft = models.JSONField()


class IdempotencyRecord(models.Model):
    """What a creating request with an ``Idempotency-Key`` was answered. Written by ``rest/idempotency.py``."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, help_text="SHA-256 of method, path and body.")
    answer = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_once_a_user")]


class EncryptionKey(models.Model):
    """A key that stored secrets may be encrypted with, by its fingerprint. Written by ``keys.py``."""

    fingerprint = models.CharField(max_length=16, primary_key=True)
    first_seen_at = models.DateTimeField(auto_now_add=True)


class SavedFilter(models.Model):
    """What somebody asks again and again of a list; ``page`` is its URL name. Written by ``saved_filters.py``."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="saved_filters")
    page = models.CharField(max_length=60)
    label = models.CharField(max_length=60)
    query = models.CharField(max_length=1000, blank=True, help_text="As in the address, without the question mark.")
    is_shared = models.BooleanField(default=False, help_text="Everybody may use it.")
    is_default = models.BooleanField(default=False, help_text="Its owner's list opens with it.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "page", "label"], name="saved_filter_label_once"),
            models.UniqueConstraint(
                fields=["user", "page"], name="saved_filter_one_default", condition=models.Q(is_default=True)
            ),
        ]
        indexes = [
            models.Index(fields=["page", "label"], name="saved_filter_shared", condition=models.Q(is_shared=True))
        ]

    def __str__(self) -> str:
        return self.label


class Lease(models.Model):
    """A named right that one holder has until it expires; ``token`` grows with every holder (a fencing token)."""

    name = models.CharField(max_length=60, primary_key=True)
    holder = models.CharField(max_length=100, blank=True)
    token = models.BigIntegerField(default=0)
    expires_at = models.DateTimeField()


class Pulse(models.Model):
    """The last sign of life of a process or cluster. Telemetry: written without events."""

    name = models.CharField(max_length=100, primary_key=True)
    beat_at = models.DateTimeField()
    detail = models.JSONField(default=dict)
