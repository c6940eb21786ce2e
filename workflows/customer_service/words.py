"""The difference between two texts, word by word: from a draft to what a person made of it. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, takewhile
from operator import itemgetter
from typing import Literal, NamedTuple

Kind = Literal["same", "insert", "delete"]
_TOKENS = re.compile(r"(\s*)(\w+(?:['’]\w+)*|[^\w\s]|\Z)")
_WORDS = re.compile(r"\w+(?:['’]\w+)*")
SIZE_LIMIT = 15_000
"""Characters of one text above which texts are not even cut into words: all of one then replaces all of the other."""
MATCH_LIMIT = 3_000
"""Words of one text above which what lies between the common ends counts as replaced: matching grows as the square."""


class Token(NamedTuple):
    """A word or a sign, and the space before it; the last one of a text is empty and stands for its end."""

    gap: str
    word: str


@dataclass(frozen=True, slots=True)
class Extent:
    """How many words were kept, inserted and deleted."""

    kept: int = 0
    inserted: int = 0
    deleted: int = 0

    def as_dict(self) -> dict[str, int]:
        return asdict(self)

    def __str__(self) -> str:
        if not self.inserted and not self.deleted:
            return "no word changed"
        parts = [f"{count} {verb}" for count, verb in ((self.inserted, "added"), (self.deleted, "removed")) if count]
        return f"words: {', '.join(parts)}"


def difference(before: str, after: str) -> list[tuple[Kind, str]]:
    """The pieces of both texts in reading order; what is deleted stands before what takes its place."""
    runs = groupby(_pieces(before, after), key=itemgetter(0))
    return [(kind, "".join(text for _, text in run)) for kind, run in runs]


def extent(before: str, after: str) -> Extent:
    counts: dict[Kind, int] = {"same": 0, "insert": 0, "delete": 0}
    for kind, text in _pieces(before, after):
        counts[kind] += len(_WORDS.findall(text))
    return Extent(counts["same"], counts["insert"], counts["delete"])


def _pieces(before: str, after: str) -> Iterator[tuple[Kind, str]]:
    if before == after:
        yield from _present("same", before)
    elif max(len(before), len(after)) > SIZE_LIMIT:
        yield from _replaced(before, after)
    else:
        yield from _compared(*([Token(*found) for found in _TOKENS.findall(text)] for text in (before, after)))


def _compared(old: Sequence[Token], new: Sequence[Token]) -> Iterator[tuple[Kind, str]]:
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    end, new_end = len(old) - tail, len(new) - tail
    yield from _kept(old[:head], new[:head])
    yield from _matched(old[head:end], new[head:new_end])
    yield from _kept(old[end:], new[new_end:])


def _kept(old: Sequence[Token], new: Sequence[Token]) -> Iterator[tuple[Kind, str]]:
    """The same words in both, with whatever became of the space before each."""
    if old == new:
        yield from _present("same", _text(new))
        return
    for was, now in zip(old, new, strict=True):
        yield from _replaced(was.gap, now.gap)
        yield from _present("same", now.word)


def _replaced(old: str, new: str) -> Iterator[tuple[Kind, str]]:
    """One text in place of another; the space that both begin with is the same."""
    gap = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1] and pair[0].isspace(), zip(old, new, strict=False)))
    yield from _present("same", old[:gap])
    yield from _present("delete", old[gap:])
    yield from _present("insert", new[gap:])


def _present(kind: Kind, text: str) -> Iterator[tuple[Kind, str]]:
    if text:
        yield kind, text


def _text(tokens: Sequence[Token]) -> str:
    return "".join(gap + word for gap, word in tokens)


def _common(one: Sequence[Token], other: Sequence[Token]) -> int:
    """How many words both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a.word != b.word), min(len(one), len(other)))


def _matched(old: Sequence[Token], new: Sequence[Token]) -> Iterator[tuple[Kind, str]]:
    i = j = 0
    if max(len(old), len(new)) <= MATCH_LIMIT:
        for k, m in _pairs([token.word for token in old], [token.word for token in new]):
            yield from _replaced(_text(old[i:k]), _text(new[j:m]))
            yield from _kept(old[k : k + 1], new[m : m + 1])
            i, j = k + 1, m + 1
    yield from _replaced(_text(old[i:]), _text(new[j:]))


def _pairs(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Where the words of a longest common subsequence stand in both."""
    rows = _lengths(old, new)
    pairs: list[tuple[int, int]] = []
    i, j = len(old), len(new)
    while i and j:
        if rows[j] >> (i - 1) & 1:
            i -= 1
        elif not rows[j - 1] >> (i - 1) & 1:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]


def _lengths(old: Sequence[str], new: Sequence[str]) -> list[int]:
    """Lengths of longest common subsequences, a row of bits for every beginning of ``new``.

    Bit i of a row is 0 where the word i of ``old`` makes the subsequence one longer. A row follows from the one above
    by an addition over all of ``old`` at once (Hyyrö, 2004), so the cost depends on lengths only, never on the words.
    """
    places: dict[str, int] = {}
    for index, word in enumerate(old):
        places[word] = places.get(word, 0) | 1 << index
    everywhere = (1 << len(old)) - 1
    rows = [everywhere]
    for word in new:
        found = rows[-1] & places.get(word, 0)
        rows.append((rows[-1] + found | rows[-1] - found) & everywhere)
    return rows
