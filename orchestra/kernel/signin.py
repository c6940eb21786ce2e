"""Signing in and out: the pages, the lockout after failed attempts, and the events of all of it."""

from math import ceil
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.core.exceptions import NON_FIELD_ERRORS
from django.db.models import Max
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from orchestra.kernel import access, accounts, events
from orchestra.kernel.errors import TooMany
from orchestra.kernel.events import Ref
from orchestra.kernel.inbound import PageRequest, client_address
from orchestra.kernel.models import User
from orchestra.kernel.web import shown


class SignIn(LoginView):
    """The sign-in page. Failures are refusals: the name that was tried is recorded, the password never."""

    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        user = form.get_user()
        with events.recording(access.actor_of(user)):
            login(self.request, user)
            events.record("UserLoggedIn", target=accounts.ref_of(user))
        return HttpResponseRedirect(self.get_success_url())

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        wrong = form.has_error(NON_FIELD_ERRORS, "invalid_login")
        if wrong and not getattr(self.request, "axes_locked_out", False):
            _record("LoginFailed", str(form.data.get("username", "")), "Name and password do not match.")
        return super().form_invalid(form)


class SignOut(LogoutView):
    """Ends the session."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user = request.user
        if isinstance(user, User):
            with events.recording(access.actor_of(user)):
                logout(request)
                events.record("UserLoggedOut", target=accounts.ref_of(user))
        return HttpResponseRedirect(self.get_success_url())


class ChangePassword(PasswordChangeView):
    """One's own password; this session goes on, others end."""

    request: PageRequest

    def form_valid(self, form: BaseForm) -> HttpResponse:
        user = accounts.set_password(self.request.actor, self.request.user, form.cleaned_data["new_password1"])
        update_session_auth_hash(self.request, user)
        return HttpResponseRedirect(self.get_success_url())


def locked_out(request: HttpRequest, *_: Any) -> HttpResponse:
    """AXES_LOCKOUT_CALLABLE: the answer to somebody who failed too often, with the time left."""
    tried = request.POST.get("username", "")
    _record("LoginLockedOut", tried, "Too many failed attempts.")
    wait = f"Try again in {_minutes_left(request)} min, or ask an administrator to unlock the account."
    return shown(request, TooMany(f"Too many failed attempts to sign in as {tried}. {wait}"))


def address_of(request: HttpRequest) -> str | None:
    """AXES_CLIENT_IP_CALLABLE."""
    return client_address(request) or None


def _minutes_left(request: HttpRequest) -> int:
    handler = AxesProxyHandler.get_implementation()
    attempts = handler.get_user_attempts(request, getattr(request, "axes_credentials", None))
    times = [rows.aggregate(last=Max("attempt_time"))["last"] for rows in attempts]
    last = max(filter(None, times), default=timezone.now())
    left = last + settings.AXES_COOLOFF_TIME - timezone.now()
    return max(1, ceil(left.total_seconds() / 60))


def _record(action: str, tried: str, reason: str) -> None:
    events.refused(access.ANONYMOUS, action, target=Ref("user", "", tried[:150]), reason=reason)
