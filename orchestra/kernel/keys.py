"""The keys of stored secrets: which were in use, and how to move on to a new one. The only writer of EncryptionKey."""

from collections.abc import Iterator

from django.apps import apps
from django.conf import settings
from django.db.models import Model

from orchestra.kernel import events, secrets
from orchestra.kernel.access import Actor
from orchestra.kernel.models import EncryptionKey


def remember() -> None:
    """Note the fingerprint of the newest key: secrets may be written with it from now on. Called at every start."""
    EncryptionKey.objects.get_or_create(fingerprint=secrets.fingerprint(settings.ENCRYPTION_KEYS[0]))


def missing() -> list[str]:
    """Fingerprints of keys that secrets may be encrypted with, and that ENCRYPTION_KEYS no longer holds."""
    held = [secrets.fingerprint(key) for key in settings.ENCRYPTION_KEYS]
    return list(EncryptionKey.objects.exclude(fingerprint__in=held).values_list("fingerprint", flat=True))


def rotate(actor: Actor) -> int:
    """Encrypt every stored secret with the newest key; the older ones may be removed afterwards. Returns how many."""
    newest = secrets.fingerprint(settings.ENCRYPTION_KEYS[0])
    with events.recording(actor):
        count = sum(_rotate_column(model, column) for model, column in _encrypted_columns())
        EncryptionKey.objects.exclude(fingerprint=newest).delete()
        EncryptionKey.objects.get_or_create(fingerprint=newest)
        events.record("EncryptionKeysRotated", target=events.Ref("encryption_key", newest), after={"secrets": count})
    return count


def _encrypted_columns() -> Iterator[tuple[type[Model], str]]:
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, secrets.EncryptedJSONField):
                yield model, field.attname


def _rotate_column(model: type[Model], column: str) -> int:
    """Read with whichever key fits and write back: the field encrypts with the newest."""
    rows = model._base_manager.select_for_update(no_key=True).filter(**{f"{column}__isnull": False})
    stored = list(rows.values_list("pk", column))
    for pk, secret in stored:
        model._base_manager.filter(pk=pk).update(**{column: secret})
    return len(stored)
