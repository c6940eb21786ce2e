"""How heavy the inputs of steps are, as JSON text, so that an executor holds no more of them than its memory bears.

As Python objects they take about eight times as much.
"""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from weakref import WeakKeyDictionary

from orchestra.kernel.statements import fetch
from workflows.models import Run, Step

MAX_BATCH = 16 * 1024 * 1024
"""What the inputs of the runs read for one claim may have; the rest waits for the next turn."""
MAX_HELD = 48 * 1024 * 1024
"""What the inputs of calls in flight may have before one more is claimed."""
FEW = 16
"""So many runs are read without asking how heavy they are: together they cannot have more than a batch may."""
SIZES = "SELECT id, {size} FROM workflows_run WHERE id {{in}}"
_SIZE = {
    # What takes little room is not unpacked to be measured.
    "postgresql": "CASE WHEN pg_column_size(input) < 2000 THEN 2000 ELSE octet_length(input::text) END",
    "sqlite": "length(input)",
}

_of_runs: "WeakKeyDictionary[Run, int]" = WeakKeyDictionary()


def bounded(rows: Sequence[Step], known: Collection[int], vendor: str) -> list[Step]:
    """Those of locked steps whose runs, apart from those ``known`` already, are together not too heavy to be read.

    Each queue gives up the same part of what was meant for it. At least one step is kept.
    """
    fresh = {row.run_id for row in rows} - set(known)
    if len(fresh) <= FEW:
        return list(rows)
    (found,) = fetch((SIZES.format(size=_SIZE[vendor]), [fresh]))
    sizes = dict(found)
    if sum(sizes.values()) <= MAX_BATCH:
        return list(rows)
    kept: set[int] = set()
    total = 0
    for row in _in_turns(rows):
        total += sizes.pop(row.run_id, 0)
        if total > MAX_BATCH and kept:
            break
        kept.add(row.pk)
    return [row for row in rows if row.pk in kept]


def of_calls(steps: Sequence[Step]) -> dict[int, int]:
    """The weight of the inputs of claimed steps, each with its part of what it shares with others of its run."""
    share = Counter(step.run_id for step in steps)
    return {step.pk: _of_run(step.run) // share[step.run_id] + _of(step.input) for step in steps}


def _in_turns(rows: Sequence[Step]) -> list[Step]:
    """The rows of several queues such that the first of them hold the same part of each queue's."""
    counts, seen = Counter(row.queue for row in rows), Counter[str]()
    places = []
    for row in rows:
        places.append(seen[row.queue] / counts[row.queue])
        seen[row.queue] += 1
    return [rows[index] for index in sorted(range(len(rows)), key=places.__getitem__)]


def _of_run(run: Run) -> int:
    """A run comes back with each of its steps in a row, and is measured once."""
    size = _of_runs.get(run)
    if size is None:
        size = _of_runs[run] = _of(run.input)
    return size


def _of(value: object) -> int:
    return len(json.dumps(value)) if value else 0
