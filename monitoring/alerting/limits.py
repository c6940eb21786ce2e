"""What a threshold may say, read from what people and programs write: defaults, other spellings, every fault. Pure.

Values are a table with the names of the columns of ``Threshold``. Instead of ``scope_kind`` and ``scope_value`` it may
say ``scope``: ``{"pool": "billing"}``, ``{"all": true}`` or ``"all"``.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from monitoring.alerting import limit_words
from monitoring.metrics.catalogue import METRICS, SCOPES, TICK_S
from orchestra.kernel.errors import FieldError
from workflows import definition_checks, definition_table

OPERATORS: Mapping[str, Sequence[str]] = {
    ">": ("gt", "above", "greater_than", "more_than"),
    ">=": ("gte", "ge", "at_least"),
    "<": ("lt", "below", "less_than"),
    "<=": ("lte", "le", "at_most"),
    "==": ("eq", "=", "equal", "equals", "exactly"),
    "!=": ("ne", "neq", "unequal", "not_equal", "anything_but"),
}
"""Each operator with the other words for it."""
ABOVE, BELOW = (">", ">="), ("<", "<=")

WITHOUT_DATA: Mapping[str, Sequence[str]] = {
    "keep": ("ignore", "last", "keep_last", "keeplast", "keep_last_state", "keeplaststate", "keep_state", "keepstate"),
    "no_data": ("nodata", "missing"),
    "alert": ("alerting", "firing", "breach", "breaching"),
    "ok": ("normal", "not_breaching", "notbreaching", "resolve", "resolved"),
}
"""What to do without data, each with the words that others have for it."""

SCOPE_KINDS = ("all", "agent", "pool", "capability", "workflow", "queue")

DEFAULTS: Mapping[str, Any] = {
    "scope_kind": "all",
    "scope_value": "",
    "operator": ">",
    "for_s": 60,
    "keep_firing_s": 120,
    "no_data": "keep",
    "no_data_after_s": 300,
    "flap_changes": 6,
    "flap_window_s": 1800,
    "severity": "warning",
    "instruction": "",
    "enabled": True,
}
CHOICES: Mapping[str, Sequence[str]] = {
    "operator": tuple(OPERATORS),
    "no_data": tuple(WITHOUT_DATA),
    "severity": ("info", "warning", "critical"),
}
_MONTH, _DAY, _HOURS = (30 * 86_400, "30 days"), (86_400, "24 hours"), (6 * 3_600, "6 hours")
DURATIONS: Mapping[str, tuple[int, tuple[int, str]]] = {
    "for_s": (0, _MONTH),
    "keep_firing_s": (0, _MONTH),
    "no_data_after_s": (TICK_S, _HOURS),
    "flap_window_s": (60, _DAY),
}
"""Times in seconds, each with the least and the most it may be: so far back each tick has to know values, alerts."""
FEWEST_CHANGES, MOST_CHANGES = 2, 1_000
LARGEST = 1e18
LONGEST_NAME, LONGEST_WORD, LONGEST_INSTRUCTION = 100, 100, 5_000

Found = list[tuple[str, str]]
"""Faults as paths and sentences."""

_WORDS = {word: symbol for symbol, words in OPERATORS.items() for word in words}
_POLICIES = {word: policy for policy, words in WITHOUT_DATA.items() for word in words}
_PARTS = re.compile(r"[0-9.]+[a-z]+")


def completed(values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` in one spelling, with the default of whatever they leave out.

    What cannot be read stays as it is, for :func:`faults_of` to name.
    """
    whole = {**DEFAULTS, **{name: value for name, value in values.items() if name != "scope"}}
    if "scope" in values:
        whole["scope_kind"], whole["scope_value"] = _scope(values["scope"])
    whole["operator"] = operator_of(whole["operator"])
    whole["no_data"] = _canonical(whole["no_data"], _POLICIES, apart="_")
    for name in DURATIONS:
        whole[name] = _whole_seconds(whole[name])
    if whole.get("recovery_value") is None:
        whole["recovery_value"] = whole.get("value")
    return whole


def faults_of(values: Mapping[str, Any]) -> list[FieldError]:
    """Everything that is wrong with ``values``, in either spelling; none of them has to be there but metric and value.

    Whether the agent, pool, queue, workflow or capability of the scope exists is not asked here.
    """
    whole = completed(values)
    found = [
        *_faults_of_metric(whole),
        *_faults_of_choices(whole),
        *_faults_of_limit(whole),
        *_faults_of_times(whole),
        *_faults_of_text(whole),
    ]
    return [{"path": path, "message": message} for path, message in found]


def operator_of(word: Any) -> Any:
    """The symbol that ``word`` stands for; a word that stands for none, as it is."""
    return _canonical(word, _WORDS)


def seconds(text: Any) -> float:
    """A duration as people write it: ``90``, ``90s``, ``2m``, ``1 h 30 m``. Raises ValueError with a sentence."""
    plain = re.sub(r"\s+", "", text).lower() if isinstance(text, str) else text
    if not isinstance(plain, str):
        return definition_table.seconds(plain)
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", plain):
        return float(plain)
    parts = _PARTS.findall(plain)
    if not parts or "".join(parts) != plain:
        raise ValueError("Write seconds as a number, or a duration such as 30s, 2m or 1h 30m.")
    return sum(definition_table.seconds(part) for part in parts)


def _canonical(word: Any, words: Mapping[str, str], *, apart: str = " ") -> Any:
    """What ``word`` stands for by ``words``; else the word in small letters, with ``apart`` for its spaces."""
    if not isinstance(word, str):
        return word
    plain = word.strip().lower()
    return words.get(plain.replace(" ", "_"), plain.replace(" ", apart))


