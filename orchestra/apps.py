"""The composition root as an app: management commands, system checks, and the admin with our site."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin


class OrchestraConfig(AppConfig):
    name = "orchestra"
    label = "orchestra"

    def ready(self) -> None:
        from orchestra import checks
        from orchestra.bench import scratch

        checks.register_all()
        if scratch.is_scratch():
            from orchestra.bench import load  # noqa: F401  registers the benchmarks' agents


class AdminConfig(admin.AdminConfig):
    default = False  # named in INSTALLED_APPS; the app `orchestra` itself is OrchestraConfig
    default_site = "orchestra.kernel.admin_site.ControlRoomAdmin"
