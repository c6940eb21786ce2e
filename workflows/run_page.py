"""What the page of a run shows, for every view that answers with it: the run, and forms with their faults."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject, cached_property

from agents import spent
from agents.spent import RunSpending, Spent
from orchestra.kernel import fragments, registry
from orchestra.kernel.errors import NotFound
from orchestra.kernel.inbound import PageRequest
from workflows import items, partials, payloads, possible, progress
from workflows.items import ItemList
from workflows.models import PartialText, Run, RunStatus, Step, StepStatus
from workflows.payloads import Payload
from workflows.progress import RunProgress, StepProgress
from workflows.run_forms import AnswerForm, PriorityForm, SignalForm

REGIONS = {
    "run-head": "workflows/parts/run_head.html",
    "run-graph": "workflows/parts/run_graph.html",
    "run-steps": "workflows/parts/run_steps.html",
    "run-items": "workflows/parts/run_items.html",
    "run-resources": "workflows/parts/run_resources.html",
    "run-side": "workflows/parts/run_side.html",
    "run-signals": "workflows/parts/run_signals.html",
    "run-payloads": "workflows/parts/run_payloads.html",
    "run-panels": "parts/panels.html",
}
SHOWN_REPLAYS = 5
_JOINED = ("version__workflow", "parent")
_LEFT_OUT = ("version__definition", "output", "parent__input", "parent__output", "parent__history", "parent__choice")


def found(pk: int) -> Run:
    """The run with what its page names, or :class:`NotFound`."""
    run = Run.objects.select_related(*_JOINED).defer(*_LEFT_OUT).filter(pk=pk).first()
    if run is None:
        raise NotFound(f"There is no run #{pk}; it may have been removed, so go back to the list.")
    return run


def found_step(pk: int) -> tuple[int, str]:
    """The run and the name of a step, or :class:`NotFound`."""
    known = Step.objects.filter(pk=pk).values_list("run_id", "name").first()
    if known is None:
        raise NotFound("There is no such step; its run may have been removed.")
    return known


def render(
    request: PageRequest, run: Run, *, step: str = "", status: int = 200, forms: Mapping[str, Any] | None = None
) -> HttpResponse:
    """The page of ``run``; ``step`` is the one beside the table, ``forms`` those that were sent and had faults."""
    read: Any = SimpleLazyObject(lambda: progress.of_run(run))
    wanted = step or request.GET.get("step", "")
    costs: Any = SimpleLazyObject(lambda: spent.of_run(run.pk))
    chosen: Any = SimpleLazyObject(lambda: _Chosen(read, wanted, costs))
    context = {
        "run": run,
        "progress": read,
        "costs": costs,
        "statuses": lambda: {step.name: step.status for step in read.steps},
        "topics": lambda: " ".join(f"run:{pk}" for pk in [run.pk, *_children(read)]),
        "chosen": chosen,
        "possible": SimpleLazyObject(lambda: possible.with_run(run, read.definition, request.user)),
        "possible_with_step": SimpleLazyObject(lambda: possible.with_step(read, chosen.step, request.user)),
        "items": SimpleLazyObject(lambda: _items_of(request, chosen)),
        "serves_url": registry.link(run.serves_kind, run.serves_id),
        "repeated_as": lambda: list(run.replayed_as.values_list("pk", flat=True)[:SHOWN_REPLAYS]),
        "run_payloads": lambda: _payloads_of(run),
        "answer_form": SimpleLazyObject(lambda: AnswerForm.of_step(chosen.step.spec)),
        "signal_form": SimpleLazyObject(lambda: SignalForm(initial={"name": next(iter(read.awaited_signals), "")})),
        "priority_form": PriorityForm(initial={"priority": run.priority}),
        "panels": lambda: fragments.panels("run", run, request),
        "panels_id": "run-panels",
        "panel_topics": f"run:{run.pk}",
        **(forms or {}),
    }
    return fragments.render(request, "workflows/run.html", context, regions=REGIONS, status=status)


class _Chosen:
    """The task beside the table, with what it was given and gave."""

    def __init__(self, read: RunProgress, name: str, costs: RunSpending) -> None:
        self.progress, self.costs = read, costs
        self.step: StepProgress = read.step(name) or ("[" in name and progress.of_task(read, name)) or read.most_telling
        self.row = self.step.row
        self.agent_url = registry.link("agent", str(self.row.agent_id)) if self.row and self.row.agent_id else None

    @property
    def fan(self) -> StepProgress | None:
        """The fan-out that is looked at, itself or by one of its items."""
        step = self.progress.step(self.step.spec.name)
        return step if step is not None and step.items is not None else None

    @property
    def payloads(self) -> list[Payload]:
        """Input and output, which are read from the database only here."""
        row = self.row
        if row is None or row.status == StepStatus.PENDING:
            return []
        row.refresh_from_db(fields=["input", "output"])
        run = self.progress.run
        address = {side: reverse(f"step-{side}", args=[row.pk]) for side in ("input", "output")}
        shown = [payloads.of_value("Input", progress.input_of(run, self.step.spec, row), address["input"])]
        if row.output is not None or row.status == StepStatus.SUCCEEDED:
            shown.append(payloads.of_value("Output", row.output, address["output"]))
        return shown

    @property
    def can_report(self) -> bool:
        """Whether an agent is at work, which may tell what it has written so far."""
        return self.row is not None and self.row.status == StepStatus.RUNNING

    @cached_property
    def partial(self) -> PartialText | None:
        """What the call that goes on has written so far, if it tells."""
        return partials.of_steps([self.row]).get(self.row.pk) if self.row is not None else None

    @cached_property
    def cost(self) -> Spent | None:
        """What its calls of models have come to; nothing is asked for where the run called none."""
        if not self.costs.total.calls:
            return None
        if self.step.parent:
            return spent.of_task(self.progress.run.pk, self.step.name)
        return self.costs.steps.get(self.step.name)

    @property
    def child(self) -> Run | None:
        """The newest run of a step that is one."""
        if self.step.child is not None or not self.step.spec.workflow or self.row is None:
            return self.step.child
        return Run.objects.filter(parent=self.row).order_by("-pk").only("status").first()


def _items_of(request: PageRequest, chosen: _Chosen) -> dict[str, Any] | None:
    """A page of the items of the fan-out that is looked at."""
    fan = chosen.fan
    if fan is None or fan.items is None:
        return None
    run, now = chosen.progress.run, timezone.now()
    asked = {"step": fan.name, "status": request.GET.get("items", ""), "cursor": request.GET.get("after", "")}
    listing = ItemList(asked, run=run.pk, payloads=False)
    shown = listing.page()
    here = {"step": chosen.step.name, "items": asked["status"]}
    return {
        "fan": fan,
        "rows": items.rows_of(run, shown.rows, chosen.progress.definition, now),
        "status": asked["status"],
        "chips": [
            (share, f"?{urlencode({'step': chosen.step.name, 'items': share.status})}") for share in fan.items.shares
        ],
        "previous_url": shown.previous and f"?{urlencode(here | {'after': shown.previous})}",
        "next_url": shown.next and f"?{urlencode(here | {'after': shown.next})}",
    }


def _payloads_of(run: Run) -> list[Payload]:
    shown = [payloads.of_value("Input", run.input, reverse("run-input", args=[run.pk]))]
    if run.status == RunStatus.SUCCEEDED:
        shown.append(payloads.of_value("Output", run.output, reverse("run-output", args=[run.pk])))
    return shown


def _children(read: RunProgress) -> list[int]:
    return [step.child.pk for step in read.steps if step.child is not None][:20]
