"""Definitions as text: YAML and JSON, the place of each fault, and nothing that unfolds."""

import json
from typing import Any

import pytest

from orchestra.kernel.errors import Invalid
from workflows.definition_text import MAX_BYTES, read


def fault(text: str) -> tuple[str, str]:
    with pytest.raises(Invalid) as caught:
        read(text)
    (found,) = caught.value.errors
    return found["path"], found["message"]


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("name: flow\nsteps:\n  - {name: a, wait: 5m}\n", {"name": "flow", "steps": [{"name": "a", "wait": "5m"}]}),
        ('{"name": "flow", "at": "\\ud83d\\ude00"}', {"name": "flow", "at": "😀"}),
        ("{name: flow, steps: []}", {"name": "flow", "steps": []}),
        ("since: 2024-01-01", {"since": "2024-01-01"}),
        ("at: 2024-01-01T10:00:00Z", {"at": "2024-01-01T10:00:00Z"}),
        ("[1, 2.5, true, null]", [1, 2.5, True, None]),
        ("", None),
    ],
)
def test_yaml_and_json_are_read_as_what_json_can_say(text: str, data: Any) -> None:
    assert read(text) == data


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("name: flow\nsteps: ]", "line 2, column 8", "not YAML"),
        ("name: flow\n\tsteps: 1", "line 2, column 1", "not YAML"),
        ("name: a\nsteps: 1\nname: b", "line 3, column 1", "twice"),
        ("a: &x 1\nb: *x", "line 2, column 4", "Aliases"),
        ("a: {}\nb:\n  <<: {c: 1}", "line 3, column 3", "merge"),
        ("a: !!set {b, c}", "line 1, column 4", "set"),
        ("a: !!python/object:os.system {}", "line 1, column 4", "os.system"),
        ("? [a]\n: b", "line 1, column 3", "texts"),
        ("a: 1\n---\nb: 2", "line 2, column 1", "not YAML"),
        ('{"a": 1, "a": 2}', "", "twice"),
        ('{"a": 1,\n"b" 2}', "line 2, column 5", "not YAML"),
        ("a: \x00", "", "not YAML"),
    ],
)
def test_a_fault_of_the_text_is_named_by_its_place(text: str, place: str, words: str) -> None:
    path, message = fault(text)

    assert path == place
    assert words in message


def test_a_few_lines_do_not_unfold_into_gigabytes() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))

    assert "Aliases" in fault(bomb)[1]


@pytest.mark.parametrize("opening", ["[", "{a: ", '{"a":', "- "])
def test_deep_nesting_is_refused(opening: str) -> None:
    assert "nested" in fault(opening * 20_000)[1]


def test_a_text_has_a_limit() -> None:
    assert "256 KB" in fault("# " + "x" * MAX_BYTES)[1]
    assert read(json.dumps("x" * 1000)) == "x" * 1000
