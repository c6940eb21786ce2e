"""What the search across everything finds of the audit trail: an event by its number, a story by its correlation."""

import re
from typing import Any

from django.urls import reverse

from monitoring.audit import sentences
from orchestra.kernel.lists import number_in
from orchestra.kernel.models import Event
from orchestra.kernel.registry import Found, Search

_CORRELATION = re.compile(r"[0-9A-Za-z:_.-]{6,64}")


def find(text: str, _user: Any, limit: int) -> list[Found]:
    """At most one event and one story; both are looked up in an index."""
    found: list[Found] = []
    if (number := number_in(text)) is not None:
        found += [_event(row) for row in Event.objects.filter(pk=number).select_related("detail")]
    elif _CORRELATION.fullmatch(text):
        first = Event.objects.filter(correlation=text).order_by("number").select_related("detail").first()
        if first is not None:
            words = f"A story that begins with #{first.number}: {sentences.sentence(first)}"
            found.append(Found(text, words, reverse("audit-story", args=[text])))
    return found[:limit]


def _event(event: Event) -> Found:
    return Found(f"Event #{event.number}", sentences.sentence(event), reverse("audit-event", args=[event.number]))


SEARCH = Search(600, "Audit", "file-certificate", find)
