"""The admin of runs and workflows: seen and searched here, acted on through the engine's verbs."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from orchestra.kernel import secrets
from orchestra.kernel.recorded_admin import ReadOnlyAdmin, ReadOnlyInline
from workflows import control, schedules
from workflows.models import Allocation, AllocationTask, Run, Schedule, Step, Workflow, WorkflowVersion

REASON = "from the admin"


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    kind = "run"
    list_display = ["id", "status", "version", "serves_kind", "serves_id", "created_at", "finished_at"]
    list_filter = ["status", "version__workflow"]
    list_select_related = ["version__workflow"]
    search_fields = ["=id", "=serves_id"]
    search_help_text = "Number of the run, or of what it serves"
    ordering = ["-id"]
    exclude = ["input", "output"]
    readonly_fields = ["masked_input", "masked_output"]
    actions = ["cancel", "pause", "resume", "retry"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        return super().get_queryset(request).defer("input", "output", "version__definition")

    @admin.display(description="Input")
    def masked_input(self, run: Run) -> Any:
        return secrets.mask(run.input)

    @admin.display(description="Output")
    def masked_output(self, run: Run) -> Any:
        return secrets.mask(run.output)

    @admin.action(description="Cancel")
    def cancel(self, request: Any, runs: QuerySet[Run]) -> None:
        self.each(request, runs, lambda actor, run: control.cancel(run.pk, by=actor, reason=REASON), "cancelled")

    @admin.action(description="Pause")
    def pause(self, request: Any, runs: QuerySet[Run]) -> None:
        self.each(request, runs, lambda actor, run: control.pause(run.pk, by=actor, reason=REASON), "paused")

    @admin.action(description="Resume")
    def resume(self, request: Any, runs: QuerySet[Run]) -> None:
        self.each(request, runs, lambda actor, run: control.resume(run.pk, by=actor, reason=REASON), "resumed")

    @admin.action(description="Retry from the beginning")
    def retry(self, request: Any, runs: QuerySet[Run]) -> None:
        self.each(request, runs, lambda actor, run: control.retry(run.pk, by=actor, reason=REASON), "retried")


@admin.register(Step)
class StepAdmin(ReadOnlyAdmin):
    kind = "step"
    list_display = ["id", "name", "run_id", "status", "agent", "attempt", "available_at", "finished_at"]
    list_filter = ["status"]
    list_select_related = ["agent"]
    search_fields = ["=id", "=run__id"]
    search_help_text = "Number of the step or of its run"
    ordering = ["-id"]
    exclude = ["input", "output", "demand"]
    readonly_fields = ["needs", "masked_input", "masked_output"]

    @admin.display(description="Input")
    def masked_input(self, step: Step) -> Any:
        return secrets.mask(step.input)

    @admin.display(description="Output")
    def masked_output(self, step: Step) -> Any:
        return secrets.mask(step.output)


class VersionInline(ReadOnlyInline):
    model = WorkflowVersion
    fields = ["number", "digest", "created_at"]
    readonly_fields = ["number", "digest", "created_at"]


@admin.register(Workflow)
class WorkflowAdmin(ReadOnlyAdmin):
    kind = "workflow"
    list_display = ["name", "created_at"]
    search_fields = ["name"]
    inlines = [VersionInline]


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin):
    kind = "schedule"
    list_display = ["name", "workflow", "cron", "timezone", "enabled", "next_at", "last_at", "last_outcome"]
    list_filter = ["enabled", "last_outcome"]
    list_select_related = ["workflow"]
    search_fields = ["name", "workflow__name"]
    exclude = ["input", "last_run"]
    readonly_fields = ["masked_input", "last_run_id"]
    actions = ["enable", "disable"]

    @admin.display(description="Input")
    def masked_input(self, schedule: Schedule) -> Any:
        return secrets.mask(schedule.input)

    @admin.action(description="Enable")
    def enable(self, request: Any, rows: QuerySet[Schedule]) -> None:
        reason = "from the admin"
        self.each(request, rows, lambda actor, row: schedules.enable(row.pk, by=actor, reason=reason), "enabled")

    @admin.action(description="Disable")
    def disable(self, request: Any, rows: QuerySet[Schedule]) -> None:
        reason = "from the admin"
        self.each(request, rows, lambda actor, row: schedules.disable(row.pk, by=actor, reason=reason), "disabled")


@admin.register(Allocation)
class AllocationAdmin(ReadOnlyAdmin):
    kind = "allocation"
    list_display = ["id", "total", "ended", "succeeded", "started_by", "started_at", "finished_at"]
    search_fields = ["=id", "started_by"]
    search_help_text = "Number of the plan, or who started it"
    ordering = ["-id"]


@admin.register(AllocationTask)
class AllocationTaskAdmin(ReadOnlyAdmin):
    kind = "allocation_task"
    list_display = ["id", "allocation_id", "task", "agent_name", "run_id", "outcome", "released"]
    list_filter = ["outcome"]
    search_fields = ["=allocation__id", "=run__id"]
    search_help_text = "Number of the plan, or of the task's run"
    ordering = ["-id"]
    exclude = ["agent", "run"]
    readonly_fields = ["run_id"]
