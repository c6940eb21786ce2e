"""The admin of the fleet: seen and searched here, acted on through the verbs; configured on its own pages."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet

from agents.actions import ACTIONS
from agents.models import (
    Agent,
    AgentHealth,
    AgentMeasure,
    AgentProcess,
    Capability,
    ModelCall,
    Pool,
    PoolDecision,
    PoolSample,
    Reservation,
    ReservationLine,
    Resource,
    SpendingDay,
)
from agents.models.measures import BUCKET_COLUMNS
from orchestra.kernel import secrets
from orchestra.kernel.recorded_admin import ReadOnlyAdmin, ReadOnlyInline


class CapabilityInline(ReadOnlyInline):
    model = Capability


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


@admin.register(ModelCall)
class ModelCallAdmin(ReadOnlyAdmin):
    kind = "model_call"
    list_display = [
        "call",
        "agent",
        "run",
        "task",
        "model",
        "tokens_in",
        "tokens_out",
        "cost",
        "currency",
        "settled_at",
    ]
    list_filter = ["is_estimated", ("settled_at", admin.EmptyFieldListFilter)]
    list_select_related = ["agent"]
    search_fields = ["call__startswith", "correlation__exact", "run__exact"]
    search_help_text = "The beginning of a call's key, a correlation or the number of a run, written out in full."
    ordering = ["-id"]


@admin.register(SpendingDay)
class SpendingDayAdmin(ReadOnlyAdmin):
    kind = "spending_day"
    list_display = ["day", "agent", "calls", "tokens_in", "tokens_out", "cost"]
    list_select_related = ["agent"]
    search_fields = ["agent__name"]
    ordering = ["-day", "agent"]


class ReservationLineInline(ReadOnlyInline):
    model = ReservationLine
    fields = ("name", "type", "units", "wants", "resource_name")
    readonly_fields = ("name", "type", "units", "wants", "resource_name")


@admin.register(Resource)
class ResourceAdmin(ReadOnlyAdmin):
    kind = "resource"
    list_display = ["name", "type", "capacity", "enabled", "updated_at"]
    list_filter = ["enabled", "type"]
    search_fields = ["name", "type", "description"]
    ordering = ["type", "name"]


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyAdmin):
    kind = "reservation"
    list_display = ["id", "holder", "label", "status", "created_at", "granted_at", "expires_at", "ended_at"]
    list_filter = ["status", "kind"]
    search_fields = ["=run", "label"]
    ordering = ["-id"]
    inlines = [ReservationLineInline]


@admin.register(AgentHealth)
class CircuitAdmin(ReadOnlyAdmin):
    kind = "agent"
    list_display = ["agent", "circuit", "consecutive_failures", "opened_at", "probe_at", "calls", "failures"]
    list_filter = ["circuit"]
    list_select_related = ["agent"]
    search_fields = ["agent__name"]
    ordering = ["agent_id"]


@admin.register(AgentProcess)
class ProcessAdmin(ReadOnlyAdmin):
    kind = "agent"
    list_display = ["agent", "holder", "host", "pid", "restarts", "memory_bytes", "cpu_percent", "measured_at"]
    list_select_related = ["agent"]
    search_fields = ["agent__name", "holder", "host"]
    ordering = ["agent_id"]


@admin.register(AgentMeasure)
class MeasureAdmin(ReadOnlyAdmin):
    kind = "agent"
    list_display = ["agent", "span", "at", "calls", "failed_agent", "failed_timeout", "seconds", "slowest_s"]
    list_filter = ["span"]
    list_select_related = ["agent"]
    search_fields = ["=agent__name"]
    ordering = ["-id"]
    exclude = BUCKET_COLUMNS


@admin.register(Pool)
class PoolAdmin(ReadOnlyAdmin):
    kind = "pool"
    list_display = ["name", "kind", "min_size", "target", "max_size", "autoscales", "launcher", "updated_at"]
    list_filter = ["kind", "autoscales"]
    search_fields = ["name", "description"]
    ordering = ["name"]
    exclude = ["template", "secrets"]
    readonly_fields = ["masked_template", "secret_names"]

    @admin.display(description="Template")
    def masked_template(self, pool: Pool) -> Any:
        return secrets.mask(pool.template)

    @admin.display(description="Secrets")
    def secret_names(self, pool: Pool) -> str:
        return ", ".join(sorted(pool.secrets or {})) or "none"


@admin.register(PoolDecision)
class PoolDecisionAdmin(ReadOnlyAdmin):
    kind = "pool_decision"
    list_display = ["pool", "at", "decided", "size_before", "target", "code", "reason", "by"]
    list_filter = ["decided", "code"]
    list_select_related = ["pool"]
    search_fields = ["pool__name", "by"]
    ordering = ["-id"]
    show_full_result_count = False


@admin.register(PoolSample)
class PoolSampleAdmin(ReadOnlyAdmin):
    kind = "pool_sample"
    list_display = ["pool", "at", "size", "slots", "in_use", "waiting", "oldest_s"]
    list_filter = ["pool"]
    list_select_related = ["pool"]
    ordering = ["-id"]
    show_full_result_count = False
