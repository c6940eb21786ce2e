"""What recommendations add to the pages of others, to search and to links."""

from monitoring.advice import listing, panels, sentences
from orchestra.kernel import registry
from orchestra.kernel.registry import Panel, Room


def register() -> None:
    registry.rooms.register("recommendations", Room("Watch", 690, "Recommendations", "bulb", "recommendations"))
    registry.links.register("recommendation", lambda pk: listing.address(int(pk)) if pk.isdigit() else None)
    registry.lists.register("recommendations", listing.OpenFirst)
    registry.searches.register("recommendations", listing.SEARCH)
    for action, phrase in sentences.PHRASES.items():
        registry.phrases.register(action, phrase)
    for page in panels.ADVISED:
        panel = Panel("monitoring/parts/recommendation_panel.html", panels.advice_on(page))
        registry.panels.register(f"recommendations on {page}", (page, panel))
