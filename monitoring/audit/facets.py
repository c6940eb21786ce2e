"""What the audit list can be narrowed by, as the page offers it at its left."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.timezone import localtime

from monitoring.audit.trail import ACTOR_KINDS, AuditList, instant
from orchestra.kernel import registry
from orchestra.kernel.lists import Chip

TARGET_KINDS = (
    ("inquiry", "inquiries"),
    ("run", "runs"),
    ("step", "steps"),
    ("workflow", "workflows"),
    ("article", "articles"),
    ("agent", "agents"),
    ("user", "people"),
    ("token", "API tokens"),
    ("audit", "the audit trail"),
)
TIMES = (("1h", "last hour"), ("24h", "last 24 hours"), ("7d", "last 7 days"))
OUTCOMES = (("succeeded", "done"), ("denied", "refused"), ("failed", "failed"), ("timed_out", "timed out"))


@dataclass(frozen=True, slots=True)
class Facet:
    """One thing to narrow by: its name, and its values as links that switch them on and off."""

    name: str
    chips: list[Chip]


def of(listing: AuditList) -> list[Facet]:
    """The facets of ``listing``. Outcomes are counted where an index counts them quickly: unless narrowed otherwise."""
    counts = listing.counts("outcome") if listing.values.keys() <= {"since", "until", "outcome"} else {}
    return [
        Facet("Who", _chips(listing, "actor", ACTOR_KINDS)),
        Facet("Outcome", _chips(listing, "outcome", OUTCOMES, counts)),
        Facet("When", _chips(listing, "since", TIMES)),
        Facet("About", _chips(listing, "target", TARGET_KINDS)),
    ]


def narrowed_by(listing: AuditList) -> list[Chip]:
    """What the list is narrowed by beyond the facets' values, each as a chip that takes it away."""
    offered = {"actor": ACTOR_KINDS, "outcome": OUTCOMES, "since": TIMES, "target": TARGET_KINDS}
    return [
        Chip(f"{name}: {value}", listing.link(**{name: ""}), current=True)
        for name, value in listing.values.items()
        if name != "search" and value not in dict(offered.get(name, ()))
    ]


def field_value(listing: AuditList, name: str) -> str:
    """The instant that ``listing`` begins or ends with, as a date and time field shows it; nothing if it has none."""
    text = listing.values.get(name)
    return f"{localtime(instant(text)):%Y-%m-%dT%H:%M}" if text else ""


def actions() -> list[str]:
    """Every action that has a sentence: what the list of actions offers."""
    return sorted(action for action, _ in registry.phrases.items())


def _chips(
    listing: AuditList, name: str, values: Iterable[tuple[str, str]], counts: dict[str, int] | None = None
) -> list[Chip]:
    current = listing.values.get(name, "")
    return [
        Chip(
            label,
            listing.link(**{name: "" if value == current else value}),
            value == current,
            (counts or {}).get(value),
        )
        for value, label in values
    ]
