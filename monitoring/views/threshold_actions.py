"""What people do to thresholds besides editing them: switch, remove, restore a version, several at once."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from monitoring.alerting import thresholds, versions
from monitoring.alerting.listing import ThresholdList
from monitoring.alerting.versions import VersionList
from monitoring.models import Threshold
from orchestra.kernel import access, events
from orchestra.kernel.errors import NotFound, field_error
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.lists import Selection, number_in
from orchestra.kernel.pages import done, done_to_many, page
from orchestra.kernel.tally import Tally

BULK = (
    ("enable", "Enable", "They are looked at again, from the next tick.", False),
    ("disable", "Disable", "They are looked at no more. Their open alerts end at the next tick.", True),
)
MOST = 500
MAX_REASON = 1000


def offered() -> list[dict[str, Any]]:
    """The actions as the bar of chosen rows wants them."""
    return [
        {"name": name, "label": label, "says": says, "danger": is_dangerous, "needs_reason": is_dangerous}
        for name, label, says, is_dangerous in BULK
    ]


@page("POST")
def switch(request: PageRequest, pk: int, enabled: bool) -> HttpResponse:
    thresholds.switch(pk, enabled, by=request.actor, reason=_reason(request))
    said = "is looked at again from the next tick." if enabled else "is looked at no more; its alerts end."
    return done(request, "threshold", f"{_found(pk).name} {said}", pk)


@page("POST")
def remove(request: PageRequest, pk: int) -> HttpResponse:
    name = _found(pk).name
    ended = thresholds.remove(pk, by=request.actor, reason=_reason(request))
    alerts = f" {ended} alert{'s' if ended > 1 else ''} of it end{'' if ended > 1 else 's'} at the next tick."
    return done(request, "thresholds", f"{name} was removed.{alerts if ended else ''}")


@page("POST")
def add_usual(request: PageRequest) -> HttpResponse:
    added = thresholds.install_usual(by=request.actor)
    said = f"{len(added)} thresholds are looked at from the next tick." if added else "They are all there already."
    return done(request, "thresholds", said)


@page()
def all_versions(request: PageRequest, pk: int) -> HttpResponse:
    """The versions, and what any two of them say differently: ``from`` and ``to`` in the address."""
    shown = _found(pk)
    listing = VersionList(request.GET.dict(), threshold=pk)
    found = listing.page()
    newest = shown.version
    before, after = (_numbered(shown, request.GET.get(name, ""), other) for name, other in _usual_pair(newest))
    context = {
        "threshold": shown,
        "rows": versions.rows(found.rows),
        "before": before,
        "after": after,
        "differences": versions.compare(before.values, after.values),
        "numbers": range(newest, 0, -1),
        "restored": str(after.number),
        "may_restore": after.number != newest and access.can(request.user, "thresholds.change"),
        "previous_url": found.previous and listing.page_link(found.previous),
        "next_url": found.next and listing.page_link(found.next),
    }
    return render(request, "monitoring/threshold_versions.html", context)


@page("GET", "POST")
def restore(request: PageRequest, pk: int, number: int) -> HttpResponse:
    if request.method != "POST":  # the address of a dialog that was refused, loaded again
        return redirect("threshold-versions", pk)
    seen = number_in(request.POST.get("version", ""))
    restored = thresholds.restore(pk, number, by=request.actor, reason=_reason(request), seen=seen)
    return done(request, "threshold", f"{restored.name} is again as it was in version {number}.", pk)


@page("POST")
def act_on_thresholds(request: PageRequest) -> HttpResponse:
    action, reason = request.POST.get("action", ""), _reason(request).strip()
    if action not in {name for name, *_ in BULK}:
        raise field_error("action", f"Choose one of {', '.join(name for name, *_ in BULK)}.")
    if action == "disable" and not reason:
        raise field_error("reason", "Say why, so that others can understand it later.")
    selection = Selection.read(request.POST, ThresholdList)
    if selection.count(limit=MOST) > MOST:
        raise field_error("ids", f"Choose at most {MOST} thresholds at a time; a filter makes them fewer.")
    tally = Tally(f"{action}d")
    with events.correlating():
        for row in selection.queryset().order_by("name"):
            _switch(row, request, action == "enable", reason, tally)
    return done_to_many(request, tally, "thresholds")


def _switch(row: Threshold, request: PageRequest, enabled: bool, reason: str, tally: Tally) -> None:
    """In a unit of its own; one that was so already is skipped."""
    changed = True
    with tally.trying(row.name, reverse("threshold", args=[row.pk])):
        changed = thresholds.switch(row.pk, enabled, by=request.actor, reason=reason)
    if not changed:
        tally.done, tally.skipped = tally.done - 1, tally.skipped + 1


def _usual_pair(newest: int) -> tuple[tuple[str, int], tuple[str, int]]:
    """Without an address that asks: the newest version and the one before it."""
    return ("from", max(1, newest - 1)), ("to", newest)


def _numbered(threshold: Threshold, asked: str, other: int) -> Any:
    number = (number_in(asked) or 0) if asked else other
    version = threshold.versions.filter(number=number).first()
    if version is None:
        raise NotFound(f"{threshold.name} has no version {asked[:20]}; choose one of its {threshold.version}.")
    return version


def _found(pk: int) -> Threshold:
    row = Threshold.objects.filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such threshold; it may have been removed, so go back to the list.")
    return row


def _reason(request: PageRequest) -> str:
    return request.POST.get("reason", "")[:MAX_REASON]
