"""The side of the API that remote workers use: docs/remote-worker.md tells it as a story."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from agents import remote
from agents.presence import Figures
from orchestra.kernel import rest
from orchestra.kernel.long_poll import poll_of

MOST_WAIT_S = 30.0
MOST_AT_ONCE = 100
MOST_TASKS = 10_000
MOST_PID = 2**31 - 1


class RegisterIn(rest.ReasonIn):
    """A worker, and what it can do. It is the agent of that name, which is made if there is none."""

    name = serializers.CharField(max_length=100)
    capabilities = serializers.ListField(child=serializers.CharField(max_length=100), max_length=100)
    max_concurrency = serializers.IntegerField(required=False, help_text="Tasks at a time.")
    version = serializers.CharField(max_length=50, allow_blank=True, required=False)
    model = serializers.CharField(max_length=100, allow_blank=True, required=False)
    pool = serializers.CharField(max_length=80, allow_blank=True, required=False, help_text="By its name.")
    host = serializers.CharField(max_length=255, allow_blank=True, required=False, default="")
    pid = serializers.IntegerField(min_value=1, max_value=MOST_PID, required=False, allow_null=True, default=None)


class RegisteredOut(rest.Serializer):
    """What the worker must know of itself: ``holder`` names this registration in all that it asks from now on."""

    id = serializers.IntegerField(source="agent.pk")
    name = serializers.CharField(source="agent.name")
    status = serializers.CharField(source="agent.status")
    holder = serializers.CharField()
    lease_s = serializers.FloatField(help_text="A task goes to another worker if its lease is not renewed for so long.")
    heartbeat_s = serializers.FloatField(help_text="The worker counts as offline if it is silent for so long.")


class HolderIn(rest.ReasonIn):
    """The registration of the worker that asks; without it the present one, which the caller must have made."""

    holder = serializers.CharField(max_length=100, allow_blank=True, required=False, default="")


class HeartbeatIn(HolderIn):
    """What its process uses, and the tasks that it still works on: their leases are renewed, or of all without any."""

    memory_bytes = serializers.IntegerField(min_value=0, max_value=2**62, required=False, allow_null=True, default=None)
    cpu_percent = serializers.FloatField(
        min_value=0, max_value=1e6, required=False, allow_null=True, default=None, help_text="100: one processor."
    )
    tasks = serializers.ListField(
        child=serializers.IntegerField(min_value=1),
        max_length=MOST_TASKS,
        required=False,
        allow_null=True,
        default=None,
    )


class HeartbeatOut(rest.Serializer):
    """What to do: ``stop`` tasks that are no longer its own, and claim no more if it is to ``drain``."""

    stop = serializers.ListField(child=serializers.IntegerField())
    drain = serializers.BooleanField()
    status = serializers.CharField()


class ClaimIn(HolderIn):
    """How many tasks at most, and for how long to wait where there is none."""

    max = serializers.IntegerField(min_value=1, max_value=MOST_AT_ONCE, required=False, default=1)
    wait_s = serializers.FloatField(min_value=0, max_value=MOST_WAIT_S, required=False, default=0.0)


class WorkOut(rest.Serializer):
    """A claimed task: a call as docs/agent-protocol.md has it. It is answered by its number and its lease."""

    task = serializers.IntegerField()
    lease = serializers.IntegerField()
    input = serializers.JSONField(allow_null=True)
    deadline = serializers.DateTimeField()
    key = serializers.CharField(help_text="The same for all attempts: make side effects idempotent by it.")
    attempt = serializers.IntegerField()
    correlation = serializers.CharField()
    config = serializers.DictField()


class GoodbyeIn(HolderIn):
    """The worker stops."""


class GoodbyeOut(rest.Serializer):
    """How many tasks went back to the queue."""

    released = serializers.IntegerField()


class Register(rest.View):
    permissions = {"POST": "agents.work"}

    @extend_schema(request=RegisterIn, responses=RegisteredOut)
    def post(self, request: rest.ApiRequest) -> Response:
        given = self.valid(RegisterIn)
        worker = {name: given.pop(name, "") for name in ("pool", "host", "pid", "reason")}
        name, capabilities = given.pop("name"), given.pop("capabilities")
        registration = remote.register(name, given, capabilities, **worker, by=request.actor)
        return Response(RegisteredOut(registration).data)


class Heartbeat(rest.View):
    permissions = {"POST": "agents.work"}

    @extend_schema(request=HeartbeatIn, responses=HeartbeatOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(HeartbeatIn)
        figures = Figures(given["memory_bytes"], given["cpu_percent"])
        beat = remote.heartbeat(pk, given["holder"], figures, given["tasks"], by=request.actor, reason=given["reason"])
        return Response(HeartbeatOut(beat).data)


class Claim(rest.View):
    """Looks once; the server asks it again while the worker waits (``kernel/long_poll.py``).

    What is claimed for a worker that is gone when it is to be told goes back.
    """

    permissions = {"POST": "agents.work"}

    @extend_schema(request=ClaimIn, responses=WorkOut(many=True))
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(ClaimIn)
        claimed = remote.claim(pk, given["holder"], given["max"], by=request.actor, reason=given["reason"])
        poll = poll_of(request._request)
        if poll is not None and claimed.work:
            poll.hands_over(lambda: remote.give_back(claimed))
        elif poll is not None:
            poll.again(claimed.awaits, given["wait_s"])
        return Response(_shown(claimed.work))


class Goodbye(rest.View):
    permissions = {"POST": "agents.work"}

    @extend_schema(request=GoodbyeIn, responses=GoodbyeOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(GoodbyeIn)
        released = remote.goodbye(pk, given["holder"], by=request.actor, reason=given["reason"])
        return Response(GoodbyeOut({"released": released}).data)


def _shown(work: Any) -> Any:
    return WorkOut(work, many=True).data
