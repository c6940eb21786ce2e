"""Why a run or a step waits for resources: what it asks for, who holds that since when, and its place, in words."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse

from agents import resource_rows
from agents.resource_rows import Holding, Shortage
from orchestra.kernel import registry
from workflows.reasons import MOST_NAMES, Reason, clock, listed

CODE = "resources"


def of_holder(shortage: Shortage | None, now: datetime) -> Reason:
    """The reason of who waits; without a ``shortage`` it was granted just now."""
    if shortage is None:
        return Reason(CODE, "It was given the resources that it asked for, and goes on in a moment.")
    wanted = listed([resource_rows.in_words(line) for line in shortage.lines])
    said = f"It waits since {clock(shortage.since, now)} for {wanted}."
    if shortage.trouble:
        return Reason(CODE, f"{said} {shortage.trouble}", reverse("resources"))
    if shortage.holders:
        said = f"{said} {_held(shortage.holders, now)}"
    if shortage.ahead:
        verb = "stands" if shortage.ahead == 1 else "stand"
        said = f"{said} {shortage.ahead:,} {verb} before it."
    return Reason(CODE, said, _link(shortage))


def _held(holders: Sequence[Holding], now: datetime) -> str:
    """Who holds which resource since when, some of them."""
    by_resource: dict[str, list[str]] = defaultdict(list)
    for each in holders[:MOST_NAMES]:
        since, until = each.reservation.granted_at or now, each.reservation.expires_at
        lease = f"since {clock(since, now)}, lease until {clock(until, now)}"
        by_resource[each.line.resource_name].append(f"{each.reservation.holder} ({lease})")
    words = [f"{name} is held by {listed(who)}" for name, who in by_resource.items()]
    if len(holders) > MOST_NAMES:
        more = len(holders) - MOST_NAMES
        words.append(f"{more} more {'holds' if more == 1 else 'hold'} some as well")
    return f"{'; '.join(words)}."


def _link(shortage: Shortage) -> str:
    """The one resource that could serve it, or the list of its type."""
    resources = {each.line.resource_id for each in shortage.holders}
    if len(resources) == 1:
        return registry.link("resource", str(resources.pop())) or ""
    return f"{reverse('resources')}?{urlencode({'type': shortage.lines[0].type})}"
