"""What of a schedule's values cannot be used; nothing here writes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils import timezone

from orchestra.kernel.errors import FieldError, Invalid, NotFound, TooLarge
from orchestra.kernel.events import Ref
from workflows import beginning, cron, definitions
from workflows.beginning import Order, Terms
from workflows.models import Missed, Overlap

LENGTHS = {"name": 100}
CHOICES = {"missed": Missed.values, "overlap": Overlap.values}


def faults(values: Mapping[str, Any]) -> list[FieldError]:
    """Every fault with the field where it lies."""
    return [*_of_texts(values), *_of_times(values), *_of_terms(values), *_of_run(values)]


def _of_texts(values: Mapping[str, Any]) -> Iterator[FieldError]:
    if not str(values["name"]).strip():
        yield {"path": "name", "message": "Give it a name."}
    for field, longest in LENGTHS.items():
        if len(values[field]) > longest:
            yield {"path": field, "message": f"Give at most {longest} characters."}


def _of_times(values: Mapping[str, Any]) -> Iterator[FieldError]:
    if message := cron.fault(values["cron"]):
        yield {"path": "cron", "message": message}
    if message := cron.fault_of_zone(values["timezone"]):
        yield {"path": "timezone", "message": message}


def _of_terms(values: Mapping[str, Any]) -> Iterator[FieldError]:
    for field, known in CHOICES.items():
        if values[field] not in known:
            yield {"path": field, "message": f"Choose one of {', '.join(known)}."}


def _of_run(values: Mapping[str, Any]) -> Sequence[FieldError]:
    """Why a run would not begin now; the engine is asked again each time that one is to begin."""
    if not isinstance(values["input"], Mapping):
        return [{"path": "input", "message": 'Give a table, for example {"name": "value"}.'}]
    try:
        version = definitions.newest(values["workflow"])
        definition = definitions.parsed([version.pk])[version.pk]
        order, terms = Order(values["input"], "", Ref("schedule", 0)), Terms(values["priority"], values["queue"])
        beginning.check(definition, [order], terms, timezone.now())
    except NotFound as error:
        return [{"path": "workflow", "message": error.detail}]
    except TooLarge as error:
        return [{"path": "input", "message": error.detail}]
    except Invalid as error:
        return error.errors
    return []
