"""What became of each row of a bulk action: done, skipped, refused with a reason; kept until a page shows it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypedDict

from django.http import HttpRequest

from orchestra.kernel.errors import OrchestraError

KEY = "tally"
MOST_TOLD = 100


class Refused(TypedDict):
    """A row to which nothing was done, and why."""

    label: str
    url: str
    reason: str


@dataclass(slots=True)
class Tally:
    """``tally = Tally("cancelled")``; then for each row ``with tally.trying("run #7", url): verb(…)``."""

    word: str = "done"
    done: int = 0
    skipped: int = 0
    refused: int = 0
    told: list[Refused] = field(default_factory=list)

    @contextmanager
    def trying(self, label: str, url: str = "") -> Iterator[None]:
        """Counts what is done to one row; a refusal is counted with its reason, and the next row goes on."""
        try:
            yield
        except OrchestraError as error:
            self.refuse(label, error.detail, url)
        else:
            self.done += 1

    def refuse(self, label: str, reason: str, url: str = "") -> None:
        self.refused += 1
        if len(self.told) < MOST_TOLD:
            self.told.append({"label": label, "url": url, "reason": reason})

    @property
    def sentence(self) -> str:
        """``480 cancelled, 12 skipped, 8 refused.``"""
        parts = [f"{self.done:,} {self.word}"]
        parts += [f"{count:,} {word}" for count, word in self._rest if count]
        return f"{', '.join(parts)}."

    @property
    def untold(self) -> int:
        """How many refusals there were beyond those that are told."""
        return self.refused - len(self.told)

    @property
    def _rest(self) -> list[tuple[int, str]]:
        return [(self.skipped, "skipped"), (self.refused, "refused")]

    def keep(self, request: HttpRequest) -> None:
        """For the next page that shows the result; a later action's takes its place."""
        request.session[KEY] = {"word": self.word, "counts": [self.done, self.skipped, self.refused], "told": self.told}


def taken(request: HttpRequest) -> Tally | None:
    """The result of the action before this page, once."""
    kept: dict[str, Any] | None = request.session.pop(KEY, None)
    if kept is None:
        return None
    done, skipped, refused = kept["counts"]
    return Tally(kept["word"], done, skipped, refused, kept["told"])
