"""Every error that a person or a program is told about, with its code, its HTTP status and whether a retry helps.

The class docstring is the default sentence. One handler per edge renders them all; nothing else builds error answers.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, TypedDict


class FieldError(TypedDict):
    """One fault and where it lies, for example ``{"path": "steps[2].needs", "message": "…"}``."""

    path: str
    message: str


class OrchestraError(Exception):
    """Something went wrong; try again, and tell an administrator if it happens again."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    refusal: ClassVar[bool] = False
    """True if the attempt itself belongs in the audit trail: somebody was told no."""

    def __init__(self, detail: str = "", *, errors: Sequence[FieldError] = (), target: Any = None, **data: Any) -> None:
        """``target`` is the ``events.Ref`` that a refusal is about; ``data`` is part of the answer."""
        self.detail = detail or (type(self).__doc__ or "").strip()
        self.errors = list(errors)
        self.target = target
        self.data = data
        super().__init__(self.detail)

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer: ``retry_after_s`` among its data says from when on it is worth trying again."""
        wait_s = self.data.get("retry_after_s")
        return {} if wait_s is None else {"Retry-After": str(wait_s)}

    def as_dict(self) -> dict[str, Any]:
        """The body of the answer, the ``Error`` that GET /api/schema/ describes."""
        return {"code": self.code, "detail": self.detail, "errors": self.errors, **self.data}


class BadRequest(OrchestraError):
    """The request could not be read; compare it with the API page and send it again."""

    code, status = "bad_request", 400


class NotAuthenticated(OrchestraError):
    """Sign in, or send a valid token, and try again."""

    code, status, refusal = "not_authenticated", 401, True


class Forbidden(OrchestraError):
    """Your role does not allow this; ask an administrator for it."""

    code, status, refusal = "forbidden", 403, True


class NotFound(OrchestraError):
    """There is no such object; it may have been removed, so go back to the list."""

    code, status = "not_found", 404


class Conflict(OrchestraError):
    """The object has changed meanwhile; reload it and decide again."""

    code, status, refusal = "conflict", 409, True


class IllegalTransition(Conflict):
    """The object is in a state that does not allow this; reload it and choose one of the actions it offers."""

    code = "illegal_transition"


class StaleLease(Conflict):
    """Your lease has ended or was taken over, so nothing was changed; claim it again."""

    code = "stale_lease"


class Held(Conflict):
    """Someone else holds this; wait until it is released, or ask them for it."""

    code = "held"


class TooLarge(OrchestraError):
    """The text or file is too large; shorten it and send it again."""

    code, status = "too_large", 413


class Invalid(OrchestraError):
    """Some fields are not valid; mend those named and send it again."""

    code, status = "invalid", 422


class TooMany(OrchestraError):
    """Too many attempts; wait a little and try again."""

    code, status, retryable, refusal = "too_many", 429, True, True


def field_error(path: str, message: str) -> Invalid:
    """An :class:`Invalid` about one field."""
    return Invalid(errors=[{"path": path, "message": message}])
