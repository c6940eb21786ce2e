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
        for page in panels.PAGES:
            panel = Panel("parts/audit_trail.html", panels.trail_of(page))
            registry.panels.register(f"audit trail of {page}", (page, panel))
        self._register_alerts()
        self._register_thresholds()
        self._register_notification()
        jobs.recurring.register("audit seal", jobs.Recurring("monitoring.jobs.verify_by_the_clock", minutes=60))

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
        from monitoring.notification import planner, sentences
        from orchestra.kernel import events, housekeeping, registry

        events.TELEMETRY.update(planner.TELEMETRY)
        housekeeping.chores.register("old notifications", planner.forget_old)
        for action, phrase in sentences.PHRASES.items():
            registry.phrases.register(action, phrase)
