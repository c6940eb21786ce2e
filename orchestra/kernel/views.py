"""Pages about people: their preferences, their tokens, who may sign in; and the probes of the machine."""

from django.contrib.auth.decorators import login_not_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.http import url_has_allowed_host_and_scheme

from orchestra.kernel import accounts, health
from orchestra.kernel.forms import PasswordForm, PersonChangeForm, PersonForm, PreferencesForm, TokenForm
from orchestra.kernel.inbound import PageRequest, wants_json
from orchestra.kernel.models import User
from orchestra.kernel.pages import carried_out, done, page

YEAR_S = 60 * 60 * 24 * 365


@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"ok": True})


@login_not_required
def readyz(request: HttpRequest) -> HttpResponse:
    """200 if work can be done here, 503 with the reasons if not."""
    found = health.findings()
    ready = all(finding.ok for finding in found)
    body = {"ready": ready, "checks": [finding.as_dict() for finding in found]}
    return JsonResponse(body, status=200 if ready else 503)


@page("POST")
def preferences(request: PageRequest) -> HttpResponse:
    form = PreferencesForm(request.POST)
    if not form.is_valid():
        return HttpResponseBadRequest("These are not preferences.")
    accounts.set_preferences(request.actor, request.user, **form.changes())
    back = request.POST.get("next", "/")
    back = back if url_has_allowed_host_and_scheme(back, {request.get_host()}) else "/"
    response = HttpResponse(status=204) if wants_json(request) else HttpResponseRedirect(back)
    if form.cleaned_data["theme"]:  # for the sign-in page, which knows nobody
        response.set_cookie("theme", form.cleaned_data["theme"], max_age=YEAR_S, samesite="Lax")
    return response


@page("GET", "POST")
def tokens(request: PageRequest) -> HttpResponse:
    """One's own tokens; a new key is shown once, in the answer to the form."""
    form = TokenForm(request.POST or None, owner=request.user)
    key = ""
    if form.is_valid():
        name, role, expires_at = (form.cleaned_data[field] for field in ("name", "role", "expires_on"))
        made = carried_out(
            form, accounts.create_token, request.actor, request.user, name=name, role=role, expires_at=expires_at
        )
        if made is not None:
            key, form = made[1], TokenForm(owner=request.user)
    context = {"form": form, "key": key, "tokens": request.user.api_tokens.all()}
    return render(request, "settings/tokens.html", context)


@page("POST")
def revoke_token(request: PageRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(request.user.api_tokens, pk=pk)
    accounts.revoke_token(request.actor, token, reason=request.POST.get("reason", ""))
    return done(request, "tokens", f"{token.name} was revoked.")


@page("GET", "POST", permission="people.manage")
def people(request: PageRequest) -> HttpResponse:
    form = PersonForm(request.POST or None)
    if form.is_valid():
        user = carried_out(form, accounts.create_user, request.actor, **form.cleaned_data)
        if user is not None:
            return done(request, "people", f"{user.label} was added.")
    return render(request, "settings/people.html", {"form": form, "people": User.objects.order_by("username")})


@page("GET", "POST", permission="people.manage")
def person(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(User, pk=pk)
    form = PersonChangeForm(request.POST or None, initial={"role": shown.role, "is_active": shown.is_active})
    if (
        form.is_valid()
        and carried_out(form, accounts.change_user, request.actor, shown, **form.cleaned_data) is not None
    ):
        return done(request, "people", f"{shown.label} was changed.")
    return _person_page(request, shown, form=form)


@page("POST", permission="people.manage")
def person_password(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(User, pk=pk)
    form = PasswordForm(request.POST)
    if (
        form.is_valid()
        and carried_out(form, accounts.set_password, request.actor, shown, **form.cleaned_data) is not None
    ):
        return done(request, "people", f"{shown.label} has another password.")
    return _person_page(request, shown, password_form=form)


@page("POST", permission="people.manage")
def person_unlock(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(User, pk=pk)
    accounts.unlock(request.actor, shown)
    return done(request, "people", f"{shown.label} may try to sign in again.")


def _person_page(request: PageRequest, shown: User, **forms: Form) -> HttpResponse:
    context = {
        "shown": shown,
        "tokens": shown.api_tokens.all(),
        "form": PersonChangeForm(initial={"role": shown.role, "is_active": shown.is_active}),
        "password_form": PasswordForm(),
    }
    return render(request, "settings/person.html", context | forms)
