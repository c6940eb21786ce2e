"""Pages of channels: the list, a channel with its test and what it sent, its form."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from monitoring.models import Channel, ChannelKind
from monitoring.notification import channels, listing
from monitoring.notification.channel_forms import ChannelForm
from monitoring.notification.kinds import KINDS
from monitoring.notification.listing import ChannelList, NotificationList
from orchestra.kernel import access, fragments
from orchestra.kernel.errors import NotFound
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.pages import done, page, validation

LIST_REGIONS = {"channels": "monitoring/parts/channels.html"}
REGIONS = {
    "channel-head": "monitoring/parts/channel_head.html",
    "channel-sent": "monitoring/parts/channel_sent.html",
    "channel-panels": "parts/panels.html",
}
SHOWN_SENT = 10
MAX_REASON = 1000


@page()
def all_channels(request: PageRequest) -> HttpResponse:
    found = ChannelList(request.GET.dict())
    shown = found.page()
    context = {
        "listing": found,
        "rows": shown.rows,
        "may_change": access.can(request.user, "channels.change"),
        "previous_url": shown.previous and found.page_link(shown.previous),
        "next_url": shown.next and found.page_link(shown.next),
    }
    return fragments.render(request, "monitoring/channels.html", context, regions=LIST_REGIONS)


@page("GET", "POST", permission="channels.create")
def add(request: PageRequest) -> HttpResponse:
    kind = request.GET.get("kind", ChannelKind.EMAIL)
    if kind not in ChannelKind.values:
        raise NotFound(f"There is no channel of the kind {kind[:50]}; choose one of {', '.join(ChannelKind.values)}.")
    form = ChannelForm(request.POST or None, kind=kind)
    if "X-Validate" in request.headers:
        return _validated(form, kind, None)
    if form.is_valid():
        given = {"by": request.actor, "reason": form.cleaned_data["reason"]}
        made = form.carried_out(lambda: channels.create(kind, form.values(), **given))
        if made is not None:
            return done(request, "channel", f"The channel {made.name} was added; test it.", made.pk)
    return _form_page(request, form, kind)


@page()
def channel(request: PageRequest, pk: int) -> HttpResponse:
    shown = _found(pk)
    context: dict[str, Any] = {
        "channel": shown,
        "row": listing.channel_rows([shown])[0],
        "about": KINDS[shown.kind].about,
        "secret_names": sorted(shown.secrets or {}),
        "sent": lambda: NotificationList({"channel": str(pk), "limit": str(SHOWN_SENT)}).page().rows,
        "may_change": access.can(request.user, "channels.change"),
        "may_test": access.can(request.user, "channels.test"),
        "panels": lambda: fragments.panels("channel", shown, request),
        "panels_id": "channel-panels",
        "panel_topics": f"channel:{pk}",
    }
    return fragments.render(request, "monitoring/channel.html", context, regions=REGIONS)


@page("GET", "POST", permission="channels.change")
def edit(request: PageRequest, pk: int) -> HttpResponse:
    shown = _found(pk)
    form = ChannelForm(request.POST or None, kind=shown.kind, channel=shown)
    if "X-Validate" in request.headers:
        return _validated(form, shown.kind, shown)
    if form.is_valid():
        given = {"by": request.actor, "reason": form.cleaned_data["reason"]}
        if form.carried_out(lambda: channels.change(pk, form.values(), **given)) is not None:
            return done(request, "channel", f"The channel {form.cleaned_data['name']} was changed.", pk)
    return _form_page(request, form, shown.kind, shown)


@page("POST")
def switch(request: PageRequest, pk: int, enabled: bool) -> HttpResponse:
    changed = channels.change(pk, {"enabled": enabled}, by=request.actor, reason=_reason(request))
    return done(request, "channel", f"{changed.name} is {'on' if enabled else 'off'}.", pk)


@page("POST")
def test(request: PageRequest, pk: int) -> HttpResponse:
    tested = channels.test(pk, by=request.actor)
    return done(request, "channel", f"The test {'passed' if tested.test_passed else 'failed'}: {tested.test_said}", pk)


@page("POST")
def remove(request: PageRequest, pk: int) -> HttpResponse:
    name = _found(pk).name
    channels.remove(pk, by=request.actor, reason=_reason(request))
    return done(request, "channels", f"The channel {name} was removed.")


def _found(pk: int) -> Channel:
    found = Channel.objects.filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such channel; it may have been removed, so go back to the list.")
    return found


def _reason(request: PageRequest) -> str:
    return request.POST.get("reason", "")[:MAX_REASON]


def _validated(form: ChannelForm, kind: str, known: Channel | None) -> HttpResponse:
    if form.is_valid():
        values = form.values()
        values["secrets"] = channels.merged_secrets(known.secrets or {} if known else {}, values)
        form.carried_out(lambda: channels.check(kind, values))
    return validation(form)


def _form_page(request: PageRequest, form: ChannelForm, kind: str, known: Channel | None = None) -> HttpResponse:
    context = {
        "form": form,
        "kind": ChannelKind(kind),
        "kinds": ChannelKind,
        "about": KINDS[kind].about,
        "channel": known,
    }
    return render(request, "monitoring/channel_form.html", context)
