"""Who calls the API: a token, or the session of a page. Either sets ``request.actor``."""

from datetime import timedelta
from typing import Any

from rest_framework import authentication, exceptions
from rest_framework.request import Request

from orchestra.kernel import access, tokens
from orchestra.kernel.errors import Forbidden, NotAuthenticated
from orchestra.kernel.models import ApiToken, User

KEYWORD = "Token"
TOUCH_EVERY = timedelta(minutes=1)


class TokenAuthentication(authentication.BaseAuthentication):
    """``Authorization: Token KEY``. A token never allows more than its role, nor more than its owner's."""

    keywords: tuple[str, ...] = (KEYWORD.lower(),)

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, key = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() not in self.keywords:
            return None
        token = _valid(key.strip())
        request._request.actor = access.actor_of(token.user, role=token.role)  # type: ignore[attr-defined]
        tokens.touch(token, every=TOUCH_EVERY)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return KEYWORD


class SessionAuthentication(authentication.SessionAuthentication):
    """The session of someone signed in; writes need the CSRF header, as pages do."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        found = super().authenticate(request)
        if found is not None:
            request._request.actor = access.actor_of(found[0])  # type: ignore[attr-defined]
        return found

    def enforce_csrf(self, request: Any) -> None:
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied:
            raise Forbidden("The CSRF token is missing or old; reload the page, or send an API token.") from None


def _valid(key: str) -> ApiToken:
    token = tokens.find(key)
    if token is None or not token.user.is_active:
        raise NotAuthenticated("This token is not known; check it, or ask an administrator for another.")
    if token.revoked_at is not None:
        raise NotAuthenticated("This token was revoked; ask for another.")
    if token.is_expired:
        raise NotAuthenticated("This token has expired; ask for another.")
    return token
