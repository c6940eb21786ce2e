"""Plans over the API: what a plan would be, carrying one out, and how that goes."""

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from agents import allocation_plan
from agents.allocation_plan import Plan
from agents.allocation_problem import Problem
from orchestra.kernel import rest
from workflows import allocation_list, allocation_requests, allocations
from workflows.allocation_list import AllocationList
from workflows.allocation_requests import Planned
from workflows.models import Allocation


class AgentOfPlanIn(rest.Serializer):
    """An agent: any id for a problem of numbers, the name or number of one of the fleet for real tasks."""

    id = serializers.CharField()
    capacity = serializers.FloatField(required=False, help_text="1 if not given; for real tasks its free slots.")


class TaskOfPlanIn(rest.Serializer):
    """A task. What has capabilities is for the real fleet, and can be carried out."""

    id = serializers.CharField()
    capabilities = serializers.ListField(child=serializers.CharField(), required=False)
    prefers = serializers.ListField(child=serializers.CharField(), required=False)
    input = serializers.JSONField(required=False)
    timeout = serializers.FloatField(required=False, help_text="Seconds for one try.")


class PlanIn(rest.Serializer):
    """An allocation problem. ``cost`` and ``demand`` have a row for each agent, an entry for each task.

    A cost of null: that agent cannot do it. Without demands each task takes 1. Real tasks need neither agents nor
    costs: then the dispatcher's scores for the fleet as it is now are maximised.
    """

    agents = serializers.ListField(child=AgentOfPlanIn(), required=False)
    tasks = serializers.ListField(child=TaskOfPlanIn())
    cost = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(allow_null=True)), required=False
    )
    demand = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(allow_null=True)), required=False
    )
    maximize = serializers.BooleanField(required=False)
    assignments = serializers.DictField(
        child=serializers.CharField(), required=False, help_text="A plan of one's own to judge or carry out."
    )


class AllocationIn(PlanIn):
    """Tasks for the fleet, to be planned and carried out."""

    queue = serializers.CharField(max_length=50, required=False)
    priority = serializers.IntegerField(required=False)
    reason = serializers.CharField(max_length=1000, required=False)


class FiguresOut(rest.Serializer):
    """What a plan comes to. ``gap_percent``: how far the objective may be from the optimum, in percent of it."""

    objective = serializers.FloatField(allow_null=True)
    bound = serializers.FloatField(allow_null=True)
    gap_percent = serializers.FloatField(allow_null=True)
    status = serializers.ChoiceField(["optimal", "feasible", "infeasible", "time_limit"])
    seconds = serializers.FloatField()


class GreedyOut(FiguresOut):
    """A plan: the agent's id for each task's; ``reasons`` say why tasks are without one."""

    assignments = serializers.DictField(child=serializers.CharField())
    reasons = serializers.ListField(child=serializers.CharField())


class PlanOut(GreedyOut):
    """The best plan, beside what taking the best free agent for each task in turn comes to."""

    greedy = GreedyOut()


class AssignmentOut(rest.Serializer):
    """A task of an allocation that is carried out. ``released``: why it may go to any agent after all."""

    task = serializers.CharField()
    agent = serializers.CharField(source="agent_name")
    greedy_agent = serializers.CharField(source="greedy_agent_name")
    cost = serializers.FloatField()
    status = serializers.CharField()
    run = serializers.IntegerField(source="run_id", allow_null=True)
    released = serializers.CharField()


class AllocationRowOut(rest.Serializer):
    """An allocation, as lists show it."""

    id = serializers.IntegerField()
    status = serializers.CharField()
    total = serializers.IntegerField()
    ended = serializers.IntegerField()
    succeeded = serializers.IntegerField()
    success_rate = serializers.FloatField(allow_null=True, help_text="Of the tasks that have ended.")
    plan = FiguresOut()
    greedy = FiguresOut()
    maximize = serializers.BooleanField()
    reason = serializers.CharField()
    started_by = serializers.CharField()
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    links = serializers.SerializerMethodField()

    @extend_schema_field(serializers.DictField(child=serializers.CharField()))
    def get_links(self, allocation: Allocation) -> dict[str, str]:
        return {"allocation": reverse("allocation", args=[allocation.pk])}


class AllocationOut(AllocationRowOut):
    """An allocation with the state of each of its tasks."""

    assignments = AssignmentOut(source="tasks.all", many=True)


class ReleasedOut(AllocationOut):
    """Likewise, and how many tasks may go to any agent now."""

    released = serializers.IntegerField()


class PlanPage(rest.View):
    """What a plan would be; nothing is begun."""

    permissions = {"POST": "allocations.plan"}

    @extend_schema(request=PlanIn, responses=PlanOut)
    def post(self, request: rest.ApiRequest) -> Response:
        return Response(_shown(allocation_requests.plan(request.data)))


class Allocations(rest.View):
    permissions = {"POST": "allocations.run"}

    @rest.describes_list(AllocationList, AllocationRowOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, AllocationList, AllocationRowOut)

    @rest.describes_creation(AllocationIn, AllocationOut)
    def post(self, request: rest.ApiRequest) -> Response:
        terms = allocation_requests.terms(request.data)
        planned = None if rest.is_repeated(request) else allocation_requests.plan(request.data)

        def begin() -> Any:
            found = planned or allocation_requests.plan(request.data)
            return _out(allocations.start(found, terms, by=request.actor).pk)

        return rest.create_once(request, begin)


class AllocationPage(rest.View):
    @extend_schema(responses=AllocationOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(_out(pk))


class Release(rest.View):
    """Let any agent take what still waits for its chosen one."""

    permissions = {"POST": "allocations.run"}

    @extend_schema(request=rest.ReasonIn, responses=ReleasedOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        count = allocations.release(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response({**_out(pk), "released": count})


def _shown(planned: Planned) -> dict[str, Any]:
    problem = planned.asked.problem
    return {**_plan(problem, planned.plan), "greedy": _plan(problem, planned.greedy)}


def _plan(problem: Problem, plan: Plan) -> dict[str, Any]:
    assignments = {str(task): agent for task, agent in allocation_plan.assignments(problem, plan).items()}
    return {"assignments": assignments, **allocations.figures(plan), "reasons": list(plan.reasons)}


def _out(pk: int) -> dict[str, Any]:
    return AllocationOut(allocation_list.found(pk)).data
