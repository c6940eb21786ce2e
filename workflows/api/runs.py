"""Runs over the API: the list, a new one, one of them with everything about it, the items of its fan-outs."""

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from orchestra.kernel import rest
from workflows import engine, progress
from workflows.api.run_shapes import ItemOut, RunIn, RunOut, WholeRunOut
from workflows.items import ItemList
from workflows.models import Run
from workflows.runs import RunList


class Runs(rest.View):
    permissions = {"POST": "runs.start"}

    @rest.describes_list(RunList, RunOut)
    def get(self, request: rest.ApiRequest) -> Response:
        """Runs, the newest first."""
        return rest.page_of(request, RunList, RunOut)

    @rest.describes_creation(RunIn, RunOut)
    def post(self, request: rest.ApiRequest) -> Response:
        """Begin a run; its input must fit the workflow's `input_schema`."""
        given = self.valid(RunIn)
        return rest.create_once(request, lambda: RunOut(engine.start(**given, by=request.actor)).data)


class RunPage(rest.View):
    @extend_schema(responses=WholeRunOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        """A run with its steps, why each of them waits, what undoes them, and the signals that it was sent."""
        runs = Run.objects.select_related("version__workflow", "parent")
        run = rest.found(runs.defer("version__definition", "parent__input", "parent__output"), pk=pk)
        return Response(WholeRunOut(run, context={"progress": progress.of_run(run, payloads=True)}).data)


class Items(rest.View):
    @rest.describes_list(ItemList, ItemOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        """Items of the run's fan-outs, those that failed first; `step` names one fan-out."""
        run = rest.found(Run.objects.only("pk"), pk=pk)
        return rest.page_of(request, ItemList, ItemOut, run=run.pk)
