"""Runs, steps and items as the API shows and takes them. Values under a secret's name are masked in every answer."""

from typing import Any

from django.conf import settings
from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents import spent
from orchestra.kernel import canonical, registry, rest, secrets
from workflows import chosen, partials, progress
from workflows.models import Run
from workflows.progress import RunProgress, StepProgress

MOST_LINKS = 50
REPEATED_INPUT = 16 * 1024
"""A run's input is told again at each step that is given it, if it is no longer than this."""


class Masked(serializers.JSONField):
    """A JSON value in which secrets are hidden by the names of their keys."""

    def to_representation(self, value: Any) -> Any:
        return secrets.mask(value)


class CandidateOut(rest.Serializer):
    """An agent that could have done the step, with the weighted parts of its score."""

    agent = serializers.CharField()
    score = serializers.FloatField()
    parts = serializers.DictField(child=serializers.FloatField())


class NamedOut(rest.Serializer):
    """An agent that could have done the step but for what was in its way, and until when that lasts, if known."""

    agent = serializers.CharField()
    until = serializers.DateTimeField(allow_null=True)


class LeftOutOut(rest.Serializer):
    """Agents that were no candidates for one reason; the first of them are named unless they lack the capability."""

    reason = serializers.CharField()
    words = serializers.CharField()
    count = serializers.IntegerField()
    agents = NamedOut(many=True)


class WaitingOut(rest.Serializer):
    """Why it is not running: a code, a sentence, and the address of a page that shows what it waits for."""

    reason = serializers.CharField(source="code")
    detail = serializers.CharField()
    link = serializers.CharField()


class ItemsOut(rest.Serializer):
    """The items of a fan-out: how many there are, and how many of those begun are in which status."""

    total = serializers.IntegerField()
    counts = serializers.DictField(child=serializers.IntegerField())


class UndoOut(rest.Serializer):
    """What undoes the step, as far as that has come; of a fan-out see the items."""

    name = serializers.CharField()
    status = serializers.CharField()
    attempt = serializers.IntegerField(source="row.attempt")
    agent = serializers.CharField()
    waiting = WaitingOut(allow_null=True)
    started_at = serializers.DateTimeField(source="row.started_at", allow_null=True)
    finished_at = serializers.DateTimeField(source="row.finished_at", allow_null=True)
    error = serializers.CharField(source="row.error")


class SpentOut(rest.Serializer):
    """What calls of models have come to; those under way, or never settled, count at the most that they may cost."""

    calls = serializers.IntegerField()
    tokens_in = serializers.IntegerField()
    tokens_out = serializers.IntegerField()
    costs = serializers.DictField(
        child=serializers.DecimalField(max_digits=20, decimal_places=9), help_text="By currency."
    )
    models = serializers.ListField(child=serializers.CharField())
    under_way = serializers.IntegerField()
    never_settled = serializers.IntegerField(source="lost")
    estimated = serializers.IntegerField(help_text="Calls whose tokens the server did not count.")


