"""Expressions of definitions: JMESPath picks data, CEL decides conditions, ``{{ … }}`` puts a value into a name. Pure.

All see the run's input at the root and ``steps.NAME.status`` and ``steps.NAME.output``. Parsed expressions are kept,
and a condition is given only the paths that it names, since converting a large order costs more than deciding on it.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

MAX_CONDITION = 500
_PATHS = re.compile(r"(?<![\w.'\"])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?!\s*\()")
_STRINGS = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_TEMPLATE = re.compile(r"\{\{\s*(.+?)\s*\}\}")
_MACROS = re.compile(r"\.\s*(all|exists|exists_one|map|filter|reduce|min)\s*\(")
_KEYWORDS = {"true", "false", "null", "in", "has"}


class ExpressionError(Exception):
    """An expression could not be evaluated; the message says which and why."""


@lru_cache(maxsize=4096)
def _query(text: str) -> Any:
    return jmespath.compile(text)


def fault_of_query(text: str) -> str:
    """Why ``text`` is not a JMESPath expression, or nothing."""
    try:
        _query(text)
    except JMESPathError as error:
        return f"This is not a JMESPath expression: {str(error).splitlines()[0]}"
    return ""


def fault_of_template(text: str) -> str:
    """Why one of the expressions in ``{{ … }}`` does not parse, or nothing."""
    return next((fault for inner in _TEMPLATE.findall(text) if (fault := fault_of_query(inner))), "")


def pick(mapping: Any, context: Mapping[str, Any]) -> Any:
    """``mapping`` with every text in it replaced by what it picks from ``context``; other values stay."""
    if isinstance(mapping, str):
        try:
            return _query(mapping).search(context)
        except JMESPathError as error:
            raise ExpressionError(f"{mapping} could not be evaluated: {error}") from error
    if isinstance(mapping, Mapping):
        return {key: pick(value, context) for key, value in mapping.items()}
    if isinstance(mapping, list):
        return [pick(value, context) for value in mapping]
    return mapping


def is_template(text: str) -> bool:
    return "{{" in text


def fill(template: str, context: Mapping[str, Any]) -> str:
    """``template`` with each ``{{ expression }}`` replaced by its value; nothing where there is none."""
    if not is_template(template):
        return template

    def value(found: re.Match[str]) -> str:
        picked = pick(found[1], context)
        return "" if picked is None else str(picked)

    return _TEMPLATE.sub(value, template)


@lru_cache(maxsize=1024)
def _condition(text: str) -> tuple[Any, tuple[tuple[str, ...], ...]]:
    import celpy

    environment = celpy.Environment()
    program = environment.program(environment.compile(text))
    bare = _STRINGS.sub("''", text)
    paths = {tuple(path.split(".")) for path in _PATHS.findall(bare)} - {(word,) for word in _KEYWORDS}
    return program, tuple(sorted(paths))


def fault_of_condition(text: str) -> str:
    """Why ``text`` is not a condition that may run, or nothing."""
    import celpy

    if len(text) > MAX_CONDITION:
        return f"A condition may have at most {MAX_CONDITION} characters."
    if _MACROS.search(text):
        return "Macros such as all() and map() are not allowed in conditions; has() is."
    try:
        _condition(text)
    except celpy.CELParseError as error:
        return f"This is not a CEL expression: {str(error.args[0] if error.args else error).splitlines()[0]}"
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
