"""What an installation begins with: one route for everything, and graver alerts hide lesser ones of the same thing."""

from monitoring.models import Channel, ChannelKind, Inhibition, Route
from monitoring.notification import inhibitions, routes
from monitoring.notification.channels import create as create_channel
from orchestra.kernel.access import Actor

EVERYTHING, IN_THE_BROWSER, WORSE_FIRST = "Everything", "In the browser", "Critical hides warning"
SUBJECT = ["metric", "agent", "pool", "queue", "workflow"]


def install(by: Actor) -> list[str]:
    """Add the usual route and inhibition where there are none at all; returns the names of what it added."""
    added = []
    if not Route.objects.exists():
        channel = _browser(by)
        routes.create({"name": EVERYTHING, "channels": [channel]}, by=by)
        added.append(EVERYTHING)
    if not Inhibition.objects.exists():
        sides = {
            side: [{"label": "severity", "operator": "=", "value": severity}]
            for side, severity in (("source", "critical"), ("target", "warning"))
        }
        inhibitions.create({"name": WORSE_FIRST, **sides, "equal": SUBJECT}, by=by)
        added.append(WORSE_FIRST)
    return added


def _browser(by: Actor) -> int:
    found = Channel.objects.filter(kind=ChannelKind.BROWSER).order_by("pk").first()
    return (found or create_channel(ChannelKind.BROWSER, {"name": IN_THE_BROWSER}, by=by)).pk
