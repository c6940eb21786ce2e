"""What keeps people out of a page, as axe finds it in the browser."""

from pathlib import Path

from django.conf import settings
from playwright.sync_api import Page

AXE = (Path(settings.BASE_DIR) / "static/vendor/axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def barriers(page: Page) -> list[str]:
    """The rules of WCAG 2.2 AA that the page breaks as it is, each with the element that does."""
    page.evaluate(AXE)
    found = page.evaluate("rules => axe.run({runOnly: rules})", RULES)["violations"]
    return [f"{fault['id']}: {node['html'][:120]}" for fault in found for node in fault["nodes"]]
