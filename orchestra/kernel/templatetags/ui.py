"""Template tags of every page: icons, statuses, times, figures and small drawings.

What takes more than a line of markup is a template in ``templates/parts/``; the rules behind it are in ``looks.py``,
``wording.py`` and ``drawing.py``.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from orchestra.kernel import charts, tally, wording
from orchestra.kernel.charts import Chart
from orchestra.kernel.drawing import Bar, polyline
from orchestra.kernel.looks import FAILED, NEUTRAL, RUNNING, SUCCEEDED, look_of
from orchestra.kernel.models import Theme

register = template.Library()

EXACT = "D j M Y, H:i:s T"
SPARKLINE_SIZE = (120, 28)
KEY_NAMES = {"Enter": "⏎", "Escape": "Esc", "ArrowUp": "↑", "ArrowDown": "↓", "Control": "Ctrl"}


@register.simple_tag
def icon(name: str, label: str = "", css: str = "") -> SafeString:
    """A symbol of the sprite; without ``label`` it is decoration, and the text beside it speaks."""
    address = static("vendor/icons.svg")
    kind = "icon icon-filled" if name.endswith("-filled") else "icon"
    speech = format_html('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"')
    return format_html('<svg class="{} {}" {}><use href="{}#{}"></use></svg>', kind, css, speech, address, name)


@register.inclusion_tag("parts/status.html")
def status(value: str, kind: str = "", word: str = "") -> dict[str, Any]:
    """A status as icon, word and tone; ``kind`` is ``circuit``, ``outcome`` or ``role`` where the word needs it."""
    look = look_of(str(value), kind)
    return {"look": look, "word": word or look.word}


@register.inclusion_tag("parts/state_icon.html")
def status_icon(value: str, kind: str = "") -> dict[str, Any]:
    """A status as a toned icon alone, named for screen readers: for the first column of a dense table."""
    return {"look": look_of(str(value), kind)}


@register.filter
def ago(moment: datetime | None) -> str:
    """A moment relative to now, the exact one on hover; ``static/js/clock.js`` keeps it true while the page is open."""
    if moment is None:
        return "–"
    words = wording.distance(moment, timezone.now())
    return format_html("<time datetime='{}' title='{}' data-ago>{}</time>", moment.isoformat(), exact(moment), words)


@register.filter
def clock(moment: datetime | None, seconds: str = "") -> str:
    """The time of day (``clock:"s"``: to the second), with the date where it is not today; the exact one on hover."""
    if moment is None:
        return "–"
    local = timezone.localtime(moment)
    time = "H:i:s" if seconds else "H:i"
    form = time if local.date() == timezone.localdate() else f"j M {time}"
    return format_html(
        "<time datetime='{}' title='{}'>{}</time>", moment.isoformat(), exact(moment), date_format(local, form)
    )


@register.filter
def exact(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), EXACT)


@register.filter
def duration(seconds: float | None) -> str:
    return wording.duration(seconds)


@register.filter
def bounded(count: int | None, limit: int = 1_000) -> str:
    return wording.bounded(count, limit)


@register.filter
def percent(share: float | None) -> str:
    return wording.percent(share)


@register.filter
def figure(number: float | None) -> str:
    """A number with its thousands apart."""
    return "–" if number is None else f"{number:,}"


@register.filter
def in_unit(value: float | None, unit: str) -> str:
    """A value as charts say it: ``bytes``, ``percent``, ``share``, ``seconds`` or ``count``."""
    return charts.words(value, unit)


@register.filter
def score(value: float | None) -> str:
    """A score between 0 and 1 with two digits."""
    return "–" if value is None else f"{value:.2f}"


@register.filter
def pretty(payload: Any) -> str:
    """A payload as indented JSON; text stays text."""
    return payload if isinstance(payload, str) else json.dumps(payload, indent=2, ensure_ascii=False, default=str)


@register.simple_tag
def keys(combination: str) -> SafeString:
    """A hint at a shortcut; written as in ``data-key``: ``a``, ``Control+Enter``."""
    names = (KEY_NAMES.get(key, key.upper()) for key in combination.split("+"))
    return format_html(
        '<span class="keys" aria-hidden="true">{}</span>',
        format_html_join("", "<kbd>{}</kbd>", ((name,) for name in names)),
    )


@register.inclusion_tag("parts/sparkline.html")
def sparkline(values: Sequence[float], label: str, tone: str = RUNNING, floor: float | None = 0) -> dict[str, Any]:
    """The course of a figure, oldest first; ``label`` says it in words for those who do not see it."""
    width, height = SPARKLINE_SIZE
    return {
        "width": width,
        "height": height,
        "line": polyline(values, width, height, floor=floor),
        "label": label,
        "tone": tone,
    }


@register.inclusion_tag("parts/chart.html")
def chart(shown: Chart) -> dict[str, Any]:
    """Lines over time with a legend, marks and the same figures as a table; ``static/js/chart.js`` draws it."""
    return {"chart": shown, "zone": timezone.get_current_timezone_name()}


@register.inclusion_tag("parts/meter.html")
def meter(
    share: float | None, label: str = "", *, tone: str = RUNNING, good: float | None = None, text: str = ""
) -> dict[str, Any]:
    """A share between 0 and 1 as a bar with its figure; ``good`` is the least value that is good enough.

    With ``good`` it says ``good`` or ``weak`` beside the figure, and the tone follows. ``text`` replaces the figure.
    """
    word = ""
    if share is None:
        tone = NEUTRAL
    elif good is not None:
        tone, word = (SUCCEEDED, "good") if share >= good else (FAILED, "weak")
    return {
        "percent": f"{100 * min(1.0, max(0.0, share or 0.0)):.1f}",
        "figure": text or score(share),
        "label": label,
        "tone": tone,
        "word": word,
    }


@register.inclusion_tag("parts/gantt.html")
def gantt(bars: Sequence[Bar]) -> dict[str, Any]:
    """The bars of one row of a time line, made with ``drawing.TimeLine``; each says its label on hover."""
    return {"bars": bars}


@register.inclusion_tag("parts/bulk_result.html", takes_context=True)
def bulk_result(context: template.Context) -> dict[str, Any]:
    """What the bulk action before this page did not do, and why; shown once."""
    return {"tally": tally.taken(context["request"])}


@register.simple_tag(takes_context=True)
def theme(context: template.Context) -> str:
    """``system``, ``light`` or ``dark``: what the person chose, else what this browser chose before signing in."""
    request = context.get("request")
    if request is None:
        return Theme.SYSTEM
    chosen = getattr(getattr(request, "user", None), "theme", "") or request.COOKIES.get("theme", "")
    return chosen if chosen in Theme.values else Theme.SYSTEM
