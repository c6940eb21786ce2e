"""People and their API tokens: the only writer of User and ApiToken."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from axes.utils import reset as forget_failed_logins
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils import timezone

from orchestra.kernel import access, events, tokens
from orchestra.kernel.access import RANK, Actor
from orchestra.kernel.errors import Conflict, Invalid, NotFound, field_error
from orchestra.kernel.events import Ref
from orchestra.kernel.models import ApiToken, Role, User
from orchestra.kernel.validation import faults_of, validate

access.grant({"people.manage": Role.ADMIN, "tokens.use": Role.VIEWER, "preferences.change": Role.VIEWER})


def ref_of(user: User) -> Ref:
    return Ref("user", user.pk, user.label)


def person_of(actor: Actor) -> User | None:
    """The account of a person who acts; None for agents and the system, and for whom no account is kept any more."""
    return User.objects.filter(pk=actor.id).first() if actor.kind == "person" and actor.id else None


def create_user(actor: Actor, *, username: str, role: str, password: str = "", **names: str) -> User:
    """Add a person; without a password they can only use tokens. ``names`` are first_name, last_name and email."""
    access.check(actor, "people.manage")
    user = User(username=User.normalize_username(username), role=role, **names)
    user.password = _hashed(user, password)
    with events.recording(actor):
        if User.objects.filter(username__iexact=username).exists():
            raise field_error("username", "Somebody has this name already; choose another.")
        validate(user)
        user.save()
        after = {"username": username, "role": role, "has_password": bool(password), **names}
        events.record("UserCreated", target=ref_of(user), after=after, permission="people.manage")
    return user


def change_user(actor: Actor, user: User, *, reason: str = "", **changes: Any) -> User:
    """Change role, names, e-mail or activity (``is_active``) of a person; the last administrator stays one."""
    access.check(actor, "people.manage", target=ref_of(user))
    with events.recording(actor):
        administrators = set(_administrators().values_list("pk", flat=True))
        user = _locked(user)
        before = {name: getattr(user, name) for name in changes if getattr(user, name) != changes[name]}
        for name in before:
            setattr(user, name, changes[name])
        if administrators == {user.pk} and not (user.role == Role.ADMIN and user.is_active):
            raise Conflict(f"{user.label} is the last administrator; make someone else one first.", target=ref_of(user))
        if before:
            validate(user)
            user.save(update_fields=list(before))
            _record_changes(user, before, reason)
    return user


def set_password(actor: Actor, user: User, password: str) -> User:
    """Give a person another password: oneself, or somebody else as an administrator. Other sessions end."""
    permission = "preferences.change" if actor.id == str(user.pk) else "people.manage"
    access.check(actor, permission, target=ref_of(user))
    hashed = _hashed(user, password)  # before the transaction: a hash takes a tenth of a second on purpose
    with events.recording(actor):
        user = _locked(user)
        user.password = hashed
        user.save(update_fields=["password"])
        events.record("PasswordChanged", target=ref_of(user), permission=permission)
    return user


def set_preferences(actor: Actor, user: User, **changes: Any) -> None:
    """Change one's own ``theme``, ``shortcuts_enabled`` or ``updates_paused``."""
    access.check(actor, "preferences.change")
    before = {name: getattr(user, name) for name in changes if getattr(user, name) != changes[name]}
    if not before:
        return
    with events.recording(actor):
        for name in before:
            setattr(user, name, changes[name])
        validate(user)
        user.save(update_fields=list(before))
        after = {name: changes[name] for name in before}
        events.record("PreferencesChanged", target=ref_of(user), before=before, after=after)


def unlock(actor: Actor, user: User) -> int:
    """End a lockout after failed logins; returns how many notes of failures were removed."""
    access.check(actor, "people.manage", target=ref_of(user))
    with events.recording(actor):
        removed = forget_failed_logins(username=user.username)
        events.record("LoginUnlocked", target=ref_of(user), permission="people.manage")
    return removed


def create_token(
    actor: Actor, user: User, *, name: str, role: str, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """A new token of ``user`` and its key, which cannot be shown again. Its role is at most that of its owner."""
    access.check(actor, _token_permission(actor, user), target=ref_of(user))
    if role not in Role.values or RANK[Role(role)] > RANK[Role(user.role)]:
        raise field_error("role", f"Choose a role up to {Role(user.role).label.lower()}, which {user.label} has.")
    if expires_at is not None and expires_at <= timezone.now():
        raise field_error("expires_at", "Choose a time to come.")
    key = tokens.new_key()
    token = ApiToken(user=user, name=name.strip(), role=role, expires_at=expires_at)
    token.prefix, token.digest = key[: tokens.PREFIX_LENGTH], tokens.digest(key)
    with events.recording(actor):
        validate(token)
        token.save()
        after = {"name": token.name, "role": role, "expires_at": expires_at}
        events.record("TokenCreated", target=_ref_of_token(token), parent=ref_of(user), after=after)
    return token, key


def revoke_token(actor: Actor, token: ApiToken, *, reason: str = "") -> None:
    """End a token at once and for good."""
    access.check(actor, _token_permission(actor, token.user), target=_ref_of_token(token))
    with events.recording(actor):
        now = timezone.now()
        if not ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=now):
            raise Conflict("This token was revoked before.", target=_ref_of_token(token))
        token.revoked_at = now
        events.record("TokenRevoked", target=_ref_of_token(token), parent=ref_of(token.user), reason=reason)


def _administrators() -> Any:
    """Locked, so that two administrators cannot demote each other at the same time."""
    return User.objects.select_for_update(no_key=True).filter(role=Role.ADMIN, is_active=True).order_by("pk")


def _locked(user: User) -> User:
    found = User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()
    if found is None:
        raise NotFound
    return found


def _hashed(user: User, password: str) -> str:
    """What is stored of ``password``; of an empty one, something that no password matches."""
    try:
        if password:
            validate_password(password, user)
    except ValidationError as error:
        raise Invalid(errors=faults_of(error, path="password")) from None
    return make_password(password or None)


def _record_changes(user: User, before: Mapping[str, Any], reason: str) -> None:
    after = {name: getattr(user, name) for name in before}
    if "is_active" in before:
        action = "UserActivated" if user.is_active else "UserDeactivated"
    else:
        action = "UserRoleChanged" if "role" in before else "UserChanged"
    events.record(action, target=ref_of(user), before=before, after=after, reason=reason, permission="people.manage")


def _token_permission(actor: Actor, owner: User) -> str:
    return "tokens.use" if actor.id == str(owner.pk) else "people.manage"


def _ref_of_token(token: ApiToken) -> Ref:
    return Ref("token", token.pk, str(token))
