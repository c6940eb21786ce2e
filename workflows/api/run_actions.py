"""What is done to runs and steps over the API. A state that does not allow it is a 409 that says what would."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from orchestra.kernel import rest
from orchestra.kernel.errors import Conflict
from orchestra.kernel.rest.schema import IDEMPOTENCY_KEY
from workflows import control, engine
from workflows.api.run_shapes import AnswerIn, MustReasonIn, PriorityIn, ReplayIn, RetryIn, RunOut, SignalIn
from workflows.models import Run, Step


class Cancel(rest.View):
    permissions = {"POST": "runs.cancel"}

    @extend_schema(request=MustReasonIn, responses=RunOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        """End a run now; what had succeeded and can be undone is undone first."""
        return _shown(control.cancel(pk, by=request.actor, **self.valid(MustReasonIn)))


class Pause(rest.View):
    permissions = {"POST": "runs.pause"}

    @extend_schema(request=MustReasonIn, responses=RunOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        """Let no further step begin; calls in flight end, and their answers are kept."""
        return _shown(control.pause(pk, by=request.actor, **self.valid(MustReasonIn)))


class Resume(rest.View):
    permissions = {"POST": "runs.pause"}

    @extend_schema(request=rest.ReasonIn, responses=RunOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        """Let a paused run go on."""
        return _shown(control.resume(pk, by=request.actor, **self.valid(rest.ReasonIn)))


class Retry(rest.View):
    permissions = {"POST": "runs.retry"}

    @extend_schema(request=RetryIn, responses=RunOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        """Let an ended run go on: all of it again, or from `from_step` on with what had not succeeded."""
        return _shown(control.retry(pk, by=request.actor, **self.valid(RetryIn)))


class SendSignal(rest.View):
    permissions = {"POST": "runs.signal"}

    @extend_schema(request=SignalIn, responses=RunOut, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        """Tell a run that something happened; a step that waits for it goes on, or the first that will."""
        given = self.valid(SignalIn)
        name, payload = given.pop("name"), given.pop("payload")
        answer = rest.create_once(
            request, lambda: RunOut(engine.signal(pk, name, payload, by=request.actor, **given)).data
        )
        answer.status_code = 200  # what is answered is the run, which is not new
        return answer


class Replay(rest.View):
    permissions = {"POST": "runs.start"}

    @rest.describes_creation(ReplayIn, RunOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        """Begin another run with the input of this one, or with the one given."""
        given = self.valid(ReplayIn)
        run = rest.found(Run.objects.select_related("version__workflow"), pk=pk)
        if run.serves_kind:
            raise Conflict(f"This run serves {run.serves_kind} {run.serves_id}, whose own actions begin another one.")
        terms: dict[str, Any] = {"input": run.input, "priority": run.priority, "tier": run.tier, "replays": pk} | given
        name = run.version.workflow.name
        return rest.create_once(request, lambda: RunOut(engine.start(name, by=request.actor, **terms)).data)


class Priority(rest.View):
    permissions = {"POST": "runs.prioritise"}

    @extend_schema(request=PriorityIn, responses=RunOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        """Change a run's priority, and so the place of its steps in the queue."""
        return _shown(control.prioritise(pk, by=request.actor, **self.valid(PriorityIn)))


class Answer(rest.View):
    permissions = {"POST": "runs.answer"}

    @extend_schema(request=AnswerIn, responses=RunOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        """Complete a step that waits for a person."""
        engine.answer(pk, by=request.actor, **self.valid(AnswerIn))
        return _shown(_run_of(pk))


class CancelStep(rest.View):
    permissions = {"POST": "runs.cancel"}

    @extend_schema(request=MustReasonIn, responses=RunOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        """Withdraw one step; its run goes on with what follows it."""
        _run_of(pk)
        return _shown(control.cancel_step(pk, by=request.actor, **self.valid(MustReasonIn)))


class GiveUpUndoing(rest.View):
    permissions = {"POST": "runs.cancel"}

    @extend_schema(request=MustReasonIn, responses=RunOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        """Try no further to undo a step: it is left for a person to settle, and the others go on being undone."""
        _run_of(pk)
        return _shown(control.give_up_undoing(pk, by=request.actor, **self.valid(MustReasonIn)))


class Requeue(rest.View):
    permissions = {"POST": "runs.retry"}

    @extend_schema(request=rest.ReasonIn, responses=RunOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        """Try a dead step again."""
        _run_of(pk)
        return _shown(control.requeue(pk, by=request.actor, **self.valid(rest.ReasonIn)))


def _run_of(step: int) -> Run:
    """The run of a step, or :class:`NotFound`."""
    found = rest.found(Step.objects.only("run_id"), pk=step)
    return Run.objects.select_related("version__workflow").get(pk=found.run_id)


def _shown(run: Run) -> Response:
    return Response(RunOut(run).data)
