"""Saves a group together with what its calls say of their agents, in the order of the locks."""

from collections.abc import Sequence

from agents import health
from workflows.group import Group


def with_calls(group: Group, counted: Sequence[health.Result]) -> None:
    """Save ``group`` and count the calls of agents that it settled; inside a unit.

    Agents come before resources in the order of locks. Without resources they come last, so that others wait for their
    rows as shortly as may be.
    """
    if group.holdings.is_touched:
        health.merge(counted, group.now)
        group.save()
    else:
        group.save()
        health.merge(counted, group.now)
