"""What was measured, tick by tick, and thresholds that look at it: for the tests of the evaluator and of previews."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from monitoring.alerting import evaluator
from monitoring.alerting.held import Held
from monitoring.models import AgentSample, Alert, Gauge, GaugeSample, Span, Threshold, Tick
from orchestra.kernel.models import Event
from tests.silent_writes import arranged

START = 1_750_000_200
"""A multiple of 30 s, some time ago."""


def threshold(name: str = "Queue too long", **columns: Any) -> Threshold:
    """One that fires at once when more than 5 wait in a queue, and resolves at once at 4, unless ``columns`` differ."""
    made: dict[str, Any] = {
        "metric": "queue_waiting",
        "operator": ">",
        "value": 5,
        "recovery_value": 4,
        "for_s": 0,
        "keep_firing_s": 0,
        **columns,
    }
    with arranged():
        return Threshold.objects.create(name=name, **made)


def tick(at: int, **columns: Any) -> Tick:
    return Tick.objects.create(at=at, holder="test", **columns)


def gauge(value: float | None, at: int, subject: str = "default", metric: str = "queue_waiting") -> None:
    """The value of a queue's gauge at a tick; None: nothing was measured."""
    if value is None:
        return
    row, _ = Gauge.objects.get_or_create(metric=metric, kind=metric.partition("_")[0], subject=subject)
    GaugeSample.objects.create(gauge=row, span=Span.TICK, at=at, total=value, least=value, most=value)


def took(agent: Any, seconds: float, at: int) -> None:
    """One call of an agent, which took so long and ended in the tick."""
    AgentSample.objects.create(agent_id=agent.pk, span=Span.TICK, at=at, calls=1, timed=1, judged=1, seconds=seconds)


def evaluate(at: int) -> int:
    """What the evaluator does when the tick has just been collected."""
    return evaluator.evaluate_due(datetime.fromtimestamp(at, UTC))


def live(values: Iterable[float | None], first: int = START, every: int = 30, subject: str = "default") -> int:
    """A tick after the other with these values, each evaluated as it comes; returns the last one's instant."""
    at = first
    for number, value in enumerate(values):
        at = first + number * every
        tick(at)
        gauge(value, at, subject)
        evaluate(at)
    return at


def restart() -> None:
    """As if another process evaluated from now on: it remembers nothing."""
    evaluator._held = Held()


def statuses() -> list[tuple[str, str]]:
    return list(Alert.objects.order_by("pk").values_list("subject_id", "status"))


def told() -> list[str]:
    """What was recorded of alerts, in its order."""
    return list(Event.objects.filter(target_kind="alert").order_by("number").values_list("action", flat=True))


def instant(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)
