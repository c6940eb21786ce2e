"""A definition as YAML or JSON text, made into plain data; and whether data is plain. Pure.

Only what JSON can say is taken: no aliases (a few lines of them unfold into gigabytes), no tags, no repeated keys; what
YAML would read as a date is text.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from orchestra.kernel.errors import FieldError, Invalid

MAX_BYTES = 256 * 1024
MAX_DEPTH = 40
REFUSED = "The definition has faults; mend those named and send it again."
_TOO_LARGE = f"A definition may have at most {MAX_BYTES // 1024} KB; split the workflow."
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_PLACE = re.compile(r"line (\d+), column \d+")
_PARTS = re.compile(r"[^.\[\]]+")
_FastLoader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


_RESOLVERS = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in _FastLoader.yaml_implicit_resolvers.items()
}
_Loader: type[Any] = type("_Loader", (_FastLoader,), {"yaml_implicit_resolvers": _RESOLVERS})


class _Refused(Exception):
    """The text says something that a definition cannot; the mark is where."""

    def __init__(self, message: str, mark: Any = None) -> None:
        self.message, self.mark = message, mark
        super().__init__(message)


def read(text: str) -> Any:
    """The data that ``text`` says, YAML or JSON; raises :class:`Invalid` with the line and column of its fault."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise Invalid(REFUSED, errors=[{"path": "", "message": _TOO_LARGE}])
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text, object_pairs_hook=_once)
        except (ValueError, RecursionError):
            pass  # braces begin YAML as well, which names the place of a fault either way
        except _Refused as error:
            raise _invalid(error.message, error.mark) from None
    try:
        _guard(text)
        return _plain(text)
    except _Refused as error:
        raise _invalid(error.message, error.mark) from None
    except yaml.MarkedYAMLError as error:
        raise _invalid(f"This is not YAML: {error.problem}.", error.problem_mark) from None
    except (yaml.YAMLError, ValueError) as error:
        raise _invalid(f"This is not YAML: {str(error).splitlines()[0]}") from None


def lines(text: str, paths: Iterable[str]) -> dict[str, int]:
    """On which line of ``text``, from 1, each of ``paths`` begins; the table around it where it is not written.

    A path is that of a fault: ``steps[2].retry.attempts``, or ``line 3, column 5``. Where the text cannot be read, only
    the latter have a line.
    """
    try:
        _guard(text)
        root = yaml.compose(text, Loader=_Loader)
    except (_Refused, yaml.YAMLError, ValueError):
        root = None
    placed = ((path, _line_named(path) or _line_in(root, path)) for path in paths)
    return {path: line for path, line in placed if line}


def _line_named(path: str) -> int:
    match = _PLACE.fullmatch(path)
    return int(match[1]) if match else 0


def _line_in(node: Any, path: str) -> int:
    """0 without a node."""
    line = node.start_mark.line + 1 if node else 0
    for part in _PARTS.findall(path):
        if isinstance(node, yaml.SequenceNode) and part.isdecimal() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
            continue
        entries = node.value if isinstance(node, yaml.MappingNode) else ()
        found = next(((key, value) for key, value in entries if key.value == part), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def faults(value: Any) -> list[FieldError]:
    """Where ``value`` is not plain data of at most :data:`MAX_BYTES` that JSON and the database can hold."""
    found = list(_faults(value, "", 0))
    if not found and len(json.dumps(value, ensure_ascii=False).encode()) > MAX_BYTES:
        found.append({"path": "", "message": _TOO_LARGE})
    return found


def _faults(value: Any, path: str, depth: int) -> Iterator[FieldError]:
    if depth > MAX_DEPTH:
        yield {"path": path, "message": f"Tables and lists may be nested at most {MAX_DEPTH} deep."}
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str) or _UNSTORABLE.search(key):
                yield {"path": path, "message": f"Names of fields are texts, unlike {key!r}; put it in quotes."}
            else:
                yield from _faults(item, f"{path}.{key}".lstrip("."), depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _faults(item, f"{path}[{index}]", depth + 1)
    elif message := _fault_of_scalar(value):
        yield {"path": path, "message": message}


def _fault_of_scalar(value: Any) -> str:
    if isinstance(value, str):
        return "This text holds a character that cannot be stored; remove it." if _UNSTORABLE.search(value) else ""
    if isinstance(value, float):
        return "" if math.isfinite(value) else "Give a finite number."
    return "" if isinstance(value, int | None) else f"JSON has no {type(value).__name__}; put it in quotes."


def _guard(text: str) -> None:
    """Refuse aliases and deep nesting, before anything is built from the text."""
    depth = 0
    for event in yaml.parse(text, Loader=_FastLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _Refused(f"Aliases are not taken; write out what *{event.anchor} stands for.", event.start_mark)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _Refused(f"Tables and lists may be nested at most {MAX_DEPTH} deep.", event.start_mark)


def _plain(text: str) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null")}


def _check(node: Any) -> None:
    """Refuse what JSON has not: other tags, tables with one key twice."""
    if node.tag not in _TAGS:
        raise _Refused(f"JSON has no {node.tag.rpartition(':')[2]}; put it in quotes.", node.start_mark)
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check(item)
    elif isinstance(node, yaml.MappingNode):
        seen: set[tuple[str, str]] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _Refused("Names of fields are texts.", key.start_mark)
            if (key.tag, key.value) in seen:
                raise _Refused(f"{key.value} stands here twice; remove one.", key.start_mark)
            seen.add((key.tag, key.value))
            _check(key)
            _check(value)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused(f"{twice} stands twice in one table; remove one.")
    return table


def _invalid(message: str, mark: Any = None) -> Invalid:
    path = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return Invalid(REFUSED, errors=[{"path": path, "message": message}])
