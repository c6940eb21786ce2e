"""The admin of the fleet: seen and searched here, acted on through the verbs; configured on its own pages."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet

from agents.actions import ACTIONS
from agents.models import Agent, Capability
from orchestra.kernel import secrets
from orchestra.kernel.recorded_admin import ReadOnlyAdmin


class CapabilityInline(admin.TabularInline):
    model = Capability
    extra = 0
    can_delete = False

    def has_add_permission(self, *_: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any) -> bool:
        return False

    def has_view_permission(self, *_: Any) -> bool:
        return True


@admin.register(Agent)
class AgentAdmin(ReadOnlyAdmin):
    kind = "agent"
    list_display = ["name", "kind", "status", "circuit", "calls", "max_concurrency", "updated_at"]
    list_filter = ["status", "kind", "health__circuit"]
    list_select_related = ["health"]
    search_fields = ["name", "description", "capabilities__name"]
    ordering = ["name"]
    exclude = ["config", "secrets"]
    readonly_fields = ["masked_config", "secret_names"]
    inlines = [CapabilityInline]
    actions = ["enable", "drain", "disable", "reset_circuit"]

    @admin.display(description="Breaker", ordering="health__circuit")
    def circuit(self, agent: Agent) -> str:
        return agent.health.get_circuit_display()

    @admin.display(description="Calls", ordering="health__calls")
    def calls(self, agent: Agent) -> int:
        return agent.health.calls

    @admin.display(description="Configuration")
    def masked_config(self, agent: Agent) -> Any:
        return secrets.mask(agent.config)

    @admin.display(description="Secrets")
    def secret_names(self, agent: Agent) -> str:
        return ", ".join(sorted(agent.secrets or {})) or "none"

    @admin.action(description="Enable")
    def enable(self, request: Any, agents: QuerySet[Agent]) -> None:
        self._act(request, agents, "enable", "enabled")

    @admin.action(description="Drain")
    def drain(self, request: Any, agents: QuerySet[Agent]) -> None:
        self._act(request, agents, "drain", "draining")

    @admin.action(description="Disable")
    def disable(self, request: Any, agents: QuerySet[Agent]) -> None:
        self._act(request, agents, "disable", "disabled")

    @admin.action(description="Reset breaker")
    def reset_circuit(self, request: Any, agents: QuerySet[Agent]) -> None:
        self._act(request, agents, "reset-circuit", "reset")

    def _act(self, request: Any, agents: QuerySet[Agent], name: str, done: str) -> None:
        perform = ACTIONS[name].perform
        self.each(request, agents, lambda actor, agent: perform(agent.pk, actor, "from the admin"), done)
