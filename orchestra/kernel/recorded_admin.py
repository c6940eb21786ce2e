"""Bases of every ModelAdmin: what the admin writes stands in the audit trail like everything else.

A POST runs in one unit of work; Django's own log entries are replaced by events with before and after.
"""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin import ModelAdmin, ShowFacets, TabularInline
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.http import urlencode

from orchestra.kernel import access, events
from orchestra.kernel.errors import Conflict, Invalid, OrchestraError
from orchestra.kernel.refusals import record_refusal
from orchestra.kernel.secrets import mask

COUNTED_UP_TO = 10_000


class BoundedPaginator(Paginator):
    """Counts no further than :data:`COUNTED_UP_TO`: a list of millions opens as fast as a short one."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return rows.order_by()[:COUNTED_UP_TO].count()


class RecordedAdmin(ModelAdmin):
    """``kind`` is the target kind of its events, ``permission`` what adding, changing and deleting needs."""

    kind: ClassVar[str]
    permission: ClassVar[str]
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # they count without a bound

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.can(request.user, "admin.enter")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return access.can(request.user, self.permission)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.can(request.user, self.permission)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.can(request.user, self.permission)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.can(request.user, "admin.enter")

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._in_a_unit(super().changeform_view, request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._in_a_unit(super().delete_view, request, *args, **kwargs)

    def _in_a_unit(self, view: Callable[..., HttpResponse], request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method != "POST":
            return view(request, *args, **kwargs)
        try:
            with events.recording(request.actor):
                return view(request, *args, **kwargs)
        except (Invalid, Conflict) as error:  # what a verb refused, and nothing was written
            record_refusal(request, error)
            for sentence in [fault["message"] for fault in error.errors] or [error.detail]:
                self.message_user(request, sentence, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        """Save, and record what the form changed."""
        super().save_model(request, obj, form, change)
        before = {name: form.initial.get(name) for name in form.changed_data} if change else None
        after = {name: form.cleaned_data.get(name) for name in form.changed_data}
        self._record("Changed" if change else "Added", obj, before, after)

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        before = {field.attname: field.value_from_object(obj) for field in obj._meta.concrete_fields}
        self._record("Deleted", obj, before, None)
        super().delete_model(request, obj)

    def _record(self, what: str, obj: Model, before: Any, after: Any) -> None:
        target = events.Ref(self.kind, str(obj.pk), str(obj))
        action = f"{type(obj).__name__}{what}"
        plain = [None if values is None else mask(_plain(values)) for values in (before, after)]
        events.record(action, target=target, before=plain[0], after=plain[1], permission=self.permission)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Nothing: the event says it."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Nothing: the event says it."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Nothing: the event says it."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """The object's audit trail stands in for Django's history."""
        return HttpResponseRedirect(f"{reverse('audit')}?{urlencode({'target': f'{self.kind}:{object_id}'})}")

    def each(self, request: Any, rows: Iterable[Any], verb: Callable[[access.Actor, Any], Any], done: str) -> None:
        """For actions: ``verb(actor, row)`` for every row, each in its own unit under one correlation; then the sum."""
        succeeded, refused = 0, []
        with events.correlating():
            for row in rows:
                try:
                    verb(request.actor, row)
                    succeeded += 1
                except OrchestraError as error:
                    record_refusal(request, error)
                    refused.append(f"{row}: {error.detail}")
        self.message_user(request, f"{succeeded} {done}.", messages.SUCCESS if succeeded else messages.WARNING)
        for sentence in refused[:20]:
            self.message_user(request, sentence, messages.WARNING)


class ReadOnlyAdmin(RecordedAdmin):
    """For tables that only verbs write: seen and searched here, never changed."""

    permission = "admin.enter"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyInline(TabularInline):
    """Rows that only verbs write, as a table on the page of what they belong to."""

    extra = 0
    can_delete = False

    def has_add_permission(self, *_: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any) -> bool:
        return False

    def has_view_permission(self, *_: Any) -> bool:
        return True


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.pk if isinstance(value, Model) else value for name, value in values.items()}
