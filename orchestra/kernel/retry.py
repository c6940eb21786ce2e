"""When to try again: exponential backoff with full jitter, as a pure value."""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a step may be tried and how long to wait between tries; durations in seconds."""

    attempts: int = 1
    delay_s: float = 1.0
    factor: float = 2.0
    max_delay_s: float = 60.0
    jitter: bool = True

    def allows(self, attempt: int) -> bool:
        """Whether another try may follow after ``attempt`` tries (the first is 1)."""
        return attempt < self.attempts

    def delay_after(self, attempt: int, uniform: Callable[[float, float], float] = random.uniform) -> float:
        """Seconds to wait after the ``attempt``-th try failed.

        ``min(max_delay, delay * factor^(attempt-1))``; with jitter a uniform draw between half of that and all of
        it, so that a crowd that failed together does not come back together.
        """
        try:
            ceiling = min(self.max_delay_s, self.delay_s * self.factor ** (attempt - 1))
        except OverflowError:
            ceiling = self.max_delay_s
        return uniform(ceiling / 2, ceiling) if self.jitter else ceiling
