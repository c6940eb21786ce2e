"""Addresses of this app: ``pages`` under ``/``, ``api`` under ``/api/v1/``."""

from django.urls import URLPattern, URLResolver, path

from agents.actions import ACTIONS
from agents.api import agents as endpoints
from agents.api import pools as pool_endpoints
from agents.api import remote
from agents.api import resources as resource_endpoints
from agents.views import agents as views
from agents.views import bulk, pools
from agents.views import resources as resource_views

pages: list[URLPattern | URLResolver] = [
    path("agents/", views.agents, name="agents"),
    path("agents/add/", views.add, name="agent-add"),
    path("agents/bulk/", bulk.act_on_agents, name="agents-bulk"),
    path("agents/<int:pk>/", views.agent, name="agent"),
    path("agents/<int:pk>/edit/", views.edit, name="agent-edit"),
    path("agents/<int:pk>/remove/", views.remove, name="agent-remove"),
    path("agents/<int:pk>/test/", views.test, name="agent-test"),
    *(path(f"agents/<int:pk>/{name}/", views.act, {"action": name}, name=f"agent-{name}") for name in ACTIONS),
    path("pools/", pools.all_pools, name="pools"),
    path("pools/add/", pools.add, name="pool-add"),
    path("pools/<int:pk>/", pools.pool, name="pool"),
    path("pools/<int:pk>/edit/", pools.edit, name="pool-edit"),
    path("pools/<int:pk>/scale/", pools.scale, name="pool-scale"),
    path("pools/<int:pk>/autoscale/", pools.switch, {"autoscales": True}, name="pool-autoscale"),
    path("pools/<int:pk>/by-hand/", pools.switch, {"autoscales": False}, name="pool-by-hand"),
    path("pools/<int:pk>/remove/", pools.remove, name="pool-remove"),
    path("pools/<int:pk>/try/", pools.try_policy, name="pool-try"),
    path("pools/<int:pk>/decisions/", pools.decisions, name="pool-decisions"),
    path("resources/", resource_views.all_resources, name="resources"),
    path("resources/add/", resource_views.add, name="resource-add"),
    path("resources/<int:pk>/", resource_views.resource, name="resource"),
    path("resources/<int:pk>/remove/", resource_views.remove, name="resource-remove"),
    path("reservations/<int:pk>/", resource_views.reservation, name="reservation"),
    path("reservations/<int:pk>/release/", resource_views.release, name="reservation-release"),
]
api: list[URLPattern | URLResolver] = [
    path("agents/", endpoints.Agents.as_view(), name="api-agents"),
    path("agents/<int:pk>/", endpoints.AgentPage.as_view(), name="api-agent"),
    path("agents/<int:pk>/test/", endpoints.Test.as_view(), name="api-agent-test"),
    path("pools/", pool_endpoints.Pools.as_view(), name="api-pools"),
    path("pools/<int:pk>/", pool_endpoints.PoolPage.as_view(), name="api-pool"),
    path("pools/<int:pk>/scale/", pool_endpoints.Scale.as_view(), name="api-pool-scale"),
    path("pools/<int:pk>/decisions/", pool_endpoints.Decisions.as_view(), name="api-pool-decisions"),
    path("pools/<int:pk>/try/", pool_endpoints.Try.as_view(), name="api-pool-try"),
    path("agents/register/", remote.Register.as_view(), name="api-agent-register"),
    path("agents/<int:pk>/heartbeat/", remote.Heartbeat.as_view(), name="api-agent-heartbeat"),
    path("agents/<int:pk>/claim/", remote.Claim.as_view(), name="api-agent-claim"),
    path("agents/<int:pk>/goodbye/", remote.Goodbye.as_view(), name="api-agent-goodbye"),
    *(
        path(f"agents/<int:pk>/{name}/", endpoints.Act.as_view(action=name), name=f"api-agent-{name}")
        for name in ACTIONS
    ),
    path("resources/", resource_endpoints.Resources.as_view(), name="api-resources"),
    path("resources/<int:pk>/", resource_endpoints.ResourcePage.as_view(), name="api-resource"),
    path("reservations/", resource_endpoints.Reservations.as_view(), name="api-reservations"),
    path("reservations/<int:pk>/release/", resource_endpoints.Release.as_view(), name="api-reservation-release"),
]
