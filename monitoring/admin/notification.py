"""Channels, routes, inhibitions and notifications: seen and searched here; changed on their own pages."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet

from monitoring.models import AlertGroup, Channel, Inhibition, Notification, Route
from monitoring.notification import channels, delivery, listing
from orchestra.kernel.recorded_admin import ReadOnlyAdmin


@admin.register(Channel)
class ChannelAdmin(ReadOnlyAdmin):
    kind = "channel"
    list_display = ["name", "kind", "enabled", "tested_at", "test_passed", "test_said"]
    list_filter = ["kind", "enabled", "test_passed"]
    search_fields = ["name"]
    ordering = ["name"]
    exclude = ["secrets"]
    actions = ["switch_on", "switch_off"]

    @admin.action(description="Switch on")
    def switch_on(self, request: Any, chosen: QuerySet[Channel]) -> None:
        self._switch(request, chosen, enabled=True)

    @admin.action(description="Switch off")
    def switch_off(self, request: Any, chosen: QuerySet[Channel]) -> None:
        self._switch(request, chosen, enabled=False)

    def _switch(self, request: Any, chosen: QuerySet[Channel], *, enabled: bool) -> None:
        self.each(
            request,
            chosen,
            lambda actor, channel: channels.change(channel.pk, {"enabled": enabled}, by=actor, reason="from the admin"),
            "switched on" if enabled else "switched off",
        )


@admin.register(Route)
class RouteAdmin(ReadOnlyAdmin):
    kind = "route"
    list_display = ["name", "position", "takes", "wait_s", "interval_s", "repeat_s", "continues", "enabled"]
    list_filter = ["enabled"]
    search_fields = ["name"]
    ordering = ["position", "id"]

    @admin.display(description="Takes")
    def takes(self, route: Route) -> str:
        return listing.route_words(route)


@admin.register(Inhibition)
class InhibitionAdmin(ReadOnlyAdmin):
    kind = "inhibition"
    list_display = ["name", "rule", "enabled"]
    search_fields = ["name"]
    ordering = ["name"]

    @admin.display(description="Rule")
    def rule(self, inhibition: Inhibition) -> str:
        return listing.inhibition_words(inhibition)


@admin.register(AlertGroup)
class AlertGroupAdmin(ReadOnlyAdmin):
    kind = "alert group"
    list_display = ["id", "route", "key", "opened_at", "sent_at", "due_at"]
    list_select_related = ["route"]
    search_fields = ["key"]
    ordering = ["-id"]


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    kind = "notification"
    list_display = ["id", "subject", "kind", "status", "channel_name", "attempts", "error", "created_at"]
    list_filter = ["status", "kind"]
    search_fields = ["subject", "channel_name"]
    ordering = ["-id"]
    exclude = ["alerts"]
    show_full_result_count = False
    actions = ["send_again"]

    @admin.action(description="Send again")
    def send_again(self, request: Any, chosen: QuerySet[Notification]) -> None:
        self.each(
            request,
            chosen,
            lambda actor, row: delivery.retry(row.pk, by=actor, reason="from the admin"),
            "sent again",
        )
