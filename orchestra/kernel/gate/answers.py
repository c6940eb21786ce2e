"""Errors of the API in the contract's form: ``{"code", "detail", "errors": [{"path", "message"}]}``."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from orchestra.kernel.errors import (
    BadRequest,
    FieldError,
    Forbidden,
    Invalid,
    NotAuthenticated,
    NotFound,
    OrchestraError,
    TooLarge,
    TooMany,
)
from orchestra.kernel.refusals import record_refusal

logger = logging.getLogger(__name__)


class MethodNotAllowed(OrchestraError):
    """This path does not answer that method; the API page lists those it does."""

    code, status = "method_not_allowed", 405


class NotAcceptable(OrchestraError):
    """The API answers in JSON only; accept application/json."""

    code, status = "not_acceptable", 406


class UnsupportedMediaType(OrchestraError):
    """The API reads JSON only; send Content-Type: application/json."""

    code, status = "unsupported_media_type", 415


class InternalError(OrchestraError):
    """Something went wrong on our side, and nothing was half done; give an administrator the request id."""

    code, status = "internal_error", 500


OURS: Mapping[type[Exception], type[OrchestraError]] = {
    Http404: NotFound,
    PermissionDenied: Forbidden,
    RequestDataTooBig: TooLarge,
    SuspiciousOperation: BadRequest,
    exceptions.AuthenticationFailed: NotAuthenticated,
    exceptions.MethodNotAllowed: MethodNotAllowed,
    exceptions.NotAcceptable: NotAcceptable,
    exceptions.NotAuthenticated: NotAuthenticated,
    exceptions.NotFound: NotFound,
    exceptions.ParseError: BadRequest,
    exceptions.PermissionDenied: Forbidden,
    exceptions.Throttled: TooMany,
    exceptions.UnsupportedMediaType: UnsupportedMediaType,
}
"""What Django and its REST framework raise, and what we call it."""


def answer_error(exception: Exception, context: Mapping[str, Any]) -> Response:
    """The one answer to an error of the API; records it if it is a refusal."""
    asked: Request = context["request"]
    request: HttpRequest = asked._request
    error = as_ours(exception)
    if isinstance(error, InternalError):
        error.data["request_id"] = getattr(request, "request_id", "")
        logger.error("%s %s failed", request.method, request.path, exc_info=exception)
        got_request_exception.send(sender=answer_error, request=request)
    record_refusal(request, error)
    # Errors are JSON whatever the view renders, be it YAML.
    asked.accepted_renderer, asked.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
    headers = error.headers | ({"WWW-Authenticate": "Token"} if error.status == 401 else {})
    return Response(error.as_dict(), status=error.status, headers=headers)


def as_ours(exception: Exception) -> OrchestraError:
    """``exception`` as one of our errors; what nobody foresaw becomes an :class:`InternalError`."""
    if isinstance(exception, OrchestraError):
        return exception
    if isinstance(exception, exceptions.ValidationError):
        return Invalid(errors=list(field_errors(exception.detail)))
    return next((ours() for theirs, ours in OURS.items() if isinstance(exception, theirs)), InternalError())


def field_errors(detail: Any, path: str = "") -> Iterator[FieldError]:
    """The REST framework's nested error detail as a flat list with paths like ``lines[2].sku``."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            yield from field_errors(value, joined(path, key))
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            nested = isinstance(value, Mapping | list)
            yield from field_errors(value, f"{path}[{index}]" if nested else path)
    else:
        yield {"path": path, "message": str(detail)}


def joined(path: str, key: Any) -> str:
    """``path`` one step further: an index in brackets, a name after a dot; ``non_field_errors`` are about the whole."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if key == "non_field_errors":
        return path
    return f"{path}.{key}" if path else str(key)
