"""Expressions of definitions: JMESPath picks data, CEL decides conditions, ``{{ … }}`` puts a value into a name. Pure.

All see the run's input at the root and ``steps.NAME.status`` and ``steps.NAME.output``. Parsed expressions are kept,
and a condition is given only the paths that it names, since converting a large order costs more than deciding on it.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from orchestra.kernel.queries import (
    MAX_DEPTH,
    MAX_QUERY,
    ExpressionError,
    brackets,
    depth_of,
    fault_of_query,
    fault_of_template,
    fill,
    is_template,
    parsed,
    queries_of,
    search,
    whole_query,
)

__all__ = [
    "MAX_CONDITION",
    "MAX_QUERY",
    "ExpressionError",
    "fault_of_condition",
    "fault_of_query",
    "fault_of_template",
    "fill",
    "fill_names",
    "holds",
    "is_template",
    "pick",
    "steps_of_condition",
    "steps_of_query",
    "steps_of_template",
]

MAX_CONDITION = 500
_PATHS = re.compile(r"(?<![\w.'\"])[A-Za-z_]\w*+(?:\.[A-Za-z_]\w*+)*(?!\s*\()")
_STRINGS = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_MACROS = re.compile(r"\.\s*(all|exists|exists_one|map|filter|reduce|min)\s*\(")
_CEL_DEPTH = 250  # eleven levels of its grammar for each bracket
_KEYWORDS = {"true", "false", "null", "in", "has"}


def steps_of_query(text: str) -> set[str]:
    """The names of the steps that a JMESPath expression, which parses, reads by ``steps.NAME``."""
    return set(_steps_read(parsed(text).parsed))


def steps_of_template(text: str) -> set[str]:
    """The names of the steps that the expressions in ``{{ … }}`` read."""
    return {name for inner in queries_of(text) for name in steps_of_query(inner)}


def steps_of_condition(text: str) -> set[str]:
    """The names of the steps that a condition, which parses, reads by ``steps.NAME``."""
    return {path[1] for path in _condition(text)[1] if path[0] == "steps" and len(path) > 1}


def _steps_read(node: Mapping[str, Any]) -> Iterator[str]:
    """Follows only what sees the run's input at its root: the right side of a dot or pipe sees what the left gave."""
    kind, children = node["type"], node["children"]
    if kind == "subexpression":
        name = _first(children[1])
        if children[0] == {"type": "field", "children": [], "value": "steps"} and name:
            yield name
        else:
            yield from _steps_read(children[0])
    elif kind in _FROM_THE_LEFT:
        yield from _steps_read(children[0])
    elif kind != "expref":
        for child in children:
            yield from _steps_read(child)


def _first(node: Mapping[str, Any]) -> str:
    """The field that ``node`` begins with, or nothing."""
    while node["type"] == "index_expression":
        node = node["children"][0]
    return str(node["value"]) if node["type"] == "field" else ""


_FROM_THE_LEFT = {
    "pipe", "projection", "value_projection", "filter_projection", "flatten", "slice", "index_expression",
}  # fmt: skip


def pick(mapping: Any, context: Mapping[str, Any]) -> Any:
    """``mapping`` with every text in it replaced by what it picks from ``context``; other values stay."""
    if isinstance(mapping, str):
        return search(mapping, context)
    if isinstance(mapping, Mapping):
        return {key: pick(value, context) for key, value in mapping.items()}
    if isinstance(mapping, list):
        return [pick(value, context) for value in mapping]
    return mapping


def fill_names(template: str, context: Mapping[str, Any]) -> list[str]:
    """The names that ``template`` stands for: one, or as many as are in the list that it is made of entirely."""
    whole = whole_query(template)
    picked = search(whole, context) if whole else None
    return [str(name) for name in picked] if isinstance(picked, list) else [fill(template, context)]


@lru_cache(maxsize=1024)
def _tree(text: str) -> Any:
    import celpy

    return celpy.Environment().compile(text)


@lru_cache(maxsize=1024)
def _condition(text: str) -> tuple[Any, tuple[tuple[str, ...], ...]]:
    import celpy

    program = celpy.Environment().program(_tree(text))
    bare = _STRINGS.sub("''", text)
    paths = {tuple(path.split(".")) for path in _PATHS.findall(bare)} - {(word,) for word in _KEYWORDS}
    return program, tuple(sorted(paths))


@lru_cache(maxsize=1024)
def fault_of_condition(text: str) -> str:
    """Why ``text`` is not a condition that may run, or nothing."""
    import celpy

    if len(text) > MAX_CONDITION:
        return f"A condition may have at most {MAX_CONDITION} characters."
    if _MACROS.search(text):
        return "Macros such as all() and map() are not allowed in conditions; has() is."
    if brackets(text) > MAX_DEPTH:
        return f"An expression may be nested at most {MAX_DEPTH} deep."
    try:
        tree = _tree(text)
    except celpy.CELParseError as error:
        return f"This is not a CEL expression: {str(error.args[0] if error.args else error).splitlines()[0]}"
    if depth_of([tree], lambda node: getattr(node, "children", ())) > _CEL_DEPTH:
        return "This condition is nested too deeply; decide part of it in a step before."
    return ""


def holds(text: str, context: Mapping[str, Any]) -> bool:
    """Whether the condition holds; raises :class:`ExpressionError` where it cannot be decided."""
    import celpy
    from celpy.adapter import json_to_cel

    program, paths = _condition(text)
    pruned: dict[str, Any] = {}
    for path in paths:
        _copy_path(path, context, pruned)
    try:
        verdict = program.evaluate({key: json_to_cel(value) for key, value in pruned.items()})
    except celpy.CELEvalError as error:
        raise ExpressionError(f"The condition {text} could not be decided: {_reason(error)}") from error
    return bool(verdict)


def _copy_path(path: tuple[str, ...], source: Mapping[str, Any], target: dict[str, Any]) -> None:
    for name in path[:-1]:
        inner = source.get(name)
        if not isinstance(inner, Mapping):
            break
        target = target.setdefault(name, {})
        source = inner
    else:
        name = path[-1]
        if name in source:
            target[name] = source[name]
        return
    if name in source:
        target.setdefault(name, source[name])


def _reason(error: Exception) -> str:
    return str(error.args[0]) if error.args else type(error).__name__
