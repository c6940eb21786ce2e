"""Help for page views: get-authorised → form or filter → verb → render."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url

from orchestra.kernel import access
from orchestra.kernel.errors import Invalid
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.lists import asked_in
from orchestra.kernel.tally import Tally

Rest = ParamSpec("Rest")
Result = TypeVar("Result")
View = Callable[Concatenate[PageRequest, Rest], HttpResponseBase]


def page(*methods: str, permission: str = "") -> Callable[[View[Rest]], View[Rest]]:
    """Mark a page view: it answers ``methods`` (GET by default), to people who have ``permission`` (any by default).

    Verbs check their own permissions; this one is for pages that must not even be seen.
    """
    allowed = frozenset(methods or ("GET",))

    def mark(view: View[Rest]) -> View[Rest]:
        @wraps(view)
        def guarded(request: PageRequest, /, *args: Rest.args, **kwargs: Rest.kwargs) -> HttpResponseBase:
            if ("GET" if request.method == "HEAD" else request.method) not in allowed:
                return HttpResponseNotAllowed(sorted(allowed))
            if permission:
                access.check(request.actor, permission)
            return view(request, *args, **kwargs)

        return guarded

    return mark


def carried_out(form: forms.BaseForm, verb: Callable[..., Result], *args: Any, **kwargs: Any) -> Result | None:
    """What ``verb`` returns, or None after its :class:`Invalid` was put beside the fields of ``form``."""
    try:
        return verb(*args, **kwargs)
    except Invalid as error:
        for fault in error.errors:
            name = fault["path"].split(".")[0].split("[")[0]
            form.add_error(name if name in form.fields else None, fault["message"])
        if not error.errors:
            form.add_error(None, error.detail)
        return None


def validation(form: forms.BaseForm) -> JsonResponse:
    """Answer a script that asks about the field being left (header X-Validate): every fault, the contract's way."""
    faults = [{"path": name, "message": message} for name, found in form.errors.items() for message in found]
    return JsonResponse({"errors": faults})


def done(request: HttpRequest, to: Any, message: str = "", *args: Any, **kwargs: Any) -> HttpResponse:
    """Answer a POST: go to ``to`` (an address, a URL name or an object with a page) and say ``message`` there."""
    if message:
        messages.success(request, message)
    response = HttpResponseRedirect(resolve_url(to, *args, **kwargs))
    response.status_code = 303  # the next request is a GET, whatever this one was
    return response


def done_to_many(request: HttpRequest, tally: Tally, to: str) -> HttpResponse:
    """Answer a bulk action: go back, say how many, and why some not.

    ``to`` is an address, or the URL name of the list, which is then shown with the filter it was posted from.
    """
    tally.keep(request)
    if tally.done:
        messages.success(request, tally.sentence)
    else:
        messages.warning(request, f"Nothing was changed: {tally.sentence}")
    query = urlencode(asked_in(request.POST.get("query", "")))
    return done(request, f"{resolve_url(to)}?{query}" if query and "/" not in to else to)
