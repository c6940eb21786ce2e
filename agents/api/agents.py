"""The fleet over the API."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from agents import fleet, trial
from agents.actions import ACTIONS
from agents.figures import with_recent
from agents.listing import AgentList
from agents.models import Agent, AgentKind
from agents.ports import with_load
from agents.spent import with_today
from orchestra.kernel import rest, secrets


class CircuitOut(rest.Serializer):
    """The breaker. ``probe_at``: when an open one lets a probe through, or when the probe sent counts as lost."""

    state = serializers.CharField(source="circuit")
    failures = serializers.IntegerField(source="consecutive_failures", help_text="In a row.")
    opened_at = serializers.DateTimeField(allow_null=True)
    probe_at = serializers.DateTimeField(allow_null=True)


class StatsOut(rest.Serializer):
    """Averages over about the last forty calls, percentiles of the last hour, and what it uses at present.

    docs/measurements.md says how each is measured; null: there was nothing to measure.
    """

    success_rate = serializers.FloatField(source="health.success_rate")
    response_time = serializers.FloatField(source="health.response_s", help_text="Seconds.")
    response_p50 = serializers.FloatField(source="recent.p50", allow_null=True, help_text="Seconds.")
    response_p95 = serializers.FloatField(source="recent.p95", allow_null=True, help_text="Seconds.")
    throughput_per_min = serializers.SerializerMethodField()
    error_rate = serializers.FloatField(source="health.error_rate")
    memory_bytes = serializers.IntegerField(source="recent.usage.memory_bytes", allow_null=True)
    cpu_percent = serializers.FloatField(
        source="recent.usage.cpu_percent", allow_null=True, help_text="100 is one processor."
    )
    measured_of = serializers.ChoiceField(
        ["process", "worker"],
        source="recent.usage.measured_of",
        allow_null=True,
        help_text="Whose memory that is: the agent's own process, or the worker that makes its calls.",
    )
    calls = serializers.IntegerField(source="health.calls")
    failures = serializers.IntegerField(source="health.failures")

    def get_throughput_per_min(self, agent: Agent) -> float:
        return round(agent.health.throughput_per_min(timezone.now()), 2)


class SpendingOut(rest.Serializer):
    """What its calls of today have cost, calls under way at the most that they may; see docs/language-models.md."""

    today = serializers.DecimalField(max_digits=20, decimal_places=9, source="cost")
    tokens_today = serializers.IntegerField(source="tokens")
    budget_per_day = serializers.DecimalField(max_digits=20, decimal_places=9, source="budget.per_day", allow_null=True)
    budget_per_run = serializers.DecimalField(max_digits=20, decimal_places=9, source="budget.per_run", allow_null=True)
    currency = serializers.CharField(source="budget.currency")


class AgentOut(rest.Serializer):
    """An agent with its breaker, statistics and load. Secrets are never answered, only that they are there."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    kind = serializers.ChoiceField(AgentKind.choices)
    status = serializers.CharField()
    config = serializers.SerializerMethodField(help_text="Values under a secret's name are masked.")
    secret_names = serializers.SerializerMethodField()
    pool = serializers.CharField(source="pool.name", default=None, allow_null=True)
    capabilities = serializers.SerializerMethodField()
    model = serializers.CharField()
    version = serializers.CharField()
    max_concurrency = serializers.IntegerField()
    failure_threshold = serializers.IntegerField()
    recovery_s = serializers.IntegerField()
    in_flight = serializers.IntegerField()
    circuit = CircuitOut(source="health")
    stats = StatsOut(source="*")
    spending = SpendingOut(allow_null=True, help_text="Null where it is no language model.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_config(self, agent: Agent) -> dict[str, Any]:
        return secrets.mask(agent.config)

    def get_secret_names(self, agent: Agent) -> list[str]:
        return sorted(agent.secrets or {})

    def get_capabilities(self, agent: Agent) -> list[str]:
        return sorted(capability.name for capability in agent.capabilities.all())


class AgentChange(rest.Serializer):
    """What can be changed of an agent; of ``secrets`` those that are named, and an empty one is removed."""

    name = serializers.CharField(max_length=100)
    description = serializers.CharField(max_length=300, allow_blank=True, required=False)
    config = serializers.DictField(child=serializers.JSONField(), required=False)
    secrets = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    capabilities = serializers.ListField(child=serializers.CharField(), required=False)
    model = serializers.CharField(max_length=100, allow_blank=True, required=False)
    version = serializers.CharField(max_length=50, allow_blank=True, required=False)
    max_concurrency = serializers.IntegerField(required=False)
    failure_threshold = serializers.IntegerField(required=False)
    recovery_s = serializers.IntegerField(required=False)
    reason = serializers.CharField(max_length=1000, allow_blank=True, required=False)


class AgentIn(AgentChange):
    """A new agent."""

    kind = serializers.ChoiceField(AgentKind.choices)
    pool = serializers.CharField(required=False, help_text="The name or number of the pool whose member it becomes.")


class TrialIn(rest.ReasonIn):
    """What the agent is asked."""

    input = serializers.JSONField(required=False, default=dict)


class UsageOut(rest.Serializer):
    """What a model took for it."""

    tokens_in = serializers.IntegerField()
    tokens_out = serializers.IntegerField()
    cost = serializers.FloatField()
    model = serializers.CharField()


class TrialOut(rest.Serializer):
    """What it answered."""

    outcome = serializers.ChoiceField(["succeeded", "failed", "timed_out"])
    output = serializers.JSONField(allow_null=True)
    error = serializers.CharField()
    seconds = serializers.FloatField()
    usage = UsageOut(allow_null=True)


class Agents(rest.View):
    permissions = {"POST": "agents.create"}

    @rest.describes_list(AgentList, AgentOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, AgentList, AgentOut)

    @rest.describes_creation(AgentIn, AgentOut)
    def post(self, request: rest.ApiRequest) -> Response:
        given = self.valid(AgentIn)
        kind, capabilities, reason = given.pop("kind"), given.pop("capabilities", []), given.pop("reason", "")

        def create() -> Any:
            return _shown(fleet.create(kind, given, capabilities, by=request.actor, reason=reason).pk)

        return rest.create_once(request, create)


class AgentPage(rest.View):
    permissions = {"PATCH": "agents.change", "DELETE": "agents.remove"}

    @extend_schema(responses=AgentOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(_shown(pk))

    @extend_schema(request=AgentChange(partial=True), responses=AgentOut)
    def patch(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(AgentChange, partial=True)
        capabilities, reason = given.pop("capabilities", None), given.pop("reason", "")
        fleet.change(pk, given, capabilities, by=request.actor, reason=reason)
        return Response(_shown(pk))

    @extend_schema(request=rest.ReasonIn, responses={204: None})
    def delete(self, request: rest.ApiRequest, pk: int) -> Response:
        fleet.remove(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(status=204)


class Act(rest.View):
    """Enable, drain, disable, or reset the breaker."""

    action = ""

    @property
    def permissions(self) -> dict[str, str]:  # type: ignore[override]  # depends on the action
        return {"POST": ACTIONS[self.action].permission}

    @extend_schema(request=rest.ReasonIn, responses=AgentOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        ACTIONS[self.action].perform(pk, request.actor, self.valid(rest.ReasonIn)["reason"])
        return Response(_shown(pk))


class Test(rest.View):
    """Call the agent with a made-up input."""

    permissions = {"POST": "agents.test"}

    @extend_schema(request=TrialIn, responses=TrialOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(TrialIn)
        return Response(TrialOut(trial.run(pk, given["input"], by=request.actor, reason=given["reason"])).data)


def _shown(pk: int) -> Any:
    row = rest.found(Agent.objects.select_related("health", "pool", "process").prefetch_related("capabilities"), pk=pk)
    return AgentOut(with_today(with_recent(with_load([row])))[0]).data
