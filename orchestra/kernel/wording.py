"""Figures in the few characters that a dense table has room for: durations, distances in time, bounded counts."""

from datetime import datetime

MINUTE, HOUR, DAY = 60, 3_600, 86_400
JUST_NOW_S = 1


def duration(seconds: float | None) -> str:
    """A length of time in at most two units: ``40 ms``, ``1.2 s``, ``13 s``, ``3 m 20 s``, ``1 h 59 m``."""
    if seconds is None:
        return "–"
    seconds = max(0.0, float(seconds))
    if seconds < 0.0995:
        return f"{seconds * 1_000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return _two_units(whole, (MINUTE, "m"), (1, "s")) if whole < 10 * MINUTE else f"{whole // MINUTE} m"
    if whole < DAY:
        return _two_units(whole, (HOUR, "h"), (MINUTE, "m"))
    return _two_units(whole, (DAY, "d"), (HOUR, "h"))


def _two_units(seconds: int, large: tuple[int, str], small: tuple[int, str]) -> str:
    count, rest = divmod(seconds, large[0])
    smaller = rest // small[0]
    return f"{count} {large[1]} {smaller} {small[1]}" if smaller else f"{count} {large[1]}"


def distance(moment: datetime, now: datetime) -> str:
    """How far ``moment`` lies from ``now``, in one unit: ``just now``, ``4 m ago``, ``in 2 h``.

    ``static/js/clock.js`` says the same words while the page stays open; a test compares the two.
    """
    seconds = (moment - now).total_seconds()
    if abs(seconds) < JUST_NOW_S:
        return "just now"
    words = one_unit(abs(seconds))
    return f"in {words}" if seconds > 0 else f"{words} ago"


def one_unit(seconds: float) -> str:
    """A length of time in its largest whole unit, rounded down: ``59 s``, ``4 m``, ``23 h``, ``12 d``."""
    for size, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def bounded(count: int | None, limit: int = 1_000) -> str:
    """A count that nobody counted to the end: ``4,312``, or ``1,000+`` above ``limit``; ``–`` if unknown."""
    if count is None:
        return "–"
    return f"{limit:,}+" if count > limit else f"{count:,}"


def percent(share: float | None) -> str:
    """A share between 0 and 1 as whole percent; below 1 % with two digits, so that little does not read as none."""
    if share is None:
        return "–"
    hundredths = share * 100
    return f"{hundredths:.2f} %" if 0 < hundredths < 1 else f"{hundredths:.0f} %"
