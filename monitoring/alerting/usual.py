"""The thresholds that a new installation begins with: those of the reference, and what keeps an eye on the system."""

from collections.abc import Mapping, Sequence
from typing import Any

CALL_COUNTS_S = 45
"""So long a tick's calls count: until the next tick, and no longer. One failed call of an agent that is idle otherwise
does not fire, for without data the clock of what is pending stands still."""

USUAL: Sequence[Mapping[str, Any]] = (
    {
        "name": "Slow agent",
        "metric": "response_time",
        "value": 5.0,
        "recovery_value": 4.0,
        "for_s": 60,
        "keep_firing_s": 120,
        "no_data_after_s": CALL_COUNTS_S,
        "instruction": "Look at the agent's chart: is it slow since a change, or only under load? "
        "Give it more slots, scale its pool, or drain it until it answers faster.",
    },
    {
        "name": "Failing agent",
        "metric": "error_rate",
        "value": 0.05,
        "recovery_value": 0.02,
        "for_s": 60,
        "keep_firing_s": 300,
        "no_data_after_s": CALL_COUNTS_S,
        "severity": "critical",
        "instruction": "Read the errors on the agent's page. Drain it if others can do its work; "
        "dead letters of its steps can be sent again once it works.",
    },
    {
        "name": "Busy agent",
        "metric": "utilization",
        "value": 0.9,
        "recovery_value": 0.8,
        "for_s": 120,
        "keep_firing_s": 120,
        "instruction": "Nearly all of its slots are in use: steps will wait. Scale its pool, or give it more slots.",
    },
    {
        "name": "Dead letters",
        "metric": "queue_dead",
        "value": 0.0,
        "for_s": 0,
        "keep_firing_s": 0,
        "instruction": "Read why they failed, mend it, and send them again from the queue's page.",
    },
    {
        "name": "Figures come late",
        "metric": "collector_late",
        "value": 20.0,
        "recovery_value": 10.0,
        "for_s": 120,
        "keep_firing_s": 120,
        "instruction": "The machine or the database is overloaded: alerts come late too. "
        "Look at processor and disk, and give the executors more room.",
    },
    {
        "name": "Disk nearly full",
        "metric": "disk_free",
        "operator": "<",
        "value": 0.1,
        "recovery_value": 0.12,
        "for_s": 300,
        "keep_firing_s": 300,
        "severity": "critical",
        "instruction": "Free space on the disk of the data folder, or keep history for a shorter time.",
    },
    {
        "name": "Notifications fail",
        "metric": "notifications_failing",
        "value": 0.0,
        "for_s": 0,
        "keep_firing_s": 300,
        "instruction": "Open the channel: its last result says what went wrong, and its Test button tries it again.",
    },
)
