"""Writes refusals into the audit trail, for every edge alike: after the rollback, before the answer."""

from typing import Any

from django.http import HttpRequest

from orchestra.kernel import events
from orchestra.kernel.access import ANONYMOUS, Actor
from orchestra.kernel.errors import NotAuthenticated, OrchestraError
from orchestra.kernel.inbound import SAFE_METHODS


def record_refusal(request: HttpRequest, error: OrchestraError) -> None:
    """Record ``error`` if it is a refusal: who was told no, what they asked for, and why."""
    if not error.refusal or _is_mere_visit(request, error):
        return
    actor: Actor = getattr(request, "actor", ANONYMOUS)
    events.refused(
        actor,
        "RequestRefused",
        target=error.target or _target(request, actor),
        reason=error.detail,
        permission=str(error.data.get("permission", "")),
        attempted="" if actor == ANONYMOUS else f"{request.method} {request.path}",
    )


def _is_mere_visit(request: HttpRequest, error: OrchestraError) -> bool:
    """Reading without any credentials: everyone does that before signing in."""
    anonymous = isinstance(error, NotAuthenticated) and "HTTP_AUTHORIZATION" not in request.META
    return anonymous and request.method in SAFE_METHODS


def _target(request: HttpRequest, actor: Actor) -> events.Ref:
    """The page or path. For strangers only that it was one, so that they cannot fill the trail with inventions."""
    match: Any = request.resolver_match
    if actor == ANONYMOUS or match is None:
        return events.Ref("page", "")
    return events.Ref("page", (match.view_name or "")[:64], request.path)
