"""The edge of every page: who asks, from where, and how errors are answered.

``RequestMiddleware`` sets ``request.actor``, ``request.address`` and ``request.request_id``, refuses control characters
and turns every :class:`OrchestraError` into a page. It opens no transaction: units of work do that.
"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import structlog
from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render, resolve_url
from django.template.loader import render_to_string, select_template
from django.utils.cache import patch_cache_control
from django.utils.http import url_has_allowed_host_and_scheme

from orchestra.kernel import access, chain, events
from orchestra.kernel.errors import BadRequest, Forbidden, NotAuthenticated, NotFound, OrchestraError, TooLarge
from orchestra.kernel.fragments import HEADER as REGIONS
from orchestra.kernel.inbound import (
    SAFE_METHODS,
    PageRequest,
    client_address,
    refuse_control_characters,
    wants_json,
    wants_part,
)
from orchestra.kernel.refusals import record_refusal


class RequestMiddleware:
    """Wraps every request that reaches a view. Synchronous, so that it and all below it run in one thread."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: PageRequest) -> HttpResponseBase:
        request.request_id = uuid4().hex
        request.address = client_address(request)
        request.actor = access.actor_of(request.user)
        in_log = structlog.contextvars.bound_contextvars(request_id=request.request_id)
        with in_log, events.serving(request.request_id, request.address):
            request.live_number = _number_before(request)
            response = self.get_response(request)
        if REGIONS in request.headers:
            response["X-Live-Number"] = str(request.live_number)
        response["X-Request-ID"] = request.request_id
        if not response.has_header("Cache-Control"):
            patch_cache_control(response, private=True, no_cache=True)
        return response

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        try:
            refuse_control_characters(request)
        except BadRequest as error:
            return answer(request, error)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, PermissionDenied):
            exception = Forbidden(str(exception))
        elif isinstance(exception, Http404):
            exception = NotFound()
        return answer(request, exception) if isinstance(exception, OrchestraError) else None


class SignInMiddleware(LoginRequiredMiddleware):
    """Every page needs a person, except those marked ``login_not_required``; the API has its own rule."""

    def handle_no_permission(  # type: ignore[override]  # not always a redirect
        self, request: HttpRequest, view_func: Any
    ) -> HttpResponse:
        back = request.get_full_path() if request.method in SAFE_METHODS else page_before(request)
        response = redirect_to_login(back, resolve_url(settings.LOGIN_URL))
        if wants_json(request):
            return JsonResponse(NotAuthenticated().as_dict(), status=401)
        if wants_part(request):  # a redirect would be followed unseen, and the sign-in page put into the page
            return HttpResponse(status=401, headers={"HX-Redirect": response.url})
        return response


def _number_before(request: PageRequest) -> int:
    """The last event before the page's own queries: whatever comes after it, the live connection will tell."""
    is_page = request.method == "GET" and request.actor.role and not wants_json(request)
    return chain.head() if is_page else 0


def answer(request: HttpRequest, error: OrchestraError) -> HttpResponse:
    """The one answer to an error of a page, after recording it if it is a refusal."""
    record_refusal(request, error)
    return shown(request, error)


def shown(request: HttpRequest, error: OrchestraError) -> HttpResponse:
    """``error`` as a page, as a part of one, or as JSON."""
    if wants_json(request):
        return JsonResponse(error.as_dict(), status=error.status, headers=error.headers)
    context = {"detail": error.detail, "errors": error.errors, "back": page_before(request)}
    names = ["errors/part.html"] if wants_part(request) else [f"errors/{error.status}.html", "errors/400.html"]
    template = select_template(names)
    return HttpResponse(template.render(context, request), status=error.status, headers=error.headers)


def page_before(request: HttpRequest) -> str:
    """Where the person came from, if that is a page of ours; else the overview."""
    page = request.headers.get("Referer", "")
    return page if url_has_allowed_host_and_scheme(page, {request.get_host()}) else "/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400: what Django itself refuses to read. The host may be the fault, so nothing here builds on it."""
    error = TooLarge() if isinstance(exception, RequestDataTooBig) else BadRequest()
    return HttpResponse(render_to_string("errors/400.html", {"detail": error.detail}), status=error.status)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403."""
    return answer(request, Forbidden(str(exception)))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404: an address that no view has."""
    return answer(request, NotFound("There is nothing at this address; check it, or begin at the overview."))


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500: Django has logged the error; the page gives its number, and asks no database for anything."""
    number = getattr(request, "request_id", "")
    return HttpResponse(render_to_string("errors/500.html", {"request_id": number}), status=500)


def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """CSRF_FAILURE_VIEW: a form opened before signing in, or without cookies."""
    return render(request, "errors/csrf.html", {"back": page_before(request)}, status=403)
