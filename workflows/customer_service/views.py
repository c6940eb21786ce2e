"""Pages of the desk: the list, an inquiry beside it, and what can be done to it there."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse

from orchestra.kernel import access, fragments, saved_filters
from orchestra.kernel.errors import Conflict, FieldError, Invalid, TooLarge
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.lists import Page
from orchestra.kernel.pages import carried_out, done, page, validation
from orchestra.kernel.refusals import record_refusal
from workflows.customer_service import arrivals, autosave, desk, intake
from workflows.customer_service.decisions import Decision, decide
from workflows.customer_service.dossier import Dossier
from workflows.customer_service.forms import REASON_LIMIT, InquiryForm, ReassignForm, ReviewForm, TextForm
from workflows.customer_service.listing import DeskList
from workflows.customer_service.models import Inquiry

LIST_REGIONS = {"desk-list": "customer_service/parts/desk_list.html"}
REGIONS = {
    name: f"customer_service/parts/{name.replace('-', '_')}.html"
    for name in (
        "inquiry-head",
        "inquiry-why",
        "inquiry-conversation",
        "inquiry-reply",
        "inquiry-foot",
        "inquiry-side",
    )
} | {**LIST_REGIONS, "inquiry-panels": "parts/panels.html"}
SAID = {"approve": "The reply to #{} goes out.", "edit": "The reply to #{} goes out.", "reject": "#{} was rejected."}


@page()
def inquiries(request: PageRequest) -> HttpResponse:
    if to := saved_filters.opening(request, "desk"):
        return HttpResponseRedirect(to)
    return fragments.render(request, "customer_service/desk.html", _list(request), regions=LIST_REGIONS)


@page()
def inquiry(request: PageRequest, pk: int) -> HttpResponse:
    return _show(request, pk)


def at_the_desk(view: Callable[[PageRequest, int], HttpResponse]) -> Callable[..., HttpResponseBase]:
    """What is refused or does not fit is said on the inquiry's own page, where what was typed is still to be seen.

    That page then has the address of the action, so a reload or a refresh of its regions is led back to the inquiry.
    """

    @wraps(view)
    def guarded(request: PageRequest, pk: int) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(_address(request, pk))
        try:
            return view(request, pk)
        except Conflict as error:
            record_refusal(request, error)
            return _show(request, pk, refused=error)
        except (Invalid, TooLarge) as error:
            return _show(request, pk, refused=error)

    return page("GET", "POST")(guarded)


@at_the_desk
def claim(request: PageRequest, pk: int) -> HttpResponse:
    desk.claim(pk, by=request.actor)
    return done(request, _address(request, pk))


@at_the_desk
def release(request: PageRequest, pk: int) -> HttpResponse:
    desk.release(pk, by=request.actor)
    return done(request, _address(request, pk), f"#{pk} waits at the desk again.")


@at_the_desk
def review(request: PageRequest, pk: int) -> HttpResponse:
    said = _read(ReviewForm(request.POST))
    decision = Decision(
        said["decision"], said["reply"], said["category"], reason=said["reason"], then=said["then"] or "new"
    )
    decided = decide(pk, decision, lease=said["lease"], by=request.actor)
    messages.success(request, SAID[decision.kind].format(pk))
    return _go_on(request, decided)


@at_the_desk
def reassign(request: PageRequest, pk: int) -> HttpResponse:
    said = _read(ReassignForm(request.POST))
    given = desk.reassign(pk, said["assignee"], by=request.actor, reason=said["reason"])
    to = given.assignee.label if given.assignee else "nobody in particular"
    return done(request, _address(request, pk), f"#{pk} is for {to} now.")


@at_the_desk
def reopen(request: PageRequest, pk: int) -> HttpResponse:
    desk.reopen(pk, by=request.actor, reason=request.POST.get("reason", "")[:REASON_LIMIT])
    return done(request, _address(request, pk), f"#{pk} is at the desk again.")


@at_the_desk
def discard(request: PageRequest, pk: int) -> HttpResponse:
    autosave.discard(pk, by=request.actor)
    return done(request, _address(request, pk), "The reply begins anew from the draft.")


@page("POST")
def text(request: PageRequest, pk: int) -> HttpResponse:
    """Autosave: keeps what is typed, and with it the claim. Answers scripts in JSON."""
    said = _read(TextForm(request.POST))
    saved = autosave.save(pk, said["reply"].replace("\r\n", "\n"), version=said["version"] or 0, by=request.actor)
    return JsonResponse({"version": saved.version})


@page("POST", permission="inquiries.review")
def difference(request: PageRequest, pk: int) -> HttpResponse:
    """How what is typed differs from the draft, and until when the claim holds: parts for the page."""
    dossier = Dossier(pk, request.user)
    typed = request.POST.get("reply", "").replace("\r\n", "\n")
    autosave.check_size(typed)
    return render(request, "customer_service/parts/difference.html", {"dossier": dossier.typing(typed)})


@page("GET", "POST", permission="inquiries.create")
def add(request: PageRequest) -> HttpResponse:
    form = InquiryForm(request.POST or None)
    if form.is_valid():
        arrival = carried_out(form, arrivals.read, form.cleaned_data)
        if arrival is not None and "X-Validate" not in request.headers:
            received, _ = intake.receive(arrival, by=request.actor)
            return done(request, "inquiry", f"#{received.pk} was taken in.", received.pk)
    if "X-Validate" in request.headers:
        return validation(form)
    return render(request, "customer_service/add.html", {"form": form})


def _show(request: PageRequest, pk: int, *, refused: Conflict | Invalid | TooLarge | None = None) -> HttpResponse:
    dossier = Dossier(pk, request.user)
    if refused and "reply" in request.POST:
        dossier.typing(request.POST["reply"].replace("\r\n", "\n"))
    context = _list(request, chosen=pk) | {
        "dossier": dossier,
        "inquiry": dossier.inquiry,
        "refused": refused,
        "faults": {fault["path"]: fault["message"] for fault in refused.errors} if refused else {},
        "posted": request.POST,
        "panels": lambda: fragments.panels("inquiry", dossier.inquiry, request),
        "panels_id": "inquiry-panels",
        "panel_topics": f"inquiry:{pk}",
    }
    status = refused.status if refused else 200
    return fragments.render(request, "customer_service/desk.html", context, regions=REGIONS, status=status)


def _list(request: PageRequest, *, chosen: int = 0) -> dict[str, Any]:
    listing = DeskList(request.GET.dict(), request.user.pk)
    found: list[Page[Inquiry]] = []

    def shown() -> Page[Inquiry]:
        if not found:
            found.append(listing.page())
        return found[0]

    return {
        "listing": listing,
        "shelf": lambda: saved_filters.shelf(request, "desk"),
        "rows": lambda: shown().rows,
        "neighbours": lambda: _neighbours([row.pk for row in shown().rows], chosen),
        "views": lambda: listing.views,
        "previous_url": lambda: shown().previous and listing.page_link(shown().previous),
        "next_url": lambda: shown().next and listing.page_link(shown().next),
        "query": request.GET.urlencode(),
        "goes_on": request.GET.get("next") != "off",
        "may_review": access.can(request.user, "inquiries.review"),
        "may_add": access.can(request.user, "inquiries.create"),
    }


def _neighbours(ids: list[int], chosen: int) -> tuple[int, int]:
    """What stands before and after the chosen one in the list; the first comes after none."""
    at = ids.index(chosen) if chosen in ids else -1
    around = [0, *ids, 0]
    return around[at] if at > 0 else 0, around[at + 2]


def _read(form: Any) -> dict[str, Any]:
    """What a form of the page said; raises :class:`Invalid` with its faults."""
    if not form.is_valid():
        faults: list[FieldError] = [{"path": name, "message": " ".join(said)} for name, said in form.errors.items()]
        raise Invalid(errors=faults)
    return dict(form.cleaned_data)


def _go_on(request: PageRequest, decided: Inquiry) -> HttpResponse:
    """To the next of the same list, or, where "and next" is off, back to the inquiry."""
    query = request.GET.copy()
    query.pop("cursor", None)
    if "next" not in request.POST:
        query["next"] = "off"
        return done(request, _at(decided.pk, query))
    query.pop("next", None)
    following = DeskList({name: str(value) for name, value in query.items()}, request.user.pk).following(decided)
    if following is None:
        messages.info(request, "Nothing else is due in this view.")
        return done(request, _with(reverse("desk"), query))
    return done(request, _at(following, query))


def _address(request: HttpRequest, pk: int) -> str:
    """The inquiry's page, in the list that it was opened from."""
    return _at(pk, request.GET)


def _at(pk: int, query: QueryDict) -> str:
    """An inquiry's page; its row in the list beside it is scrolled to."""
    return f"{_with(reverse('inquiry', args=[pk]), query)}#row-{pk}"


def _with(address: str, query: QueryDict) -> str:
    return f"{address}?{query.urlencode()}" if query else address
