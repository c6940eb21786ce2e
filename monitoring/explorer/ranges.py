"""The time that a page of figures is about: one of the usual ranges up to now, or one of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

from orchestra.kernel.lists import moment

OWN = "own"
USUAL = "24h"
RANGES: Mapping[str, tuple[str, timedelta]] = {
    "1h": ("1 hour", timedelta(hours=1)),
    "6h": ("6 hours", timedelta(hours=6)),
    "24h": ("24 hours", timedelta(hours=24)),
    "7d": ("7 days", timedelta(days=7)),
    "30d": ("30 days", timedelta(days=30)),
}
LONGEST = timedelta(days=731)


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when, and what is wrong with what was asked for, by field."""

    name: str
    since: datetime
    until: datetime
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_own(self) -> bool:
        return self.name == OWN

    @property
    def fields(self) -> dict[str, str]:
        """The two ends as the page's fields have them, in its time zone."""
        return {
            "since": timezone.localtime(self.since).strftime("%Y-%m-%dT%H:%M"),
            "until": timezone.localtime(self.until).strftime("%Y-%m-%dT%H:%M"),
        }


def read(params: Mapping[str, str], now: datetime) -> Window:
    """The window that the address asks for; where its own makes no sense the usual one, with what is wrong."""
    if params.get("range") == OWN or ("range" not in params and params.get("since")):
        return _own(params, now)
    name = params.get("range", USUAL)
    name = name if name in RANGES else USUAL
    return Window(name, now - RANGES[name][1], now)


def _own(params: Mapping[str, str], now: datetime) -> Window:
    ends, faults = {"since": now - RANGES[USUAL][1], "until": now}, {}
    for name in ("since", "until"):
        try:
            if params.get(name):
                ends[name] = moment(params[name])
        except ValueError as fault:
            faults[name] = str(fault)
    if not faults and ends["until"] <= ends["since"]:
        faults["until"] = "The end must lie after the beginning."
    if not faults and ends["until"] - ends["since"] > LONGEST:
        faults["since"] = "Figures are kept for two years; ask for less."
    if faults:
        return Window(OWN, now - RANGES[USUAL][1], now, faults)
    return Window(OWN, ends["since"], ends["until"])
