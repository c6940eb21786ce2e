"""Model validation in the words of our errors."""

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Model

from orchestra.kernel.errors import FieldError, Invalid


def validate(row: Model, *, path: str = "") -> None:
    """Check fields, uniqueness and constraints of ``row``; raises :class:`Invalid` with ``path`` before each field."""
    try:
        row.full_clean()
    except ValidationError as error:
        raise Invalid(errors=faults_of(error, path=path)) from None


def faults_of(error: ValidationError, *, path: str = "") -> list[FieldError]:
    """Django's validation error as ours."""
    if not hasattr(error, "error_dict"):
        return [{"path": path, "message": message} for message in error.messages]
    found: list[FieldError] = []
    for name, messages in error.message_dict.items():
        where = path if name == NON_FIELD_ERRORS else f"{path}.{name}".lstrip(".")
        found += [{"path": where, "message": message} for message in messages]
    return found