def _scope(given: Any) -> tuple[Any, Any]:
    """Kind and value of a scope as the API writes it; what is none comes back as a kind that no scope has."""
    if given == "all":
        return "all", ""
    if not isinstance(given, Mapping) or len(given) != 1:
        return given, ""
    [(kind, value)] = given.items()
    if kind == "all":
        return ("all", "") if value is True or value == "" else (given, "")
    return kind, str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _whole_seconds(given: Any) -> Any:
    try:
        read = seconds(given)
    except ValueError:
        return given
    return int(read) if read == int(read) else given


def _faults_of_metric(whole: Mapping[str, Any]) -> Found:
    name, kind, value = whole.get("metric"), whole["scope_kind"], whole["scope_value"]
    metric = METRICS.get(name) if isinstance(name, str) else None
    if metric is None:
        if not name:
            return [("metric", f"Give a metric, one of {', '.join(METRICS)}.")]
        near = definition_checks.near(str(name)[:LONGEST_WORD], METRICS) or f" Choose one of {', '.join(METRICS)}."
        return [("metric", f"There is no metric {str(name)[:LONGEST_WORD]}.{near}")]
    if kind not in SCOPE_KINDS or not isinstance(value, str):
        return [("scope", f'Give "all", or one of {_offered(SCOPE_KINDS[1:])} with its name: {{"pool": "billing"}}.')]
    if kind not in SCOPES[metric.kind]:
        said = "it has no other scope than all" if metric.kind == "system" else f"give {_offered(SCOPES[metric.kind])}"
        owner = "the system" if metric.kind == "system" else f"{metric.kind}s"
        return [("scope", f"{metric.name} is a figure of {owner}: {said}.")]
    if kind == "all" and value:
        return [("scope", "All has no name: leave it empty, or say of what it is the name.")]
    if kind != "all" and not 0 < len(value.strip()) <= LONGEST_WORD:
        return [("scope", f"Say which {kind}.")]
    return []


def _offered(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _faults_of_choices(whole: Mapping[str, Any]) -> Found:
    found = []
    for name, known in CHOICES.items():
        given = whole[name]
        if not isinstance(given, str) or given not in known:
            near = definition_checks.near(given, known) if isinstance(given, str) else ""
            found.append((name, f"Choose one of {' '.join(known) if name == 'operator' else ', '.join(known)}.{near}"))
    if not isinstance(whole["enabled"], bool):
        found.append(("enabled", "Say true or false."))
    return found


def _faults_of_limit(whole: Mapping[str, Any]) -> Found:
    given = {name: whole.get(name) for name in ("value", "recovery_value")}
    metric = METRICS.get(whole["metric"]) if isinstance(whole.get("metric"), str) else None
    is_share = metric is not None and metric.unit == "share"
    found = [(name, fault) for name, value in given.items() if (fault := _number_fault(value, is_share=is_share))]
    if "recovery_value" in dict(found) and given["recovery_value"] is given["value"]:
        found = [fault for fault in found if fault[0] == "value"]
    if found:
        return found
    value, recovery = float(given["value"] or 0), float(given["recovery_value"] or 0)
    said = limit_words.exact(value, metric.unit if metric else "count")
    fault = _beyond(str(whole["operator"]), value, recovery, said)
    return [("recovery_value", fault)] if fault else []


def _beyond(operator: str, value: float, recovery: float, said: str) -> str:
    """What is wrong with a recovery value beyond the limit, or nothing."""
    if operator in ABOVE and recovery > value:
        return f"Recovery lies beyond the limit of {said}: give no more than that."
    if operator in BELOW and recovery < value:
        return f"Recovery lies beyond the limit of {said}: give no less than that."
    if operator in ("==", "!=") and recovery != value:
        return f"What is compared with one value recovers at it: give {said}, or nothing."
    return ""


def _number_fault(given: Any, *, is_share: bool) -> str:
    if isinstance(given, bool) or not isinstance(given, int | float):
        return "Give a number."
    if not abs(given) <= LARGEST or not math.isfinite(given):  # what is no number compares with nothing
        return "Give a finite number, of at most 18 digits."
    if is_share and not 0 <= given <= 1:
        return "This is a share: it lies between 0, which is 0 %, and 1, which is 100 %."
    return ""


def _faults_of_times(whole: Mapping[str, Any]) -> Found:
    found = []
    for name, (least, (most, in_words)) in DURATIONS.items():
        given = whole[name]
        if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
            found.append((name, f"Give whole seconds from {least} to {most:,}, which are {in_words}."))
    changes = whole["flap_changes"]
    if isinstance(changes, bool) or not isinstance(changes, int) or not FEWEST_CHANGES <= changes <= MOST_CHANGES:
        found.append(("flap_changes", f"Give a whole number from {FEWEST_CHANGES} to {MOST_CHANGES:,}."))
    return found


def _faults_of_text(whole: Mapping[str, Any]) -> Found:
    found = []
    if "name" in whole and (not isinstance(whole["name"], str) or not 0 < len(whole["name"].strip()) <= LONGEST_NAME):
        found.append(("name", f"Give a name of at most {LONGEST_NAME} characters."))
    if not isinstance(whole["instruction"], str) or len(whole["instruction"]) > LONGEST_INSTRUCTION:
        found.append(("instruction", f"Give a text of at most {LONGEST_INSTRUCTION:,} characters."))
    return found
