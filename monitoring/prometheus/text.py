"""Families of samples as Prometheus' text format: what ``generate_latest`` writes, in a fifth of its time. Pure.

With five thousand agents an answer has eighty thousand lines, and the library asks of each sample whether it has
anything that ours never have. A test compares the two, byte by byte.
"""

from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric
from prometheus_client.utils import floatToGoString

SHORT = 1_000_000
"""Whole numbers below are written as they are; above, as the library does, with an exponent."""


def written(families: Iterable[Metric]) -> bytes:
    return "".join(line for family in families for line in _lines(family)).encode()


def _lines(family: Metric) -> Iterator[str]:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    told = family.documentation.replace("\\", r"\\").replace("\n", r"\n")
    yield f"# HELP {name} {told}\n# TYPE {name} {family.type}\n"
    for sample in family.samples:
        labels = ",".join([f'{label}="{_escaped(value)}"' for label, value in sorted(sample.labels.items())])
        yield (
            f"{sample.name}{{{labels}}} {_number(sample.value)}\n"
            if labels
            else (f"{sample.name} {_number(sample.value)}\n")
        )


def _escaped(value: str) -> str:
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return value


def _number(value: float) -> str:
    if -SHORT < value < SHORT and value == (whole := int(value)):
        return f"{whole}.0"
    return str(floatToGoString(float(value)))  # type: ignore[no-untyped-call]
