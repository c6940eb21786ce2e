"""How each metric of an agent is read from its samples: one sum over another. Pure.

So the same two sums give the value of a tick, of an hour and of a week, and that of a pool from those of its members.
"""

from dataclasses import dataclass

from monitoring.metrics.catalogue import TICK_S
from orchestra.kernel.series import MINUTE_S


@dataclass(frozen=True, slots=True)
class Ratio:
    """The value is ``factor`` times ``above`` by ``below``, both columns of AgentSample as SQL that can be summed up.

    Where ``below`` is 0 nothing was measured.
    """

    above: str
    below: str
    factor: float = 1.0


RATIOS = {
    "response_time": Ratio("seconds", "timed"),
    "success_rate": Ratio("judged - failed", "judged"),
    "error_rate": Ratio("failed", "judged"),
    "throughput_per_min": Ratio("calls", "ticks", MINUTE_S / TICK_S),
    "memory_bytes": Ratio("memory_bytes", "memory_samples"),
    "cpu_percent": Ratio("cpu_percent", "cpu_samples"),
    "utilization": Ratio("in_flight", "slots"),
}
