"""What a definition asks of resources: rules that keep runs from waiting for ever, and wants nobody can serve. Pure."""

from collections.abc import Iterator, Sequence

from agents import granting, matching
from agents.granting import MAX_LINES, Line, Supply
from orchestra.kernel.errors import FieldError
from workflows.definition import held_at_once
from workflows.definition_checks import Placed, near


def faults(resources: Sequence[Line], steps: Placed, supplies: Sequence[Supply] | None) -> Iterator[FieldError]:
    """Faults of what runs and steps hold; with ``supplies``, the resources there are, also what could never be had."""
    if resources:
        yield from _fans_within(steps)
        yield from _of_request("resources", held_at_once(resources, [step for _, step in steps]), supplies)
    for path, step in steps:
        if supplies is not None:
            for index, line in enumerate(step.resources):
                yield from _of_line(f"{path}.resources[{index}]", line, supplies)
        if step.resources and not resources:
            yield from _of_request(f"{path}.resources", step.resources, supplies)
    if supplies is not None:
        for index, line in enumerate(resources):
            yield from _of_line(f"resources[{index}]", line, supplies)


def _fans_within(steps: Placed) -> Iterator[FieldError]:
    """How much a fan-out would take is not known at the beginning, when all must be taken."""
    for path, step in steps:
        if step.resources and step.for_each:
            message = (
                "A workflow that holds resources for its whole run takes those of its steps at the beginning, when it "
                "does not know how many items there are; ask for them at the top, or leave those at the top out."
            )
            yield {"path": f"{path}.resources", "message": message}


def _of_request(path: str, lines: Sequence[Line], supplies: Sequence[Supply] | None) -> Iterator[FieldError]:
    if len(lines) > MAX_LINES:
        yield {"path": path, "message": f"At most {MAX_LINES} resources can be asked for together, not {len(lines)}."}
    elif supplies is not None and _each_could(lines, supplies) and not granting.possible(lines, supplies):
        names = ", ".join(f"{line.units} × {line.type}" for line in lines)
        message = f"All that is asked for together ({names}) is more than there is, so it would wait for ever."
        yield {"path": path, "message": message}


def _each_could(lines: Sequence[Line], supplies: Sequence[Supply]) -> bool:
    return all(any(granting.could_serve(line, supply) for supply in supplies) for line in lines)


def _of_line(path: str, line: Line, supplies: Sequence[Supply]) -> Iterator[FieldError]:
    alike = [supply for supply in supplies if supply.type == line.type]
    fitting = [supply for supply in alike if matching.matches(line.wants, supply.specs)]
    if not alike:
        known = {supply.type for supply in supplies}
        message = f"There is no resource of the type {line.type}.{near(line.type, known) or ' Add one first.'}"
        yield {"path": f"{path}.type", "message": message}
    elif not fitting:
        message = f"No {line.type} is like that ({matching.say(line.wants)}), so it would wait for ever."
        yield {"path": f"{path}.specs", "message": message}
    elif all(supply.units < line.units for supply in fitting):
        most = max(supply.units for supply in fitting)
        message = f"One {line.type} serves all units, and none that fits has {line.units}; the largest has {most}."
        yield {"path": f"{path}.units", "message": message}
