"""Addresses of this app: ``pages`` under ``/``, ``api`` under ``/api/v1/``."""

from django.urls import URLPattern, URLResolver, path

from agents import api as endpoints
from agents import views
from agents.actions import ACTIONS

pages: list[URLPattern | URLResolver] = [
    path("agents/", views.agents, name="agents"),
    path("agents/add/", views.add, name="agent-add"),
    path("agents/<int:pk>/", views.agent, name="agent"),
    path("agents/<int:pk>/edit/", views.edit, name="agent-edit"),
    path("agents/<int:pk>/remove/", views.remove, name="agent-remove"),
    path("agents/<int:pk>/test/", views.test, name="agent-test"),
    *(path(f"agents/<int:pk>/{name}/", views.act, {"action": name}, name=f"agent-{name}") for name in ACTIONS),
]
api: list[URLPattern | URLResolver] = [
    path("agents/", endpoints.Agents.as_view(), name="api-agents"),
    path("agents/<int:pk>/", endpoints.AgentPage.as_view(), name="api-agent"),
    path("agents/<int:pk>/test/", endpoints.Test.as_view(), name="api-agent-test"),
    *(
        path(f"agents/<int:pk>/{name}/", endpoints.Act.as_view(action=name), name=f"api-agent-{name}")
        for name in ACTIONS
    ),
]
