"""JSON as the API reads it: strict, bounded, and clear about what is wrong with it."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import BaseParser

from orchestra.kernel.errors import BadRequest, TooLarge
from orchestra.kernel.inbound import CONTROL

MAX_DEPTH = 64
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class StrictJSONParser(BaseParser):
    """A JSON object in UTF-8 without duplicate names, NaN, control characters or lone surrogates."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        return read_object(_bounded(stream, settings.DATA_UPLOAD_MAX_MEMORY_SIZE))


class CleaningJSONParser(StrictJSONParser):
    """The same, but what cannot be printed is replaced in the texts of the object: for words that others quote."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        return read_object(_bounded(stream, settings.DATA_UPLOAD_MAX_MEMORY_SIZE), cleans=True)


def _bounded(stream: IO[bytes], limit: int) -> bytes:
    body = stream.read(limit + 1)
    if len(body) > limit:
        raise TooLarge(f"The body is larger than {limit // 1024:,} KB; send less at a time.")
    return body


def read_object(body: bytes, *, cleans: bool = False) -> dict[str, Any]:
    """The object that ``body`` holds. Raises :class:`BadRequest` that says what is wrong and where.

    With ``cleans``, control characters and lone surrogates in its texts are replaced; deeper ones stay faults.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_float=_finite,
            parse_constant=_no_constant,
        )
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8; send it in that encoding.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadRequest(f"The body is not valid JSON ({where}: {error.msg}); mend it and send it again.") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise BadRequest(f"The body cannot be read: {error}.") from None
    if not isinstance(value, dict):
        raise BadRequest('The body is not a JSON object; send {"name": value, …}.')
    if cleans:
        value = {name: _clean(each) if isinstance(each, str) else each for name, each in value.items()}
    for path, fault in _faults(value, "", MAX_DEPTH):
        raise BadRequest(f"{path or 'A name'} holds {fault}; remove it.", errors=[{"path": path, "message": fault}])
    return value


def _clean(text: str) -> str:
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", CONTROL.sub("\N{REPLACEMENT CHARACTER}", text))


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} occurs twice in one object")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _too_deep() -> BadRequest:
    return BadRequest(f"The body is nested more than {MAX_DEPTH} deep; flatten it.")


def _faults(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth == 0:
        raise _too_deep()
    if isinstance(value, str):
        if CONTROL.search(value):
            yield path, "a control character"
        elif _SURROGATE.search(value):
            yield path, "half of a surrogate pair"
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _faults(name, path, depth - 1)
            yield from _faults(item, f"{path}.{name}" if path else name, depth - 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _faults(item, f"{path}[{index}]", depth - 1)
