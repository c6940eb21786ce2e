"""Addresses of this app: ``pages`` under ``/``, ``api`` under ``/api/v1/``."""

from django.urls import URLPattern, URLResolver, path

from workflows import api as endpoints
from workflows import views

pages: list[URLPattern | URLResolver] = [
    path("runs/", views.runs, name="runs"),
    path("runs/<int:pk>/", views.run, name="run"),
    path("runs/<int:pk>/cancel/", views.cancel, name="run-cancel"),
    path("steps/<int:pk>/", views.step, name="step"),
    path("workflows/", views.workflows, name="workflows"),
    path("workflows/<slug:name>/", views.workflow, name="workflow"),
    path("workflows/<slug:name>/<int:number>/", views.workflow, name="workflow"),
]
api: list[URLPattern | URLResolver] = [
    path("runs/", endpoints.Runs.as_view(), name="api-runs"),
    path("runs/<int:pk>/", endpoints.RunPage.as_view(), name="api-run"),
    path("runs/<int:pk>/cancel/", endpoints.Cancel.as_view(), name="api-run-cancel"),
    path("workflows/", endpoints.Workflows.as_view(), name="api-workflows"),
    path("workflows/<slug:name>/", endpoints.WorkflowPage.as_view(), name="api-workflow"),
    path("workflows/<slug:name>/versions/", endpoints.Versions.as_view(), name="api-workflow-versions"),
]
