"""Addresses of this app: ``pages`` under ``/``, ``api`` under ``/api/v1/``, ``sockets`` for the live connection."""

from django.urls import URLPattern, URLResolver, path

from monitoring.api import alerts as alerts_api
from monitoring.api import audit as audit_api
from monitoring.api import metrics as metrics_api
from monitoring.api import prometheus
from monitoring.api import recommendations as recommendations_api
from monitoring.api import silences as silences_api
from monitoring.api import thresholds as thresholds_api
from monitoring.consumers import LiveConsumer
from monitoring.views import alerts, audit, now, recommendations, silences, threshold_actions, thresholds

pages: list[URLPattern | URLResolver] = [
    path("", now.now, name="now"),
    path("metrics", prometheus.Metrics.as_view(), name="metrics"),
    path("alerts/thresholds/", thresholds.all_thresholds, name="thresholds"),
    path("alerts/thresholds/add/", thresholds.add, name="threshold-add"),
    path("alerts/thresholds/try/", thresholds.try_new, name="threshold-try-new"),
    path("alerts/thresholds/usual/", threshold_actions.add_usual, name="thresholds-usual"),
    path("alerts/thresholds/bulk/", threshold_actions.act_on_thresholds, name="thresholds-bulk"),
    path("alerts/thresholds/<int:pk>/", thresholds.threshold, name="threshold"),
    path("alerts/thresholds/<int:pk>/try/", thresholds.try_threshold, name="threshold-try"),
    path("alerts/thresholds/<int:pk>/versions/", threshold_actions.all_versions, name="threshold-versions"),
    path(
        "alerts/thresholds/<int:pk>/versions/<int:number>/restore/", threshold_actions.restore, name="threshold-restore"
    ),
    path("alerts/thresholds/<int:pk>/enable/", threshold_actions.switch, {"enabled": True}, name="threshold-enable"),
    path("alerts/thresholds/<int:pk>/disable/", threshold_actions.switch, {"enabled": False}, name="threshold-disable"),
    path("alerts/thresholds/<int:pk>/remove/", threshold_actions.remove, name="threshold-remove"),
    path("audit/", audit.audit, name="audit"),
    path("audit/verify/", audit.verify, name="audit-verify"),
    path("audit/stories/<str:correlation>/", audit.story, name="audit-story"),
    path("audit/<int:number>/", audit.event, name="audit-event"),
    path("recommendations/", recommendations.all_recommendations, name="recommendations"),
    path("recommendations/<int:pk>/", recommendations.recommendation, name="recommendation"),
    path("recommendations/<int:pk>/apply/", recommendations.apply, name="recommendation-apply"),
    path("recommendations/<int:pk>/dismiss/", recommendations.dismiss, name="recommendation-dismiss"),
    path("recommendations/<int:pk>/undo/", recommendations.undo, name="recommendation-undo"),
    path("recommendations/<int:pk>/try/", recommendations.try_out, name="recommendation-try"),
    path("alerts/", alerts.all_alerts, name="alerts"),
    path("alerts/bulk/", alerts.act_on_alerts, name="alerts-bulk"),
    path("alerts/<int:pk>/", alerts.alert, name="alert"),
    path("alerts/<int:pk>/acknowledge/", alerts.acknowledge, name="alert-acknowledge"),
    path("alerts/<int:pk>/unacknowledge/", alerts.unacknowledge, name="alert-unacknowledge"),
    path("alerts/<int:pk>/assign/", alerts.assign, name="alert-assign"),
    path("alerts/<int:pk>/note/", alerts.note, name="alert-note"),
    path("alerts/<int:pk>/resolve/", alerts.resolve, name="alert-resolve"),
    path("alerts/silences/", silences.all_silences, name="silences"),
    path("alerts/silences/add/", silences.add, name="silence-add"),
    path("alerts/silences/preview/", silences.preview, name="silence-preview"),
    path("alerts/silences/<int:pk>/", silences.silence, name="silence"),
    path("alerts/silences/<int:pk>/end/", silences.end, name="silence-end"),
]
api: list[URLPattern | URLResolver] = [
    path("metrics/", metrics_api.Catalogue.as_view(), name="api-metrics"),
    path("metrics/agents/", metrics_api.AgentMetrics.as_view(), name="api-metrics-agents"),
    path("metrics/series/", metrics_api.MetricSeries.as_view(), name="api-metrics-series"),
    path("audit/", audit_api.AuditEvents.as_view(), name="api-audit"),
    path("audit/verify/", audit_api.AuditVerification.as_view(), name="api-audit-verify"),
    path("audit/export/", audit_api.AuditExport.as_view(), name="api-audit-export"),
    path("recommendations/", recommendations_api.Recommendations.as_view(), name="api-recommendations"),
    path("recommendations/<int:pk>/", recommendations_api.RecommendationPage.as_view(), name="api-recommendation"),
    path("recommendations/<int:pk>/apply/", recommendations_api.Apply.as_view(), name="api-recommendation-apply"),
    path("recommendations/<int:pk>/dismiss/", recommendations_api.Dismiss.as_view(), name="api-recommendation-dismiss"),
    path("recommendations/<int:pk>/undo/", recommendations_api.Undo.as_view(), name="api-recommendation-undo"),
    path("thresholds/", thresholds_api.Thresholds.as_view(), name="api-thresholds"),
    path("thresholds/<int:pk>/", thresholds_api.ThresholdPage.as_view(), name="api-threshold"),
    path("thresholds/<int:pk>/versions/", thresholds_api.Versions.as_view(), name="api-threshold-versions"),
    path("thresholds/<int:pk>/restore/", thresholds_api.Restore.as_view(), name="api-threshold-restore"),
    path("alerts/", alerts_api.AllAlerts.as_view(), name="api-alerts"),
    path("alerts/<int:pk>/", alerts_api.AlertPage.as_view(), name="api-alert"),
    path("alerts/<int:pk>/acknowledge/", alerts_api.Acknowledge.as_view(), name="api-alert-acknowledge"),
    path("alerts/<int:pk>/extend/", alerts_api.Extend.as_view(), name="api-alert-extend"),
    path("alerts/<int:pk>/unacknowledge/", alerts_api.Unacknowledge.as_view(), name="api-alert-unacknowledge"),
    path("alerts/<int:pk>/resolve/", alerts_api.Resolve.as_view(), name="api-alert-resolve"),
    path("alerts/<int:pk>/note/", alerts_api.Note.as_view(), name="api-alert-note"),
    path("alerts/<int:pk>/assign/", alerts_api.Assign.as_view(), name="api-alert-assign"),
    path("silences/", silences_api.Silences.as_view(), name="api-silences"),
    path("silences/<int:pk>/", silences_api.SilencePage.as_view(), name="api-silence"),
]
sockets: list[URLPattern] = [path("ws/live/", LiveConsumer.as_asgi())]
