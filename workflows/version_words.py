"""What two versions say differently, for people: each change as a sentence, the texts side by side. Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from workflows.version_changes import ADDED, REMOVED, Change

LONGEST = 80
CONTEXT = 3


def sentence(change: Change) -> str:
    """For example ``In step payment, retry.attempts changed from 3 to 5.``"""
    top, _, rest = change.path.partition(".")
    if top != "steps" or not rest:
        words = _of_field(change.path, change)
        return words[0].upper() + words[1:]
    step, _, field = rest.partition(".")
    if not field:
        return f"Step {step} was {change.kind}."
    return f"In step {step}, {_of_field(field, change)}"


def _of_field(name: str, change: Change) -> str:
    if change.kind == ADDED:
        return f"{name} was added: {_short(change.after)}."
    if change.kind == REMOVED:
        return f"{name} was removed; it was {_short(change.before)}."
    return f"{name} changed from {_short(change.before)} to {_short(change.after)}."


def _short(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = ", ".join(value) or "nothing"
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text with its number, from 1."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A line on each side; one of them is missing where something was added or removed."""

    before: Line | None
    after: Line | None
    changed: bool


@dataclass(frozen=True, slots=True)
class Block:
    """Pairs that stand together; ``folded`` ones say the same on both sides, far from any change."""

    pairs: Sequence[Pair]
    folded: bool = False


def side_by_side(before: str, after: str) -> list[Block]:
    """Both texts line by line, what is the same in both folded but for a few lines around each change."""
    old, new = before.splitlines(), after.splitlines()
    blocks: list[Block] = []
    shown: list[Pair] = []
    operations = SequenceMatcher(None, old, new).get_opcodes()
    for index, (kind, start, end, new_start, new_end) in enumerate(operations):
        pairs = list(_pairs(old, new, (start, end), (new_start, new_end), changed=kind != "equal"))
        if kind != "equal":
            shown += pairs
            continue
        head = CONTEXT if index else 0
        tail = CONTEXT if index < len(operations) - 1 else 0
        if len(pairs) <= head + tail + 1:  # to fold one line saves none
            shown += pairs
            continue
        blocks += [Block(shown + pairs[:head])] if shown or head else []
        blocks.append(Block(pairs[head : len(pairs) - tail], folded=True))
        shown = pairs[len(pairs) - tail :]
    return [*blocks, Block(shown)] if shown else blocks


def _pairs(
    old: Sequence[str], new: Sequence[str], here: tuple[int, int], there: tuple[int, int], *, changed: bool
) -> Iterator[Pair]:
    (start, end), (new_start, new_end) = here, there
    for offset in range(max(end - start, new_end - new_start)):
        before = Line(start + offset + 1, old[start + offset]) if start + offset < end else None
        after = Line(new_start + offset + 1, new[new_start + offset]) if new_start + offset < new_end else None
        yield Pair(before, after, changed)
