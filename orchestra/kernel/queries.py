"""JMESPath: queries that pick data, alone or as ``{{ query }}`` in a text; parsed once, and bounded. Pure.

A query is data, not code: it reads the value that it is given and nothing else.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

MAX_QUERY = 2000
MAX_DEPTH = 50
"""Of a query's tree, and of brackets in any expression: what evaluates them recurses."""
MAX_COPIES = 1000
_TEMPLATE = re.compile(r"\{\{\s*(.+?)\s*\}\}")
_LITERALS = re.compile(r"'(?:[^'\\]|\\.)*+'|\"(?:[^\"\\]|\\.)*+\"|`(?:[^`\\]|\\.)*+`")


class ExpressionError(Exception):
    """An expression could not be evaluated; the message says which and why."""


@lru_cache(maxsize=4096)
def parsed(text: str) -> Any:
    return jmespath.compile(text)


@lru_cache(maxsize=4096)
def fault_of_query(text: str) -> str:
    """Why ``text`` is not a JMESPath expression that may run, or nothing."""
    if len(text) > MAX_QUERY:
        return f"An expression may have at most {MAX_QUERY:,} characters."
    if brackets(text) > MAX_DEPTH:
        return f"An expression may be nested at most {MAX_DEPTH} deep."
    try:
        tree = parsed(text).parsed
    except JMESPathError as error:
        return f"This is not a JMESPath expression: {str(error).splitlines()[0]}"
    except RecursionError:
        return f"An expression may be nested at most {MAX_DEPTH} deep."
    if depth_of([tree], lambda node: node["children"]) > MAX_DEPTH:
        return f"An expression may be nested at most {MAX_DEPTH} deep."
    if _copies(tree) > MAX_COPIES:
        return f"This could copy its input more than {MAX_COPIES:,} times; pick less at a time."
    return ""


def search(text: str, context: Any) -> Any:
    """What the query picks from ``context``; raises :class:`ExpressionError` where it cannot be evaluated."""
    try:
        return parsed(text).search(context)
    except JMESPathError as error:
        raise ExpressionError(f"{text} could not be evaluated: {error}") from error


def is_template(text: str) -> bool:
    return "{{" in text


def queries_of(template: str) -> list[str]:
    """The queries in ``{{ … }}``, in their order."""
    return _TEMPLATE.findall(template)


def fault_of_template(text: str) -> str:
    """Why one of the expressions in ``{{ … }}`` does not parse, or nothing."""
    rest = _TEMPLATE.sub("", text)
    if "{{" in rest or "}}" in rest:
        return "Close each {{ with }}, with an expression between them."
    return next((fault for inner in queries_of(text) if (fault := fault_of_query(inner))), "")


def whole_query(template: str) -> str:
    """The query that ``template`` is made of entirely, or nothing."""
    whole = _TEMPLATE.fullmatch(template.strip())
    return whole[1] if whole else ""


def fill(template: str, context: Any, text_of: Callable[[Any], str] = str) -> str:
    """``template`` with each ``{{ query }}`` replaced by its value, as ``text_of`` writes it; null is nothing."""
    if not is_template(template):
        return template

    def value(found: re.Match[str]) -> str:
        picked = search(found[1], context)
        return "" if picked is None else text_of(picked)

    return _TEMPLATE.sub(value, template)


def _copies(node: Mapping[str, Any]) -> int:
    """How often the answer can hold its input: ``[@, @]`` twice, each further one in a chain twice as often."""
    counts = [_copies(child) for child in node["children"]]
    if node["type"] in {"multi_select_list", "multi_select_dict"}:
        return sum(counts)
    if node["type"] in {"or_expression", "and_expression", "comparator", "not_expression"}:
        return max(counts)
    return math.prod(counts)


def depth_of(level: Iterable[Any], children: Callable[[Any], Iterable[Any]]) -> int:
    """How many levels a tree has, found without recursion."""
    depth = 0
    while level := list(level):
        depth, level = depth + 1, [child for node in level for child in children(node)]
    return depth


def brackets(text: str) -> int:
    """How deep the brackets of an expression are nested."""
    depth = deepest = 0
    for letter in _LITERALS.sub("", text):
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    return deepest
