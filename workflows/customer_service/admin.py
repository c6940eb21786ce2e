"""The admin of customer service: seen and searched here, changed through the verbs or on its own pages."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from orchestra.kernel.access import Actor
from orchestra.kernel.pages import carried_out
from orchestra.kernel.recorded_admin import ReadOnlyAdmin, RecordedAdmin
from workflows.customer_service import desk, intake, knowledge
from workflows.customer_service.models import Article, Customer, Inquiry


class CustomerForm(forms.ModelForm):
    """Says beside the field what the verb would refuse."""

    def clean(self) -> dict[str, Any]:
        carried_out(self, intake.check, self.instance, self.cleaned_data)
        return self.cleaned_data


@admin.register(Customer)
class CustomerAdmin(RecordedAdmin):
    """Who wrote. Added by their first inquiry; name and tier can be corrected."""

    kind, permission = "customer", "customers.change"
    form = CustomerForm
    list_display = ["__str__", "email", "tier", "created_at"]
    list_filter = ["tier"]
    search_fields = ["name", "email"]
    fields = ["name", "email", "tier"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["email"]

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        intake.correct(obj.pk, {name: form.cleaned_data[name] for name in form.changed_data}, by=request.actor)


@admin.register(Inquiry)
class InquiryAdmin(ReadOnlyAdmin):
    """Inquiries as rows; the desk shows each with all that belongs to it."""

    kind = "inquiry"
    list_display = ["id", "title", "sender", "status", "category", "cause", "due_at", "lease_holder"]
    list_filter = ["status", "category", "cause", "channel"]
    list_select_related = ["customer", "lease_holder"]
    search_fields = ["=id", "=external_id", "subject", "customer__name", "customer__email"]
    ordering = ["-id"]
    list_per_page = 50
    actions = ["reopen", "unassign"]

    @admin.action(description="Reopen")
    def reopen(self, request: HttpRequest, queryset: QuerySet[Inquiry]) -> None:
        self.each(request, queryset, _on(desk.reopen), "reopened")

    @admin.action(description="Give to nobody in particular")
    def unassign(self, request: HttpRequest, queryset: QuerySet[Inquiry]) -> None:
        self.each(request, queryset, _on(partial(desk.reassign, to=None)), "given to nobody in particular")


@admin.register(Article)
class ArticleAdmin(RecordedAdmin):
    """The knowledge base, written through its verbs."""

    kind, permission = "article", "knowledge.change"
    list_display = ["title", "category", "enabled", "version", "updated_at"]
    list_filter = ["category", "enabled"]
    search_fields = ["title", "body"]
    fields = ["title", "category", "body", "questions", "enabled"]
    actions = ["enable", "disable"]

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        if change:
            values = {name: form.cleaned_data[name] for name in form.changed_data}
            knowledge.change(obj.pk, values, by=request.actor)
        else:
            obj.pk = knowledge.add(form.cleaned_data, by=request.actor).pk

    def delete_model(self, request: Any, obj: Any) -> None:
        knowledge.remove(obj.pk, by=request.actor)

    def delete_queryset(self, request: Any, queryset: QuerySet[Article]) -> None:
        for article in queryset:
            knowledge.remove(article.pk, by=request.actor)

    @admin.action(description="Enable")
    def enable(self, request: HttpRequest, queryset: QuerySet[Article]) -> None:
        self.each(request, queryset, _on(partial(knowledge.change, values={"enabled": True})), "enabled")

    @admin.action(description="Disable")
    def disable(self, request: HttpRequest, queryset: QuerySet[Article]) -> None:
        self.each(request, queryset, _on(partial(knowledge.change, values={"enabled": False})), "disabled")


def _on(verb: Any) -> Any:
    """``verb(id, by=…)`` as the admin calls it: with the actor and the row."""

    def act(by: Actor, row: Any) -> None:
        verb(row.pk, by=by)

    return act
