"""The versions of thresholds as people compare them. Reads only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitoring.alerting import limit_words, scopes, thresholds
from monitoring.models import ScopeKind, Threshold, ThresholdVersion
from orchestra.kernel.lists import ListFilter

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two versions say differently, in words."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Row:
    """A version with what it changed of the one before it; nothing for the first."""

    version: ThresholdVersion
    changes: Sequence[Difference]


class VersionList(ListFilter[ThresholdVersion]):
    """The versions of a threshold, the newest first."""

    order = ("-number",)

    def __init__(self, params: Mapping[str, str], *, threshold: int = 0) -> None:
        self.threshold = threshold
        super().__init__(params)

    def base(self) -> Any:
        return ThresholdVersion.objects.filter(threshold=self.threshold)


def rows(versions: Sequence[ThresholdVersion]) -> list[Row]:
    """``versions``, the newest first, each with what it changed; of the last one it is asked what came before."""
    if not versions:
        return []
    oldest = versions[-1]
    earlier = ThresholdVersion.objects.filter(threshold=oldest.threshold_id, number=oldest.number - 1).first()
    told = _told([version.values for version in versions] + ([earlier.values] if earlier else []))
    return [
        Row(version, _differences(told[place + 1], told[place]) if place + 1 < len(told) else ())
        for place, version in enumerate(versions)
    ]


def compare(before: Values, after: Values) -> list[Difference]:
    """What two versions say differently."""
    return _differences(*_told([before, after]))


def since(threshold: Threshold, number: int) -> list[Difference]:
    """What has changed of a threshold since its version ``number``."""
    version = threshold.versions.filter(number=number).first()
    return compare(version.values, thresholds.values_of(threshold)) if version else []


def facts(threshold: Threshold) -> dict[str, str]:
    """All that a threshold says, by label."""
    return _told([thresholds.values_of(threshold)])[0]


def _told(found: Sequence[Values]) -> list[dict[str, str]]:
    named = scopes.names((values["scope_kind"], values["scope_value"]) for values in found if _is_named(values))
    return [limit_words.facts(values, _scope(values, named)) for values in found]


def _is_named(values: Values) -> bool:
    return bool(values["scope_kind"] != ScopeKind.ALL)


def _scope(values: Values, named: Mapping[tuple[str, str], str]) -> str:
    kind, value = values["scope_kind"], values["scope_value"]
    return scopes.in_words(values["metric"], kind, named.get((kind, value), "")) or "the system"


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    return [Difference(label, before[label], said) for label, said in after.items() if before[label] != said]
