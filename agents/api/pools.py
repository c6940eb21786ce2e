"""Pools over the API."""

from dataclasses import replace
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from agents import pool_figures, pool_history, pools, scaling_policy
from agents.models import Decided, Pool, PoolKind
from agents.pool_figures import Standing
from agents.pool_listing import DecisionList, PoolList
from orchestra.kernel import rest, secrets
from orchestra.kernel.lists import Page

JSON = serializers.DictField(child=serializers.JSONField(allow_null=True))
SHOWN_DECISIONS = 100


class DecisionOut(rest.Serializer):
    """What was decided on a pool's size, on which figures, and why. ``output`` is what its launcher printed."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    decided = serializers.ChoiceField(Decided.choices)
    code = serializers.CharField(help_text="Which rule decided.")
    reason = serializers.CharField()
    by = serializers.CharField()
    size_before = serializers.IntegerField()
    target = serializers.IntegerField()
    figures = JSON
    output = serializers.CharField()
    exit_code = serializers.IntegerField(allow_null=True)


class PoolOut(rest.Serializer):
    """A pool and how it stands. ``size`` counts its members that work or start, ``target`` how many there should be."""

    id = serializers.IntegerField(source="pool.pk")
    name = serializers.CharField(source="pool.name")
    description = serializers.CharField(source="pool.description")
    kind = serializers.ChoiceField(PoolKind.choices, source="pool.kind")
    template = serializers.SerializerMethodField(help_text="Values under a secret's name are masked.")
    secret_names = serializers.SerializerMethodField()
    launcher = serializers.CharField(source="pool.launcher")
    min_size = serializers.IntegerField(source="pool.min_size")
    max_size = serializers.IntegerField(source="pool.max_size")
    target = serializers.IntegerField(source="pool.target")
    policy = serializers.SerializerMethodField(help_text="With everything that is left to the defaults.")
    autoscales = serializers.BooleanField(source="pool.autoscales")
    size = serializers.IntegerField()
    starting = serializers.SerializerMethodField()
    draining = serializers.SerializerMethodField()
    set_aside = serializers.SerializerMethodField(help_text="Members that a person drained or disabled.")
    slots = serializers.IntegerField()
    in_use = serializers.IntegerField()
    load = serializers.FloatField(allow_null=True)
    waiting = serializers.IntegerField(source="waiting.count")
    oldest_s = serializers.FloatField(source="waiting.oldest_s")
    last_decision = DecisionOut(source="last", allow_null=True)
    created_at = serializers.DateTimeField(source="pool.created_at")
    updated_at = serializers.DateTimeField(source="pool.updated_at")

    @extend_schema_field(JSON)
    def get_template(self, standing: Standing) -> dict[str, Any]:
        return secrets.mask(standing.pool.template)

    def get_secret_names(self, standing: Standing) -> list[str]:
        return sorted(standing.pool.secrets or {})

    @extend_schema_field(JSON)
    def get_policy(self, standing: Standing) -> dict[str, Any]:
        return standing.pool.policy if standing.policy_fault else scaling_policy.whole(standing.policy)

    def get_starting(self, standing: Standing) -> int:
        return len(standing.starting)

    def get_draining(self, standing: Standing) -> int:
        return len(standing.draining)

    def get_set_aside(self, standing: Standing) -> int:
        return len(standing.aside)


class TemplateIn(rest.Serializer):
    """What members are made of."""

    description = serializers.CharField(max_length=300, allow_blank=True, required=False)
    config = serializers.DictField(child=serializers.JSONField(allow_null=True), required=False)
    capabilities = serializers.ListField(child=serializers.CharField(), required=False)
    model = serializers.CharField(max_length=100, allow_blank=True, required=False)
    version = serializers.CharField(max_length=50, allow_blank=True, required=False)
    max_concurrency = serializers.IntegerField(required=False)
    failure_threshold = serializers.IntegerField(required=False)
    recovery_s = serializers.IntegerField(required=False)


class PolicyIn(rest.Serializer):
    """A policy to try, with other limits if given."""

    policy = serializers.DictField(child=serializers.JSONField(allow_null=True), required=False)
    min_size = serializers.IntegerField(required=False)
    max_size = serializers.IntegerField(required=False)


class PoolChange(PolicyIn):
    """What can be changed of a pool; members follow the template. Of ``secrets`` those that are named change."""

    name = serializers.CharField(max_length=80)
    description = serializers.CharField(max_length=300, allow_blank=True, required=False)
    template = TemplateIn(required=False)
    secrets = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    launcher = serializers.CharField(max_length=100, allow_blank=True, required=False)
    autoscales = serializers.BooleanField(required=False)
    reason = serializers.CharField(max_length=1000, allow_blank=True, required=False)


class PoolIn(PoolChange):
    """A new pool."""

    kind = serializers.ChoiceField(PoolKind.choices)


class ScaleIn(rest.ReasonIn):
    """How many members it should have, and whether it goes on scaling by itself."""

    target = serializers.IntegerField(required=False)
    autoscales = serializers.BooleanField(required=False)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if not {"target", "autoscales"} & given.keys():
            raise serializers.ValidationError({"target": "Give a target, or whether it autoscales."})
        return given


class CourseOut(rest.Serializer):
    """How it went: agent-hours, and how long the oldest waited at 95 of 100 moments at most."""

    agent_hours = serializers.FloatField()
    p95_wait_s = serializers.FloatField()
    largest = serializers.IntegerField()


class MadeOut(rest.Serializer):
    """A change of size that the policy would have made."""

    at = serializers.DateTimeField()
    size_before = serializers.IntegerField()
    target = serializers.IntegerField(source="decision.target")
    code = serializers.CharField(source="decision.code")
    reason = serializers.CharField(source="decision.reason")


class TryOutOut(rest.Serializer):
    """What was recorded beside what it would have been, over ``hours`` of samples; all null if there are none."""

    since = serializers.DateTimeField(allow_null=True)
    until = serializers.DateTimeField(allow_null=True)
    hours = serializers.FloatField(allow_null=True)
    then = CourseOut(allow_null=True)
    with_this = CourseOut(allow_null=True)
    changes = serializers.IntegerField(allow_null=True)
    decisions = MadeOut(many=True, help_text=f"The last {SHOWN_DECISIONS} of them.")


class PoolStandings(PoolList):
    """Pools by name, with their figures in a constant number of queries."""

    def page(self) -> Page[Any]:
        page = super().page()
        return replace(page, rows=_standings(page.rows))


class DecisionsOfPool(DecisionList):
    """The decisions on a pool."""


class Pools(rest.View):
    permissions = {"POST": "pools.create"}

    @rest.describes_list(PoolStandings, PoolOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, PoolStandings, PoolOut)

    @rest.describes_creation(PoolIn, PoolOut)
    def post(self, request: rest.ApiRequest) -> Response:
        given = self.valid(PoolIn)
        kind, reason = given.pop("kind"), given.pop("reason", "")
        return rest.create_once(request, lambda: _shown(pools.create(kind, given, by=request.actor, reason=reason).pk))


class PoolPage(rest.View):
    permissions = {"PATCH": "pools.change", "DELETE": "pools.remove"}

    @extend_schema(responses=PoolOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(_shown(pk))

    @extend_schema(request=PoolChange(partial=True), responses=PoolOut)
    def patch(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(PoolChange, partial=True)
        reason = given.pop("reason", "")
        pools.change(pk, given, by=request.actor, reason=reason)
        return Response(_shown(pk))

    @extend_schema(request=rest.ReasonIn, responses={204: None, 200: PoolOut})
    def delete(self, request: rest.ApiRequest, pk: int) -> Response:
        """Removes a pool that never worked (204); another one is retired to size 0 and answered (200)."""
        if pools.remove(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"]):
            return Response(status=204)
        return Response(_shown(pk))


class Scale(rest.View):
    """Have it of another size, or switch autoscaling on or off."""

    permissions = {"POST": "pools.scale"}

    @extend_schema(request=ScaleIn, responses=PoolOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(ScaleIn)
        if "autoscales" in given:
            pools.switch(pk, given["autoscales"], by=request.actor, reason=given["reason"])
        if "target" in given:
            pools.scale(pk, given["target"], by=request.actor, reason=given["reason"])
        return Response(_shown(pk))


class Decisions(rest.View):
    @rest.describes_list(DecisionsOfPool, DecisionOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        rest.found(Pool.objects.all(), pk=pk)
        return rest.page_of(request, DecisionsOfPool, DecisionOut, pool=pk)


class Try(rest.View):
    """Replay a policy over what was recorded of the last week; nothing is changed."""

    permissions = {"POST": "pools.try"}

    @extend_schema(request=PolicyIn, responses=TryOutOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        pool = rest.found(Pool.objects.all(), pk=pk)
        tried = pool_history.try_out(pool, self.valid(PolicyIn), by=request.actor)
        if tried is None:
            names = ("since", "until", "hours", "then", "with_this", "changes")
            return Response({**dict.fromkeys(names), "decisions": []})
        shown = {name: getattr(tried, name) for name in ("since", "until", "hours", "then", "with_this")}
        made = {"changes": len(tried.decisions), "decisions": tried.decisions[-SHOWN_DECISIONS:]}
        return Response(TryOutOut({**shown, **made}).data)


def _shown(pk: int) -> Any:
    pool = rest.found(pool_figures.with_last(Pool.objects.all()), pk=pk)
    return PoolOut(_standings([pool])[0]).data


def _standings(rows: list[Pool]) -> Any:
    return pool_figures.read(rows, timezone.now())
