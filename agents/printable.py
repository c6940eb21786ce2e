"""What others say, as both databases can store it and a person can read it. Pure."""

import re

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def printable(text: str, longest: int) -> str:
    """At most ``longest`` characters of ``text``, each of which can be printed."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text[:longest])
