"""Why a step was given to its agent and who was left out, in words: what is stored with the step, read for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from agents.dispatch import BREAKER_OPEN, BUSY, HELD_ELSEWHERE, LACKS_CAPABILITY, NOT_CHOSEN, NOT_RUNNING, PULLED

CROWDS = {
    LACKS_CAPABILITY: "without the capability",
    BREAKER_OPEN: "with an open breaker",
    BUSY: "without a free slot",
    NOT_RUNNING: "whose process does not run",
    HELD_ELSEWHERE: "that another executor or a worker of its own calls",
    NOT_CHOSEN: "that its plan does not name",
}
"""After a count of agents: why they were no candidates; other codes are a status."""
REASONS = {
    "best score": "It scored best of {count} that could take the step.",
    "best for the batch": "Another scored better and went to a step that needs it more: they are planned together.",
    PULLED: "Its own worker asked for work, and this was the first in line that it can do.",
}
PROBE = "It was the call by which its open breaker was tried."


@dataclass(frozen=True, slots=True)
class Named:
    """An agent that could have done the step but for its obstacle, and until when that lasts, if it is known."""

    agent: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """So many agents that were no candidates for one reason; the first of them by name."""

    reason: str
    words: str
    count: int
    agents: tuple[Named, ...] = ()

    @property
    def unnamed(self) -> int:
        """How many more there are, where some are named."""
        return self.count - len(self.agents) if self.agents else 0


def because(choice: Mapping[str, Any]) -> str:
    """Why the agent was chosen, as a sentence; nothing if none was."""
    code = choice.get("because", "")
    if not code:
        return ""
    count = len(choice.get("candidates", ()))
    sentence = REASONS.get(code, f"{code[:1].upper()}{code[1:]}.").format(count=count)
    if code == "best score" and count == 1:
        sentence = "It was the only one that could take the step."
    return f"{sentence} {PROBE}" if choice.get("probe") else sentence


def left_out(choice: Mapping[str, Any]) -> list[LeftOut]:
    """Who was no candidate: those first who could do the step but for something that passes."""
    named: dict[str, list[Named]] = {}
    for each in choice.get("obstacles", ()):
        until = parse_datetime(each["until"]) if each.get("until") else None
        named.setdefault(each["reason"], []).append(Named(each["agent"], until))
    found = [
        LeftOut(code, crowd(code), count, tuple(named.get(code, ())))
        for code, count in choice.get("excluded", {}).items()
    ]
    return sorted(found, key=lambda each: (each.reason in (LACKS_CAPABILITY, NOT_CHOSEN), -each.count, each.reason))


def crowd(code: str) -> str:
    """Why agents were left out, after their count: ``without the capability``, ``draining``."""
    return CROWDS.get(code) or code.removeprefix("is_").replace("_", " ")
