"""Addresses of this app: ``pages`` under ``/``, ``api`` under ``/api/v1/``, ``sockets`` for the live connection."""

from django.urls import URLPattern, URLResolver, path

from monitoring import api as endpoints
from monitoring import views
from monitoring.consumers import LiveConsumer

pages: list[URLPattern | URLResolver] = [
    path("", views.now, name="now"),
    path("audit/", views.audit, name="audit"),
    path("audit/verify/", views.verify, name="audit-verify"),
    path("audit/stories/<str:correlation>/", views.story, name="audit-story"),
    path("audit/<int:number>/", views.event, name="audit-event"),
]
api: list[URLPattern | URLResolver] = [
    path("audit/", endpoints.AuditEvents.as_view(), name="api-audit"),
    path("audit/verify/", endpoints.AuditVerification.as_view(), name="api-audit-verify"),
    path("audit/export/", endpoints.AuditExport.as_view(), name="api-audit-export"),
]
sockets: list[URLPattern] = [path("ws/live/", LiveConsumer.as_asgi())]
