"""Who is given which resources: all that a request asks for or nothing, in the order of asking. Pure.

A request that must wait keeps every resource that could serve one of its lines from those who asked later. So it waits
at most until those before it have ended, whatever comes after it; what it can never use is not kept from anybody, and
one that nothing there is could serve keeps nothing at all. ``docs/decisions/0009-resources.md`` has the argument.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents import matching

MAX_LINES = 20
MOST_TRIES = 2_000
"""Ways to serve a request that are looked at; a request that needs more than these counts as one that does not fit."""


@dataclass(frozen=True, slots=True)
class Supply:
    """A resource: its units in all, and what it is like."""

    id: int
    type: str
    units: int
    specs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """So many units of one resource of a type that is like ``wants``."""

    name: str
    type: str
    units: int = 1
    wants: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """Lines that are granted together; of requests, the lower number asked first."""

    id: int
    lines: tuple[Line, ...]


Grant = Mapping[str, int]
"""The resource that serves each line, by the line's name."""


@dataclass(slots=True)
class Verdict:
    """What is granted now, by request; what is left of each resource; and which are kept for requests that wait."""

    grants: dict[int, Grant]
    free: dict[int, int]
    kept: set[int]


def grant(
    supplies: Collection[Supply],
    used: Mapping[int, int],
    waiting: Sequence[Request],
    horizons: Mapping[str, int] | None = None,
) -> Verdict:
    """Go through ``waiting``, in the order of asking, with what ``used`` leaves of ``supplies``.

    ``horizons`` are the types of which not all requests are known: those after the number may not take of them, since
    somebody unknown may stand before them.
    """
    free = {supply.id: supply.units - used.get(supply.id, 0) for supply in supplies}
    verdict, beyond = Verdict({}, free, set()), horizons or {}
    for request in sorted(waiting, key=lambda each: each.id):
        open_ = [each for each in supplies if each.id not in verdict.kept and free[each.id] > 0]
        if not open_:
            break
        open_ = [supply for supply in open_ if request.id <= beyond.get(supply.type, request.id)]
        served = assign(request.lines, open_, free)
        if served is None:
            if possible(request.lines, supplies):
                verdict.kept |= {each.id for each in supplies if any(could_serve(line, each) for line in request.lines)}
            continue
        verdict.grants[request.id] = served
        for line in request.lines:
            free[served[line.name]] -= line.units
    return verdict


def possible(lines: Sequence[Line], supplies: Collection[Supply]) -> bool:
    """Whether ``supplies`` could serve all of ``lines`` together if nobody else held anything."""
    return assign(lines, supplies, {supply.id: supply.units for supply in supplies}) is not None


def could_serve(line: Line, supply: Supply) -> bool:
    """Whether the resource could ever serve the line, by its type, its units in all and what it is like."""
    return line.type == supply.type and line.units <= supply.units and matching.matches(line.wants, supply.specs)


def assign(lines: Sequence[Line], supplies: Collection[Supply], free: Mapping[int, int]) -> dict[str, int] | None:
    """A resource with enough free units for each line, or None; the tightest fit, so that special ones stay free."""
    options = {line.name: _options(line, supplies, free) for line in lines}
    hardest_first = sorted(lines, key=lambda line: (len(options[line.name]), -line.units, line.name))
    search = _Search(options, dict(free))
    return search.chosen if search.through(hardest_first) else None


def _options(line: Line, supplies: Collection[Supply], free: Mapping[int, int]) -> list[int]:
    able = [each for each in supplies if line.units <= free.get(each.id, 0) and could_serve(line, each)]
    able.sort(key=lambda each: (*matching.waste(line.wants, each.specs), free[each.id] - line.units, each.id))
    return [supply.id for supply in able]


@dataclass(slots=True)
class _Search:
    """Depth-first with bounded effort: a few lines over a few resources need a handful of tries."""

    options: Mapping[str, Sequence[int]]
    free: dict[int, int]
    chosen: dict[str, int] = field(default_factory=dict)
    tries: int = 0

    def through(self, lines: Sequence[Line]) -> bool:
        if not lines:
            return True
        line, rest = lines[0], lines[1:]
        for option in self.options[line.name]:
            self.tries += 1
            if self.tries > MOST_TRIES:
                return False
            if self.free[option] < line.units:
                continue
            self.free[option] -= line.units
            self.chosen[line.name] = option
            if self.through(rest):
                return True
            self.free[option] += line.units
        return False
