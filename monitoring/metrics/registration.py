"""What the metrics add to the house: their tables are telemetry, and old samples are removed."""

from monitoring.metrics import tables
from orchestra.kernel import events, housekeeping


def register() -> None:
    """Called once, by the app's ``ready``."""
    events.TELEMETRY.update({"monitoring_tick", "monitoring_agentsample", "monitoring_countersseen"})
    events.TELEMETRY.update({"monitoring_gauge", "monitoring_gaugesample", "monitoring_runmeasure"})
    housekeeping.chores.register("old samples of agents", tables.AGENTS.forget_old)
    housekeeping.chores.register("old samples of gauges", tables.GAUGES.forget_old)
    housekeeping.chores.register("old measures of runs", tables.RUNS.forget_old)
    housekeeping.chores.register("old ticks", tables.forget_ticks)
