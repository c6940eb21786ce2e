"""What a proposed threshold would have done with what was recorded of the last week. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitoring.alerting import recorded
from monitoring.alerting.recorded import Choice
from orchestra.kernel.charts import Chart


@dataclass(frozen=True, slots=True)
class Tried:
    """The subject that is shown, with its chart; None where the scope holds nothing."""

    choice: Choice
    chart: Chart | None


def read(rule: Mapping[str, Any], asked: str, now: datetime, *, factor: float | None) -> Tried:
    """Replay ``rule``, which is whole and faultless, for the subject that is ``asked`` for.

    With a ``factor`` the limits of the chart are those that the fields of a form say.
    """
    choice = recorded.choose(rule, asked, now)
    if choice.chosen is None:
        return Tried(choice, None)
    return Tried(choice, recorded.chart(rule, choice.chosen, now, (), factor=factor))
