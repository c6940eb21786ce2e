"""The admin's site: our sign-in and lockout, administrators only, and none but recorded admins."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.auth.views import redirect_to_login
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from orchestra.kernel import access
from orchestra.kernel.models import Role
from orchestra.kernel.recorded_admin import RecordedAdmin

access.grant({"admin.enter": Role.ADMIN})


class ControlRoomAdmin(AdminSite):
    """What libraries register by themselves is left out: their writes would leave no event."""

    site_header = site_title = "Orchestra"
    index_title = "Configuration"
    enable_nav_sidebar = True

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.disable_action("delete_selected")  # one at a time, each with its event

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: "type[ModelAdmin[Any]] | None" = None,
        **options: Any,
    ) -> None:
        if admin_class is not None and issubclass(admin_class, RecordedAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        return access.can(request.user, "admin.enter")

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        inner = super().admin_view(view, cacheable)

        @wraps(view)
        def guarded(request: Any, *args: Any, **kwargs: Any) -> Any:
            if request.user.is_authenticated:
                access.check(request.actor, "admin.enter")
            return inner(request, *args, **kwargs)

        return guarded

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return redirect_to_login(request.GET.get("next", reverse("admin:index")), reverse("login"))

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return HttpResponseRedirect(reverse("logout"), status=307)  # the same POST, there

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return HttpResponseRedirect(reverse("password_change"))