class StepOut(rest.Serializer):
    """A step of a run; one that was not reached is ``pending``. ``id`` is what ``steps/ID/…`` takes."""

    id = serializers.IntegerField(source="row.pk", default=None, allow_null=True)
    name = serializers.CharField()
    kind = serializers.CharField(source="spec.kind")
    status = serializers.CharField()
    attempt = serializers.IntegerField(source="row.attempt", default=0)
    round = serializers.IntegerField(source="row.round", default=0, help_text="How often it was repeated.")
    agent = serializers.SerializerMethodField()
    candidates = serializers.SerializerMethodField()
    because = serializers.SerializerMethodField()
    weights = serializers.SerializerMethodField()
    left_out = serializers.SerializerMethodField()
    excluded = serializers.SerializerMethodField()
    waiting = WaitingOut(allow_null=True)
    started_at = serializers.DateTimeField(source="row.started_at", default=None, allow_null=True)
    finished_at = serializers.DateTimeField(source="row.finished_at", default=None, allow_null=True)
    input = serializers.SerializerMethodField(
        help_text="Null where it is that of the run, and that is longer than 16 KB."
    )
    output = Masked(source="row.output", default=None, allow_null=True)
    error = serializers.CharField(source="row.error", default="")
    items = ItemsOut(allow_null=True)
    compensation = UndoOut(source="undo", allow_null=True)
    child = serializers.IntegerField(source="child.pk", default=None, allow_null=True, help_text="The run that it is.")
    partial = serializers.SerializerMethodField(  # type: ignore[assignment]  # the API's word
        help_text="What its call has written so far, of a long text the end; null where it tells nothing, or is over."
    )
    usage = serializers.SerializerMethodField(help_text="What its calls of models came to; null where it called none.")

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_agent(self, step: StepProgress) -> str | None:
        return step.agent or None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_partial(self, step: StepProgress) -> str | None:
        written = self.context["partials"].get(step.row.pk) if step.row else None
        return written.text if written else None

    @extend_schema_field(SpentOut(allow_null=True))
    def get_usage(self, step: StepProgress) -> Any:
        spent = self.context["costs"].steps.get(step.name)
        return SpentOut(spent).data if spent else None

    @extend_schema_field(CandidateOut(many=True))
    def get_candidates(self, step: StepProgress) -> list[dict[str, Any]]:
        return step.choice.get("candidates", [])

    @extend_schema_field(serializers.CharField(help_text="Why this agent, as a sentence."))
    def get_because(self, step: StepProgress) -> str:
        return chosen.because(step.choice)

    @extend_schema_field(serializers.DictField(child=serializers.FloatField()))
    def get_weights(self, step: StepProgress) -> dict[str, float]:
        return settings.SCORE_WEIGHTS if step.choice.get("candidates") else {}

    @extend_schema_field(LeftOutOut(many=True))
    def get_left_out(self, step: StepProgress) -> Any:
        return LeftOutOut(chosen.left_out(step.choice), many=True).data

    @extend_schema_field(serializers.DictField(child=serializers.IntegerField()))
    def get_excluded(self, step: StepProgress) -> dict[str, int]:
        return step.choice.get("excluded", {})

    @extend_schema_field(serializers.JSONField(allow_null=True))
    def get_input(self, step: StepProgress) -> Any:
        if step.row is None:
            return None
        run: Run = self.context["run"]
        given = progress.input_of(run, step.spec, step.row)
        return None if given is run.input and self.context["is_long"] else secrets.mask(given)


class ItemOut(rest.Serializer):
    """An item of a fan-out."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    step = serializers.CharField(source="parent")
    status = serializers.CharField()
    attempt = serializers.IntegerField()
    agent = serializers.SerializerMethodField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    input = Masked(allow_null=True, help_text="What differs from the run's input: the item under its name.")
    output = Masked(allow_null=True)
    error = serializers.CharField()

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_agent(self, step: Any) -> str | None:
        return (step.choice or {}).get("chosen")


class SignalOut(rest.Serializer):
    """A signal that the run was sent; ``taken_by`` is the step that took it, if one has."""

    name = serializers.CharField()
    payload = Masked(allow_null=True)
    sent_by = serializers.CharField()
    sent_at = serializers.DateTimeField()
    taken_by = serializers.CharField()


class HeldOut(rest.Serializer):
    """Something that the run, or a step of it, holds, waits for or held."""

    name = serializers.CharField()
    step = serializers.CharField(source="reservation.task", help_text="Empty for the whole run.")
    type = serializers.CharField()
    units = serializers.IntegerField()
    specs = serializers.DictField(source="wants", child=serializers.JSONField(), help_text="What was asked for.")
    status = serializers.CharField(source="reservation.status")
    resource = serializers.IntegerField(source="resource_id", allow_null=True)
    resource_name = serializers.CharField()
    granted_at = serializers.DateTimeField(source="reservation.granted_at", allow_null=True)
    expires_at = serializers.DateTimeField(source="reservation.expires_at", help_text="Renewed while the run lives.")
    ended_at = serializers.DateTimeField(source="reservation.ended_at", allow_null=True)


class RunOut(rest.Serializer):
    """A run, as lists show it."""

    id = serializers.IntegerField()
    status = serializers.CharField()
    workflow = serializers.CharField(source="version.workflow.name")
    version = serializers.IntegerField(source="version.number")
    queue = serializers.CharField()
    routed_by = serializers.CharField(help_text="What chose the queue, in words.")
    priority = serializers.IntegerField()
    tier = serializers.CharField()
    error = serializers.CharField()
    correlation = serializers.CharField()
    created_at = serializers.DateTimeField()
    start_at = serializers.DateTimeField(allow_null=True)
    deadline = serializers.DateTimeField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    compensated = serializers.BooleanField()
    links = serializers.SerializerMethodField()

    @extend_schema_field(serializers.DictField(child=serializers.CharField()))
    def get_links(self, run: Run) -> dict[str, Any]:
        """The addresses of its page, of what it serves, and of the run that it repeats."""
        links = {"run": _page(run.pk)}
        if served := registry.link(run.serves_kind, run.serves_id):
            links[run.serves_kind] = served
        if run.replays_id:
            links["replays"] = _page(run.replays_id)
        return links


class WholeRunOut(RunOut):
    """A run with everything about its steps. ``context`` is what expressions see beside the run's input."""

    input = Masked()
    output = Masked(allow_null=True)
    context = serializers.SerializerMethodField()  # type: ignore[assignment]  # the contract's word
    waiting = WaitingOut(source="progress.waiting", allow_null=True)
    steps = serializers.SerializerMethodField()
    signals = SignalOut(source="progress.signals", many=True)
    resources = serializers.SerializerMethodField()
    usage = SpentOut(source="costs.total")

    @extend_schema_field(serializers.DictField())
    def get_context(self, run: Run) -> dict[str, Any]:
        reached = [(step.name, step.row) for step in self._progress.steps if step.row]
        return {"steps": {name: {"status": row.status, "output": secrets.mask(row.output)} for name, row in reached}}

    @extend_schema_field(HeldOut(many=True))
    def get_resources(self, run: Run) -> Any:
        return HeldOut([line for held in self._progress.reservations for line in held.lines.all()], many=True).data

    @extend_schema_field(StepOut(many=True))
    def get_steps(self, run: Any) -> Any:
        is_long = len(canonical.text(run.input)) > REPEATED_INPUT
        rows = [step.row for step in self._progress.steps if step.row is not None]
        context = {"run": run, "is_long": is_long, "costs": run.costs, "partials": partials.of_steps(rows)}
        return StepOut(self._progress.steps, many=True, context=context).data

    @extend_schema_field(serializers.DictField())
    def get_links(self, run: Run) -> dict[str, Any]:
        """Likewise; and those of the run it is a step of, and of at most 50 runs within it and repeating it."""
        links = super().get_links(run)
        if run.parent is not None:
            links["parent"] = _page(run.parent.run_id)
        within = Run.objects.filter(parent__run=run).order_by("-pk").values_list("pk", flat=True)[:MOST_LINKS]
        again = run.replayed_as.order_by("-pk").values_list("pk", flat=True)[:MOST_LINKS]
        return links | {"children": [_page(pk) for pk in within], "repeated_as": [_page(pk) for pk in again]}

    def to_representation(self, run: Run) -> Any:
        run.progress = self._progress  # type: ignore[attr-defined]  # for the fields that name it as their source
        run.costs = spent.of_run(run.pk)  # type: ignore[attr-defined]  # likewise
        return super().to_representation(run)

    @property
    def _progress(self) -> RunProgress:
        return self._context["progress"]


