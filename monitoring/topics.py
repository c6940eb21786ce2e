"""Topics: the names under which a page hears of events: a kind, one object of a kind, or everything. Pure."""

import re
from collections.abc import Iterable

EVERYTHING = "events"
MOST = 64
_TOPIC = re.compile(r"[a-z][a-z_]{0,39}(:[^\s\x00-\x1f\x7f]{1,64})?")


def of_events(events: Iterable[tuple[str, str, str, str]]) -> set[str]:
    """The topics that ``events`` change; each is (target kind, target id, parent kind, parent id)."""
    found = {EVERYTHING}
    for target_kind, target_id, parent_kind, parent_id in events:
        found |= {target_kind, f"{target_kind}:{target_id}", parent_kind, f"{parent_kind}:{parent_id}"}
    return found - {"", ":"} if len(found) > 1 else set()


def read(values: object) -> frozenset[str]:
    """The topics that a browser asks for. Raises ValueError unless they are a short list of topics."""
    if not isinstance(values, list) or len(values) > MOST:
        raise ValueError(f"Ask for a list of at most {MOST} topics.")
    for value in values:
        if not isinstance(value, str) or _TOPIC.fullmatch(value) is None:
            raise ValueError(f"{value!r} is no topic; ask for a kind or kind:id.")
    return frozenset(values)
