"""What the contract suite plays every kind of agent on. ``stages.py`` says how to add one."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from agents.invoke import invoke
from agents.outcomes import Call, Outcome

ANSWERS = "answers"
"""It answers well, with the stage's ``answer``."""
FAILS = "fails"
"""It says that it cannot just now: by its own fault, and another try may help."""
REFUSES = "refuses"
"""It says that what it was asked makes no sense: by the caller's fault, and no other try helps."""
SLEEPS = "sleeps"
"""It takes the call and says nothing for a minute."""
CRASHES = "crashes"
"""It raises, dies, or drops the connection in the middle."""
NOT_JSON = "not json"
TOO_LARGE = "too large"
"""50 MB, or as much as its channel lets through."""
ENDLESS = "endless"
"""It begins an answer and never ends it."""
TOO_DEEP = "too deep"
"""100 levels of lists in its output."""
NUL = "nul"
"""Its output holds a NUL character."""
PENDING = "pending"
"""It says that the answer comes later."""
GARBLED = "garbled"
"""It fails, and says so in :data:`GARBLED_WORDS`."""
GARBLED_PENDING = "garbled pending"
"""It says in these words what it waits for."""
GARBLED_WORDS = "The printer\x00 is \ud800 out of paper. " + "Really! " * 500
"""What no database can store, and more of it than anybody reads."""

BROKEN_ANSWERS = (NOT_JSON, TOO_LARGE, ENDLESS, TOO_DEEP, NUL)
BEHAVIOURS = (ANSWERS, FAILS, REFUSES, SLEEPS, CRASHES, *BROKEN_ANSWERS, PENDING, GARBLED, GARBLED_PENDING)


class Stage:
    """An agent of one kind that does as the input of a call tells it: ``{"behaviour": …}``, one of BEHAVIOURS."""

    kind = ""
    lacks: Mapping[str, str] = {}
    """What this kind cannot do, and why: the suite skips it, visibly."""
    answer: Any = {"echo": ANSWERS}
    retryable: Sequence[str] = ()
    """Broken answers after which another try may help, because the agent is started anew for it."""
    bad_configs: Sequence[tuple[Mapping[str, Any], str]] = ()
    """Configurations with one fault each, and the path that the fault must name."""
    marks: Sequence[Any] = ()
    """Marks of pytest, such as that of the database."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self.secrets: dict[str, Any] = {}
        self.calls: list[tuple[str, int]] = []
        """Key and attempt of each call that arrived at the agent."""

    async def open(self, settings: Any) -> None:
        """Start what the agent needs, on loopback; ``settings`` are Django's, for the time of the test."""

    async def close(self) -> None:
        """End all that was started."""

    async def call(self, behaviour: str, *, key: str = "key-1", attempt: int = 1, timeout_s: float = 60) -> Outcome:
        """The outcome of one call, as an executor would get it."""
        deadline = timezone.now() + timedelta(seconds=timeout_s)
        call = Call({"behaviour": behaviour}, self.config, key, attempt, deadline, "story", self.secrets)
        return await invoke(self.kind, call, timeout_s=timeout_s)
