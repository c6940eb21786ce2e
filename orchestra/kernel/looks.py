"""How a status is shown: icon, word and tone, the same on every page. Nothing is said by tone alone."""

from dataclasses import dataclass, replace

RUNNING, SUCCEEDED, WAITING, FAILED = "running", "succeeded", "waiting", "failed"
PAUSED, COMPENSATING, NEUTRAL = "paused", "compensating", "neutral"


@dataclass(frozen=True, slots=True)
class Look:
    """``icon`` names a symbol of the sprite, ``tone`` a class ``tone-…`` of the style sheet."""

    icon: str
    tone: str
    word: str = ""


_RUNS = Look("player-play-filled", RUNNING)
_DONE = Look("check", SUCCEEDED)
_WAITS = Look("clock", WAITING)
_FAILED = Look("x", FAILED)
_PAUSED = Look("player-pause-filled", PAUSED)
_UNDOES = Look("arrow-back-up", COMPENSATING)
_AHEAD = Look("circle", NEUTRAL)
_ENDED = Look("ban", NEUTRAL)

_COMMON = {
    # runs and steps
    "queued": _AHEAD,
    "pending": _AHEAD,
    "ready": _AHEAD,
    "running": _RUNS,
    "waiting": _WAITS,
    "paused": _PAUSED,
    "compensating": _UNDOES,
    "compensated": _UNDOES,
    "succeeded": _DONE,
    "failed": _FAILED,
    "cancelled": _ENDED,
    "skipped": Look("player-skip-forward", NEUTRAL),
    "dead": Look("skull", FAILED),
    # agents
    "starting": Look("loader", RUNNING),
    "online": Look("plug-connected", SUCCEEDED),
    "draining": Look("hourglass", WAITING),
    "offline": Look("plug-connected-x", FAILED),
    "disabled": Look("power", PAUSED),
    # inquiries
    "new": Look("inbox", NEUTRAL),
    "in_progress": _RUNS,
    "escalated": Look("alert-triangle", WAITING),
    "in_review": Look("eye", RUNNING),
    "resolved": _DONE,
    "closed": Look("archive", NEUTRAL),
    # outcomes of reviews and of actions
    "approved": _DONE,
    "edited": Look("pencil", SUCCEEDED),
    "rejected": Look("thumb-down", FAILED),
    "timed_out": Look("clock-x", WAITING),
    "withdrawn": Look("corner-up-left", NEUTRAL),
    "denied": Look("lock", FAILED),
    # reservations
    "held": Look("lock", RUNNING),
    "released": _DONE,
    "expired": Look("clock-x", WAITING),
    # replies
    "sent": Look("send", SUCCEEDED),
    "undeliverable": Look("mail-off", WAITING),
}

_OF_KIND = {
    "circuit": {
        "closed": Look("plug-connected", SUCCEEDED),
        "half_open": Look("plug", WAITING),
        "open": Look("plug-connected-x", FAILED),
    },
    "advice": {
        "open": Look("bulb", RUNNING),
        "applied": Look("check", SUCCEEDED),
        "dismissed": Look("thumb-down", NEUTRAL),
        "withdrawn": Look("corner-up-left", NEUTRAL, "no longer true"),
    },
    "outcome": {
        "succeeded": Look("check", NEUTRAL, "done"),
        "denied": Look("lock", FAILED, "refused"),
    },
    "alert": {
        "firing": Look("flame", FAILED),
        "recovering": Look("trending-down", WAITING),
        "no_data": Look("database-off", WAITING),
        "resolved": Look("check", NEUTRAL),
        "acknowledged": Look("eye-check", RUNNING),
        "silenced": Look("bell-off", PAUSED),
        "flapping": Look("wave-sine", COMPENSATING),
    },
    "severity": {
        "critical": Look("alert-octagon", FAILED),
        "warning": Look("alert-triangle", WAITING),
        "info": Look("info-circle", NEUTRAL),
    },
    "notification": {
        "queued": Look("clock", WAITING),
        "sending": Look("loader", RUNNING),
        "suppressed": Look("bell-off", PAUSED),
    },
    "silence": {
        "active": Look("bell-off", RUNNING),
        "scheduled": Look("clock", WAITING),
        "ended": Look("check", NEUTRAL),
    },
    "role": {
        "viewer": Look("eye", NEUTRAL),
        "operator": Look("headset", NEUTRAL),
        "admin": Look("shield-lock", NEUTRAL),
    },
}


def look_of(status: str, kind: str = "") -> Look:
    """The look of ``status``; ``kind`` tells words of two meanings apart (a closed circuit is a healthy one)."""
    known = _OF_KIND.get(kind, {}).get(status) or _COMMON.get(status) or Look("point", NEUTRAL)
    return replace(known, word=known.word or status.replace("_", " "))


def icons() -> frozenset[str]:
    """Every icon that a status may need: a test holds ``static/icons.txt`` to it."""
    tables = (_COMMON, *_OF_KIND.values())
    return frozenset(look.icon for table in tables for look in table.values()) | {look_of("").icon}
