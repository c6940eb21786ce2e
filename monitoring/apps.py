from functools import partial

from django.apps import AppConfig
from django.urls import reverse


class MonitoringConfig(AppConfig):
    name = "monitoring"

    def ready(self) -> None:
        from monitoring import panels, search
        from monitoring.advice import listing as advice
        from monitoring.advice import sentences as advice_sentences
        from monitoring.alerting import states
        from monitoring.audit import phrases
        from monitoring.audit.trail import AuditList
        from orchestra.kernel import events, jobs, registry
        from orchestra.kernel.registry import Panel, Room

        events.TELEMETRY.add("monitoring_verification")
        events.TELEMETRY.update({"monitoring_tick", "monitoring_agentsample", "monitoring_countersseen"})
        events.TELEMETRY.update({"monitoring_gauge", "monitoring_gaugesample", "monitoring_runmeasure"})
        events.TELEMETRY.add("monitoring_silence.warned_at")
        events.TELEMETRY.update(states.TELEMETRY)
        registry.rooms.register("now", Room("", 0, "Now", "layout-dashboard", "now"))
        registry.rooms.register("audit", Room("Watch", 700, "Audit", "file-certificate", "audit"))
        registry.links.register("event", lambda pk: reverse("audit-event", args=[pk]) if pk.isdigit() else None)
        registry.lists.register("audit", AuditList)
        registry.searches.register("audit", search.SEARCH)
        registry.rooms.register("recommendations", Room("Watch", 690, "Recommendations", "bulb", "recommendations"))
        registry.links.register("recommendation", lambda pk: advice.address(int(pk)) if pk.isdigit() else None)
        registry.lists.register("recommendations", advice.OpenFirst)
        registry.searches.register("recommendations", advice.SEARCH)
        for action, phrase in advice_sentences.PHRASES.items():
            registry.phrases.register(action, phrase)
        for page in panels.ADVISED:
            panel = Panel("monitoring/parts/recommendation_panel.html", panels.advice_on(page))
            registry.panels.register(f"recommendations on {page}", (page, panel))
        for action, phrase in phrases.PHRASES.items():
            registry.phrases.register(action, phrase)
        self._wind_the_clock()
        self._register_figures()
        self._register_alerts()
        self._register_thresholds()
        self._register_notification()
        for page in panels.PAGES:
            panel = Panel("parts/audit_trail.html", panels.trail_of(page))
            registry.panels.register(f"audit trail of {page}", (page, panel))
        jobs.recurring.register("audit seal", jobs.Recurring("monitoring.jobs.verify_by_the_clock", minutes=60))

    def _wind_the_clock(self) -> None:
        from monitoring.metrics import tables
        from monitoring.monitor import Monitor
        from orchestra.kernel.housekeeping import chores
        from workflows import ticker

        monitor = Monitor()
        ticker.ticks.register("monitor", monitor.tick)
        ticker.ends.register("monitor", monitor.stop)
        chores.register("old samples of agents", tables.AGENTS.forget_old)
        chores.register("old samples of gauges", tables.GAUGES.forget_old)
        chores.register("old measures of runs", tables.RUNS.forget_old)
        chores.register("old ticks", tables.forget_ticks)

    def _register_figures(self) -> None:
        from monitoring.explorer import panels
        from orchestra.kernel import registry
        from orchestra.kernel.registry import Room

        registry.rooms.register("figures", Room("Watch", 695, "Figures", "chart-line", "figures"))
        registry.links.register("figures of agent", lambda pk: panels.address("agent", pk) if pk.isdigit() else None)
        registry.links.register("figures of pool", lambda pk: panels.address("pool", pk) if pk.isdigit() else None)
        for page, panel in panels.panels():
            registry.panels.register(f"figures on {page}", (page, panel))

    def _register_alerts(self) -> None:
        from monitoring.alerting import alert_listing, alert_panels, alert_sentences
        from monitoring.notification.silence_listing import SilenceList
        from orchestra.kernel import registry
        from orchestra.kernel.registry import Command, Room

        badge, topics = alert_listing.badge, ("alert",)
        registry.rooms.register("alerts", Room("Watch", 680, "Alerts", "bell", "alerts", badge=badge, topics=topics))
        registry.links.register("alert", lambda pk: reverse("alert", args=[pk]) if pk.isdigit() else None)
        registry.links.register("silence", lambda pk: reverse("silence", args=[pk]) if pk.isdigit() else None)
        registry.lists.register("alerts", alert_listing.AlertList)
        registry.lists.register("silences", SilenceList)
        registry.searches.register("alerts", alert_listing.FOUND)
        registry.commands.register("silence", Command("Silence alerts", "bell-off", "silence-add", "silences.create"))
        for action, phrase in alert_sentences.PHRASES.items():
            registry.phrases.register(action, phrase)
        for page, panel in alert_panels.panels():
            registry.panels.register(f"alerts on {page}", (page, panel))

    def _register_thresholds(self) -> None:
        from monitoring.alerting import listing, threshold_panels
        from orchestra.kernel import registry
        from orchestra.kernel.registry import Command

        registry.links.register("threshold", lambda pk: reverse("threshold", args=[pk]) if pk.isdigit() else None)
        registry.lists.register("thresholds", listing.ThresholdList)
        registry.searches.register("thresholds", listing.FOUND)
        add = Command("Add a threshold", "ruler-measure", "threshold-add", "thresholds.create")
        registry.commands.register("threshold", add)
        for page, panel in threshold_panels.panels():
            registry.panels.register(f"thresholds on {page}", (page, panel))

    def _register_notification(self) -> None:
        from monitoring.notification import listing, planner, sentences
        from orchestra.kernel import events, housekeeping, registry
        from orchestra.kernel.registry import Command

        events.TELEMETRY.update(planner.TELEMETRY)
        housekeeping.chores.register("old notifications", planner.forget_old)
        for name in ("channel", "route", "inhibition", "notification"):
            registry.links.register(name, partial(_address, name))
        registry.lists.register("channels", listing.ChannelList)
        registry.lists.register("notifications", listing.NotificationList)
        registry.commands.register("channel", Command("Add a channel", "send", "channel-add", "channels.create"))
        registry.commands.register("route", Command("Add a route", "route", "route-add", "routes.create"))
        for action, phrase in sentences.PHRASES.items():
            registry.phrases.register(action, phrase)


def _address(name: str, pk: str) -> str | None:
    """The page of an object, by the name of its address."""
    return reverse(name, args=[pk]) if pk.isdigit() else None
