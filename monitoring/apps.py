from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "monitoring"

    def ready(self) -> None:
        from monitoring.advice import registration as advice
        from monitoring.alerting import registration as alerting
        from monitoring.audit import registration as audit
        from monitoring.explorer import registration as figures
        from monitoring.metrics import registration as metrics
        from monitoring.monitor import Monitor
        from monitoring.notification import registration as notification
        from orchestra.kernel import registry
        from orchestra.kernel.registry import Room
        from workflows import ticker

        registry.rooms.register("now", Room("", 0, "Now", "layout-dashboard", "now"))
        monitor = Monitor()
        ticker.ticks.register("monitor", monitor.tick)
        ticker.ends.register("monitor", monitor.stop)
        for part in (advice, metrics, figures, alerting, notification, audit):
            part.register()
