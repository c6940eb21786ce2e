"""Resources that nothing reserves. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from monitoring.advice.advised import Action, Advice, Evidence, Subject

UNUSED = "unused_resource"
IDLE_DAYS = 14


@dataclass(frozen=True, slots=True)
class ResourceFacts:
    """A resource that is enabled and of which nothing is held, with the days since it was last asked for."""

    id: int
    name: str
    type: str
    capacity: int
    days: int
    was_used: bool
    url: str


def advise(resource: ResourceFacts) -> Iterator[Advice]:
    if resource.days < IDLE_DAYS:
        return
    since = f"for {resource.days} days" if resource.was_used else f"in the {resource.days} days that there has been one"
    yield Advice(
        UNUSED,
        Subject("resource", str(resource.id), resource.name),
        f"Nothing has reserved {resource.name} ({resource.type}) {since}. "
        "Disable it; it can be enabled again at any time.",
        weight=float(resource.days),
        evidence=(
            Evidence("Days without a reservation", resource.days, "count", resource.url),
            Evidence("Units", resource.capacity, "count", resource.url),
        ),
        action=Action(
            "switch_resource",
            "Disable it",
            {"resource": resource.id, "before": {"enabled": True}, "after": {"enabled": False}},
        ),
    )
