"""What the audit trail adds to the house: its room, links, lists, search, words, a panel on every object's page."""

from django.urls import reverse

from monitoring.audit import panels, phrases, search
from monitoring.audit.trail import AuditList
from orchestra.kernel import events, jobs, registry
from orchestra.kernel.registry import Panel, Room


def register() -> None:
    """Called once, by the app's ``ready``."""
    events.TELEMETRY.add("monitoring_verification")
    registry.rooms.register("audit", Room("Watch", 700, "Audit", "file-certificate", "audit"))
    registry.links.register("event", lambda pk: reverse("audit-event", args=[pk]) if pk.isdigit() else None)
    registry.lists.register("audit", AuditList)
    registry.searches.register("audit", search.SEARCH)
    for action, phrase in phrases.PHRASES.items():
        registry.phrases.register(action, phrase)
    for page in panels.PAGES:
        panel = Panel("parts/audit_trail.html", panels.trail_of(page))
        registry.panels.register(f"audit trail of {page}", (page, panel))
    jobs.recurring.register("audit seal", jobs.Recurring("monitoring.jobs.verify_by_the_clock", minutes=60))
