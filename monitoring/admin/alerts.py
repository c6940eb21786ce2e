"""Alerts and silences: seen and searched here, acted on through the verbs."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.utils import timezone

from monitoring.models import Alert, Silence
from monitoring.notification import matchers, silences, silencing
from orchestra.kernel.recorded_admin import ReadOnlyAdmin


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    kind = "alert"
    list_display = ["name", "subject_label", "severity", "status", "since", "value", "limit", "owner", "flapping"]
    list_filter = ["status", "severity", "subject_kind", "flapping"]
    list_select_related = ["owner"]
    search_fields = ["name", "subject_label", "note"]
    ordering = ["-id"]


@admin.register(Silence)
class SilenceAdmin(ReadOnlyAdmin):
    kind = "silence"
    list_display = ["id", "conditions", "state", "author", "reason", "starts_at", "ends_at", "ended_by"]
    search_fields = ["reason", "author"]
    ordering = ["-id"]
    actions = ["end_now"]

    @admin.display(description="Hides alerts whose")
    def conditions(self, silence: Silence) -> str:
        return matchers.words(silence.matchers)

    @admin.display(description="State")
    def state(self, silence: Silence) -> str:
        return silences.state_of(silence, timezone.now())

    @admin.action(description="End now")
    def end_now(self, request: Any, chosen: QuerySet[Silence]) -> None:
        self.each(
            request,
            chosen,
            lambda actor, silence: silencing.end(silence.pk, by=actor, reason="from the admin"),
            "ended",
        )
