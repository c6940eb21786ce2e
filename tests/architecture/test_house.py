"""The rules of the house that tools do not know. Floors and layers are import-linter's, in pyproject.toml."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db.models import ForeignKey, OneToOneField

ROOT = Path(__file__).resolve().parents[2]
FLOORS = {"kernel": 0, "agents": 1, "workflows": 2, "customer_service": 3, "monitoring": 4}
CODE = [ROOT / name for name in ("orchestra", "agents", "workflows", "monitoring")]
WRITTEN_BY_HAND = [*CODE, *(ROOT / name for name in ("tests", "templates", "static/css", "static/js"))]


def files(folders: list[Path], *endings: str) -> Iterator[Path]:
    for folder in folders:
        for path in folder.rglob("*"):
            if path.suffix in endings and "migrations" not in path.parts:
                yield path


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in files(CODE, ".py"):
        yield path, ast.parse(path.read_text())


def place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def test_no_file_is_longer_than_500_lines():
    lengths = {
        path: len(path.read_text().splitlines()) for path in files(WRITTEN_BY_HAND, ".py", ".js", ".css", ".html")
    }

    assert {path: length for path, length in lengths.items() if length > 500} == {}


def test_no_function_is_longer_than_60_lines():
    functions = [
        (place(path, node), node.name)
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > 60
    ]

    assert functions == []


def test_only_transition_tables_write_a_status():
    fields = status_fields()
    writes = [
        place(path, node)
        for path, tree in trees()
        if path != ROOT / "orchestra/kernel/states.py"
        for node in ast.walk(tree)
        if written_names(node) & fields
    ]

    assert writes == []


LOCKED_WITH_THEIR_KEYS = {
    ("agents/fleet.py", "remove_members"): "they are removed, so nothing may come to refer to them"
}


def test_rows_are_locked_without_their_keys():
    """At its commit a transaction that refers to a row waits for whoever locked the key, while all wait for its audit.

    Only what removes rows locks their keys, and says so in the list.
    """
    with_keys = {
        (str(path.relative_to(ROOT)), function.name)
        for path, tree in trees()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "select_for_update"
        if not any(word.arg == "no_key" for word in node.keywords)
    }

    assert with_keys == set(LOCKED_WITH_THEIR_KEYS)


def status_fields() -> set[str]:
    """The fields that some ``Machine`` guards."""
    machines = [
        node
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
        if getattr(node.func, "id", getattr(node.func, "attr", "")) == "Machine"
    ]
    named = {word.value.value for call in machines for word in call.keywords if isinstance(word.value, ast.Constant)}
    return {"status"} | {str(name) for name in named}


def written_names(node: ast.AST) -> set[str]:
    """The attributes that ``node`` assigns, or the columns that it updates."""
    if isinstance(node, ast.Assign):
        return {target.attr for target in node.targets if isinstance(target, ast.Attribute)}
    if isinstance(node, ast.AnnAssign | ast.AugAssign):
        return {node.target.attr} if isinstance(node.target, ast.Attribute) else set()
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return updated_columns(node.func.attr, node)
    return set()


def updated_columns(method: str, call: ast.Call) -> set[str]:
    if method == "update":
        return {str(word.arg) for word in call.keywords}
    if method == "bulk_update":
        return {str(child.value) for child in ast.walk(call) if isinstance(child, ast.Constant)}
    return set()


def test_only_libraries_that_are_slow_to_import_are_imported_inside_a_function():
    slow = slow_libraries()
    late = [
        (place(path, node), name)
        for path, tree in trees()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name != "ready"
        for node in ast.walk(function)
        for name in imported_names(node) - slow
    ]

    assert late == []


def slow_libraries() -> set[str]:
    """Those that ruff forbids at the head of a module."""
    return set(tools()["ruff"]["lint"]["flake8-tidy-imports"]["banned-module-level-imports"])


def tools() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]


def imported_names(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {str(node.module).partition(".")[0]}
    return set()


@pytest.mark.parametrize("label", FLOORS)
def test_foreign_keys_point_down(label):
    upward = [
        f"{model.__name__}.{field.name}"
        for model in apps.get_app_config(label).get_models()
        for field in model._meta.get_fields()
        if isinstance(field, ForeignKey | OneToOneField)
        and FLOORS.get(field.related_model._meta.app_label, 0) > FLOORS[label]
    ]

    assert upward == []


def test_every_file_is_named_after_what_it_does():
    empty_names = {"common", "helpers", "misc", "mixins", "util", "utils"}

    assert [path for path in files(WRITTEN_BY_HAND, ".py", ".js") if path.stem in empty_names] == []


def test_the_modules_that_know_no_django_are_the_strictly_typed_ones():
    pure = next(contract for contract in tools()["importlinter"]["contracts"] if contract["type"] == "forbidden")
    strict = next(override for override in tools()["mypy"]["overrides"] if override.get("warn_return_any"))

    assert pure["source_modules"] == strict["module"]


def test_the_import_contracts_hold():
    result = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr
