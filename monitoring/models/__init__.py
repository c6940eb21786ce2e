"""The tables of this app, by subject; each module says who writes its tables."""

from monitoring.models.advice import ADVICE_STATES, AdviceStatus, Recommendation
from monitoring.models.alerts import ALERT_STATES, Alert, AlertStatus
from monitoring.models.audit import Verification
from monitoring.models.metrics import AgentSample, CountersSeen, Gauge, GaugeSample, RunMeasure, Span, Tick
from monitoring.models.notification import (
    NOTIFICATION_STATES,
    AlertGroup,
    Channel,
    ChannelKind,
    Inhibition,
    Notification,
    NotificationKind,
    NotificationStatus,
    Route,
    Silence,
)
from monitoring.models.thresholds import NoData, Operator, ScopeKind, Severity, Threshold, ThresholdVersion

__all__ = [
    "ADVICE_STATES",
    "ALERT_STATES",
    "NOTIFICATION_STATES",
    "AdviceStatus",
    "AgentSample",
    "Alert",
    "AlertGroup",
    "AlertStatus",
    "Channel",
    "ChannelKind",
    "CountersSeen",
    "Gauge",
    "GaugeSample",
    "Inhibition",
    "NoData",
    "Notification",
    "NotificationKind",
    "NotificationStatus",
    "Operator",
    "Recommendation",
    "Route",
    "RunMeasure",
    "ScopeKind",
    "Severity",
    "Silence",
    "Span",
    "Threshold",
    "ThresholdVersion",
    "Tick",
    "Verification",
]
