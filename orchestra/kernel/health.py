"""Whether this installation can do its work: what ``/readyz`` answers."""

from dataclasses import asdict, dataclass
from typing import Any

from django.db import DatabaseError

from orchestra.kernel import pulses

EXECUTOR_WITHIN_S = 30
PING_WITHIN_S = 120


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, whether it is well, and a sentence about it."""

    name: str
    ok: bool
    detail: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def findings() -> list[Finding]:
    """The database, the executors' heartbeats and the ping through the main cluster."""
    try:
        executors = pulses.alive(pulses.EXECUTOR, within_s=EXECUTOR_WITHIN_S).count()
        main_answers = pulses.alive(pulses.MAIN, within_s=PING_WITHIN_S).exists()
    except DatabaseError as error:
        return [Finding("database", False, f"The database does not answer: {str(error).splitlines()[0]}")]
    return [Finding("database", True, "The database answers."), _executors(executors), _main(answers=main_answers)]


def _executors(count: int) -> Finding:
    if count == 0:
        sentence = f"No executor has shown life for {EXECUTOR_WITHIN_S} s; start one with `manage.py worker`."
        return Finding("executors", False, sentence)
    return Finding("executors", True, f"{count} at work." if count > 1 else "One at work.")


def _main(*, answers: bool) -> Finding:
    if answers:
        return Finding("main", True, "The main cluster answers.")
    silence = f"The main cluster has not answered for {PING_WITHIN_S} s; start it with `manage.py worker`."
    return Finding("main", False, silence)
