"""Events as sentences: in the words of the app they come from, or in words made of the action's name."""

import re
from collections.abc import Iterator, Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString

from orchestra.kernel import registry
from orchestra.kernel.models import Event

_WORD = re.compile(r"[A-Z][a-z]*")
HAPPENS = frozenset({"succeeded", "failed", "died", "expired", "ended", "lapsed", "timed"})
"""Verbs that need no doer: "step triage failed", not "triage-1 failed step triage"."""


def sentence(event: Event) -> str:
    """What happened, in one sentence without its full stop."""
    phrase = registry.phrases.get(event.action)
    return (phrase(event) if phrase else None) or _from_name(event)


def marked_up(event: Event) -> SafeString:
    """The sentence as HTML: the doer stands out, and what it is about are links to where it can be seen."""
    told = sentence(event)
    doer = event.actor_label if told.startswith(f"{event.actor_label} ") else ""
    rest = told.removeprefix(doer)
    places = [
        *_place(rest, event.target_kind, event.target_id, event.target_label),
        *_place(rest, event.parent_kind, event.parent_id, event.parent_label),
    ]
    marked = _with_links(rest, sorted(places, key=lambda place: (place[0], -place[1])))
    return format_html("<strong>{}</strong>{}", doer, marked) if doer else marked


def _place(text: str, kind: str, identifier: str, label: str) -> Iterator[tuple[int, int, str]]:
    """Where ``text`` names the object, and its address; nothing if it does not, or if no page shows the object."""
    address = registry.link(kind, identifier)
    forms = (f"#{identifier} {label}", f"{kind} #{identifier}", f"#{identifier}", label)
    for form in forms if address else ():
        start = text.lower().find(form.lower())
        if form.strip("# ") and start >= 0:
            yield start, start + len(form), address or ""
            return


def _with_links(text: str, places: Sequence[tuple[int, int, str]]) -> SafeString:
    parts, at = [], 0
    for start, end, address in places:
        if start >= at:
            parts.append(format_html('{}<a href="{}">{}</a>', text[at:start], address, text[start:end]))
            at = end
    return format_html("{}{}", SafeString("".join(parts)), text[at:])


def named(kind: str, identifier: str, label: str) -> str:
    """An object as a sentence names it: ``agent billing-1``, ``inquiry 42``."""
    return " ".join(filter(None, (kind.replace("_", " "), label or identifier)))


def _from_name(event: Event) -> str:
    """``ArticleChanged`` about an article: "Ada changed article Refunds"; about another: "… article of draft 7"."""
    words = [word.lower() for word in _WORD.findall(event.action)] or [event.action]
    verb = next((index for index, word in enumerate(words) if word.endswith("ed") and index), len(words) - 1)
    noun, done = " ".join(words[:verb]), " ".join(words[verb:])
    about = named(event.target_kind, event.target_id, event.target_label)
    if noun and noun != event.target_kind.replace("_", " "):
        about = f"{noun} of {about}"
    if words[verb] in HAPPENS:
        return f"{about} {done}"
    return f"{event.actor_label} {done} {about}"
