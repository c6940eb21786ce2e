"""A threshold's limit as a person reads it: ``above 5 s for 1 m``; and a name for one that was given none. Pure.

Unlike the values of charts these are exact: a limit of 5.5 % must not read as 6 %.
"""

from collections.abc import Mapping
from typing import Any

from monitoring.metrics.catalogue import METRICS

WORDS: Mapping[str, str] = {
    ">": "above",
    ">=": "at least",
    "<": "below",
    "<=": "at most",
    "==": "exactly",
    "!=": "anything but",
}
NO_DATA: Mapping[str, str] = {
    "keep": "keep the state",
    "no_data": "say that data are missing",
    "alert": "count it as a breach",
    "ok": "count it as recovered",
}
_SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_TIMES = ((86_400, "d"), (3_600, "h"), (60, "m"))
LONGEST_NAME = 100


def exact(value: float, unit: str) -> str:
    """A value with its unit, all digits that matter: ``5 s``, ``5.5 %``, ``1.5 GB``."""
    if unit == "share":
        return f"{_number(value * 100)} %"
    if unit == "percent":
        return f"{_number(value)} %"
    if unit == "seconds":
        return span(value)
    if unit == "bytes":
        size, name = next(((size, name) for size, name in _SIZES if abs(value) >= size), (1, "B"))
        return f"{_number(value / size)} {name}"
    return _number(value)


def span(seconds: float, space: str = " ") -> str:
    """A length of time with nothing rounded: ``2 m``, ``1 h 30 m``, ``0.5 s``; ``limits.seconds`` reads it again."""
    if seconds != int(seconds) or seconds < 0:
        return f"{_number(seconds)}{space}s"
    rest, said = int(seconds), []
    for size, name in _TIMES:
        count, rest = divmod(rest, size)
        if count:
            said.append(f"{count}{space}{name}")
    if rest or not said:
        said.append(f"{rest}{space}s")
    return " ".join(said)


def limit(operator: str, value: float, unit: str) -> str:
    """``above 5 s``."""
    return f"{WORDS[operator]} {exact(value, unit)}"


def sentence(rule: Mapping[str, Any]) -> str:
    """``above 5 s for 1 m``, of a whole and faultless threshold."""
    said = limit(rule["operator"], rule["value"], METRICS[rule["metric"]].unit)
    return f"{said} for {span(rule['for_s'])}" if rule["for_s"] else said


def facts(rule: Mapping[str, Any], scope: str) -> dict[str, str]:
    """All that a whole threshold says, by the labels that its page has; ``scope`` in words."""
    unit = METRICS[rule["metric"]].unit
    is_apart = rule["recovery_value"] != rule["value"]
    return {
        "Name": rule["name"],
        "Metric": METRICS[rule["metric"]].label,
        "Looks at": scope,
        "Breaches": limit(rule["operator"], rule["value"], unit),
        "Recovers at": exact(rule["recovery_value"], unit) if is_apart else "the limit",
        "Fires after": span(rule["for_s"]) if rule["for_s"] else "no time",
        "Resolves after": span(rule["keep_firing_s"]) if rule["keep_firing_s"] else "no time",
        "Without data": NO_DATA[rule["no_data"]],
        "Data are missing after": span(rule["no_data_after_s"]),
        "Flaps": f"after more than {rule['flap_changes']} changes within {span(rule['flap_window_s'])}",
        "Severity": rule["severity"],
        "Instruction": rule["instruction"] or "none",
        "Is looked at": "yes" if rule["enabled"] else "no",
    }


def name(rule: Mapping[str, Any], subject: str) -> str:
    """What a threshold is called that was given no name; ``subject`` says what its scope is, empty for all."""
    metric = METRICS[rule["metric"]]
    owner = "" if metric.kind == "system" else f" of {subject or f'all {metric.kind}s'}"
    return f"{metric.label}{owner} {limit(rule['operator'], rule['value'], metric.unit)}"[:LONGEST_NAME]


def _number(value: float) -> str:
    """Without noise of the floating point: 0.07 * 100 reads as 7."""
    rounded = float(f"{value:.12g}")
    return f"{rounded:,.0f}" if rounded == int(rounded) else f"{rounded:,.12f}".rstrip("0")
