"""How good triage is on inquiries whose category is known. Pure."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from workflows.customer_service.triage import Triage

BINS = 10


@dataclass(frozen=True, slots=True)
class Labelled:
    """An inquiry, its category, and the categories that a reasonable reader could have chosen as well."""

    text: str
    category: str
    alternatives: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Report:
    """All in percent but ``n``. An alternative counts as right in ``lenient``, ``ece_lenient``, ``at50``, ``at90``.

    ``ece`` is the expected calibration error: how far confidence lies from the share that is right. ``at50`` is the
    share that is right among the half that triage is surest of, ``at90`` among the surest nine tenths.
    """

    n: int
    strict: float
    lenient: float
    ece: float
    ece_lenient: float
    at50: float
    at90: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def read_labelled(path: Path) -> list[Labelled]:
    """The rows of a CSV file with the columns text, category, alt and ood, without those out of scope (ood = 1)."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Labelled(row["text"], row["category"], frozenset(filter(None, row["alt"].split("|"))))
            for row in csv.DictReader(file)
            if row["ood"] != "1"
        ]


def report(triages: Sequence[Triage], labelled: Sequence[Labelled]) -> Report:
    confidences = [triage.confidence for triage in triages]
    exact = [triage.category == each.category for triage, each in zip(triages, labelled, strict=True)]
    fitting = [
        is_exact or triage.category in each.alternatives
        for triage, each, is_exact in zip(triages, labelled, exact, strict=True)
    ]
    return Report(
        n=len(labelled),
        strict=_percent(_share(exact)),
        lenient=_percent(_share(fitting)),
        ece=_percent(expected_calibration_error(confidences, exact)),
        ece_lenient=_percent(expected_calibration_error(confidences, fitting)),
        at50=_percent(accuracy_at_coverage(confidences, fitting, 0.5)),
        at90=_percent(accuracy_at_coverage(confidences, fitting, 0.9)),
    )


def expected_calibration_error(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """Mean distance between confidence and share right over ten bins of equal width, weighted by what they hold.

    Source: C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    bins: dict[int, list[tuple[float, bool]]] = {}
    for confidence, is_right in zip(confidences, right, strict=True):
        bins.setdefault(min(int(confidence * BINS), BINS - 1), []).append((confidence, is_right))
    gaps = [abs(sum(confidence - is_right for confidence, is_right in held)) for held in bins.values()]
    return sum(gaps) / len(confidences) if confidences else 0.0


def accuracy_at_coverage(confidences: Sequence[float], right: Sequence[bool], coverage: float) -> float:
    """The share that is right among the surest ``coverage`` (0 to 1) of all; ties keep their order."""
    surest_first = sorted(range(len(confidences)), key=lambda index: -confidences[index])
    return _share(right[index] for index in surest_first[: max(1, round(coverage * len(confidences)))])


def _share(right: Iterable[bool]) -> float:
    outcomes = list(right)
    return sum(outcomes) / len(outcomes) if outcomes else 0.0


def _percent(share: float) -> float:
    return round(100 * share, 2)