class RunIn(rest.Serializer):
    """What is to run: the newest version, unless one is named; nothing happens before ``start_at``."""

    workflow = serializers.CharField(max_length=100)
    version = serializers.IntegerField(min_value=1, required=False)
    input = serializers.DictField(child=serializers.JSONField(allow_null=True), required=False, default=dict)
    priority = serializers.IntegerField(required=False, default=0)
    queue = serializers.CharField(max_length=50, allow_blank=True, required=False)
    tier = serializers.CharField(max_length=20, allow_blank=True, required=False)
    start_at = serializers.DateTimeField(required=False)
    deadline = serializers.DateTimeField(required=False)
    reason = serializers.CharField(max_length=1000, allow_blank=True, required=False)


class ReplayIn(rest.Serializer):
    """The run again as one of its own: with its input unless another is given, by the newest version unless named."""

    input = serializers.DictField(child=serializers.JSONField(allow_null=True), required=False)
    version = serializers.IntegerField(min_value=1, required=False)
    priority = serializers.IntegerField(required=False)
    queue = serializers.CharField(max_length=50, allow_blank=True, required=False, default="")
    reason = serializers.CharField(max_length=1000, allow_blank=True, required=False, default="")


class MustReasonIn(rest.Serializer):
    """Why; it must be said."""

    reason = serializers.CharField(max_length=1000)


class RetryIn(rest.ReasonIn):
    """All of the run again, or from a step on."""

    from_step = serializers.CharField(max_length=130, allow_blank=True, required=False, default="")


class SignalIn(rest.ReasonIn):
    """What happened."""

    name = serializers.CharField(max_length=100)
    payload = serializers.JSONField(allow_null=True, required=False, default=None)


class PriorityIn(rest.ReasonIn):
    """Higher goes first, from -100 to 100."""

    priority = serializers.IntegerField()


class AnswerIn(rest.ReasonIn):
    """What a person answers to a step; it must fit the step's form, if that has one."""

    output = serializers.DictField(child=serializers.JSONField(allow_null=True))


def _page(pk: int) -> str:
    return reverse("run", args=[pk])
