"""The admin of people, tokens and events. Everything goes through ``accounts``; events are only read."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from orchestra.kernel import accounts
from orchestra.kernel.models import ApiToken, Event, User
from orchestra.kernel.recorded_admin import ReadOnlyAdmin, RecordedAdmin


@admin.register(User)
class UserAdmin(RecordedAdmin):
    """People are deactivated, never deleted: events name them."""

    kind, permission = "user", "people.manage"
    list_display = ["username", "first_name", "last_name", "email", "role", "is_active", "last_login"]
    list_filter = ["role", "is_active"]
    search_fields = ["username", "first_name", "last_name", "email"]
    ordering = ["username"]
    actions = ["activate", "deactivate", "unlock"]
    names = ["first_name", "last_name", "email"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["role", "is_active", *self.names] if obj else ["username", "password", "role", *self.names]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if obj is None:
            form.base_fields["password"].widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
        return form

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        if change:
            accounts.change_user(request.actor, obj, **{name: form.cleaned_data[name] for name in form.changed_data})
        else:
            obj.pk = accounts.create_user(request.actor, **form.cleaned_data).pk

    @admin.action(description="Allow to sign in")
    def activate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self.each(request, queryset, partial(accounts.change_user, is_active=True), "may sign in")

    @admin.action(description="Forbid to sign in")
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self.each(request, queryset, partial(accounts.change_user, is_active=False), "may not sign in")

    @admin.action(description="Unlock after failed attempts")
    def unlock(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self.each(request, queryset, accounts.unlock, "unlocked")


@admin.register(ApiToken)
class ApiTokenAdmin(RecordedAdmin):
    """Tokens are made and revoked, never changed or deleted."""

    kind, permission = "token", "people.manage"
    list_display = ["name", "prefix", "user", "role", "created_at", "expires_at", "last_used_at", "revoked_at"]
    list_filter = ["role", ("revoked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    search_fields = ["name", "prefix", "user__username"]
    fields = ["user", "name", "role", "expires_at"]
    actions = ["revoke"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        asked = form.cleaned_data
        token, key = accounts.create_token(
            request.actor, asked["user"], name=asked["name"], role=asked["role"], expires_at=asked["expires_at"]
        )
        obj.pk, obj.prefix = token.pk, token.prefix
        shown = format_html("Copy the key now; it is not shown again: <code>{}</code>", key)
        self.message_user(request, shown)

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        self.each(request, queryset.select_related("user"), accounts.revoke_token, "revoked")


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """The audit trail as rows; the page Audit tells it in sentences."""

    kind = "event"
    list_display = ["number", "happened", "actor_label", "action", "target_kind", "target_label", "outcome"]
    list_filter = ["outcome"]
    search_fields = ["action__exact", "correlation__exact", "target_id__exact", "actor_id__exact"]
    search_help_text = "An action, a correlation, or the id of an actor or target, written out in full."
    ordering = ["-number"]
    list_per_page = 50
