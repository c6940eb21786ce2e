"""Thresholds in the admin: switched through their verbs, edited with a try-out on their own pages."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet

from monitoring.alerting import limit_words, thresholds
from monitoring.models import Threshold, ThresholdVersion
from orchestra.kernel.recorded_admin import ReadOnlyAdmin, ReadOnlyInline

REASON = "from the admin"


class VersionInline(ReadOnlyInline):
    model = ThresholdVersion
    fields = readonly_fields = ("number", "made_at", "made_by", "reason", "restores")


@admin.register(Threshold)
class ThresholdAdmin(ReadOnlyAdmin):
    kind = "threshold"
    list_display = ["name", "metric", "limit", "scope_kind", "scope_value", "severity", "enabled", "version"]
    list_filter = ["enabled", "severity", "scope_kind", "metric"]
    search_fields = ["name", "instruction"]
    ordering = ["name"]
    inlines = [VersionInline]
    actions = ["enable", "disable"]

    @admin.display(description="Limit")
    def limit(self, threshold: Threshold) -> str:
        return limit_words.sentence(vars(threshold))

    @admin.action(description="Enable")
    def enable(self, request: Any, rows: QuerySet[Threshold]) -> None:
        self._switch(request, rows, True, "enabled")

    @admin.action(description="Disable")
    def disable(self, request: Any, rows: QuerySet[Threshold]) -> None:
        self._switch(request, rows, False, "disabled")

    def _switch(self, request: Any, rows: QuerySet[Threshold], enabled: bool, done: str) -> None:
        self.each(request, rows, lambda actor, row: thresholds.switch(row.pk, enabled, by=actor, reason=REASON), done)


@admin.register(ThresholdVersion)
class ThresholdVersionAdmin(ReadOnlyAdmin):
    kind = "threshold"
    list_display = ["threshold", "number", "made_at", "made_by", "reason", "restores"]
    list_select_related = ["threshold"]
    search_fields = ["threshold__name", "made_by"]
    ordering = ["-id"]
