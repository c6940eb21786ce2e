"""What the editor of definitions does to a text: lines, steps put at their end, indentation."""

import pytest
import yaml

from workflows import definition_samples

pytestmark = pytest.mark.browser
FLOW = "name: flow\nsteps:\n  - name: ask\n    human: {}\noutput: {}\n"
SAMPLE = "- name: more\n  wait: 5m\n"


@pytest.fixture
def put(call):
    """``put(text, sample)``: the text with the sample among its steps."""

    def insert(text, sample=SAMPLE):
        placed = call("editor-text.js", "module.placed(...argument)", [text, sample])
        return text[: placed["at"]] + placed["text"] + text[placed["at"] :]

    return insert


def test_a_line_has_a_beginning_and_an_end(call):
    ranges = call("editor-text.js", "[1, 2, 3, 9].map((line) => module.rangeOfLine(argument, line))", "ab\n\ncde")

    assert ranges == [[0, 2], [3, 3], [4, 7], [4, 7]]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (FLOW, 3),
        ("steps:\n- {name: ask, wait: 5}\n", 2),
        ("steps:\n- {wait: 5, name: ask}\n", 2),
        ("steps:\n- name: 'ask'\n", 2),
        ("steps:\n# - name: ask\n- name: asked\n", 0),
        ("", 0),
    ],
)
def test_a_step_is_found_by_its_name(call, text, line):
    assert call("editor-text.js", "module.lineOfStep(argument, 'ask')", text) == line


@pytest.mark.parametrize(
    "text",
    [
        FLOW,
        FLOW.removesuffix("output: {}\n"),
        FLOW.removesuffix("\noutput: {}\n"),
        FLOW.replace("output", "\n# What it returns.\noutput"),
        FLOW.replace("output", "\n  # - name: later\n\noutput"),
        FLOW.replace("\n  - name: ask\n    human", "\n- name: ask\n  human"),
        FLOW.replace("\n  - name: ask\n    human: {}", "\n  - {name: ask, human: {}}"),
        definition_samples.TEMPLATE.replace("approve", "ask"),
    ],
)
def test_a_step_goes_behind_the_last_one(put, text):
    before, after = yaml.safe_load(text), yaml.safe_load(put(text))

    assert after["steps"] == [*before["steps"], {"name": "more", "wait": "5m"}]
    assert {**after, "steps": None} == {**before, "steps": None}


@pytest.mark.parametrize("text", ["", "name: flow", "name: flow\n", "name: flow\nsteps:\n", "steps:\noutput: {}\n"])
def test_the_first_step_finds_its_place(put, text):
    assert yaml.safe_load(put(text))["steps"] == [{"name": "more", "wait": "5m"}]


def test_a_comment_stays_above_what_it_is_about(put):
    text = put("steps:\n  - {name: ask, wait: 5}\n\n# What it returns.\noutput: {}\n")

    assert text.endswith("\n\n# What it returns.\noutput: {}\n")
    assert text.index("more") < text.index("# What")


def test_every_example_can_be_added_twice(put):
    for sample in definition_samples.SAMPLES:
        steps = yaml.safe_load(put(put(FLOW, sample.text), sample.text))["steps"]

        assert len({step["name"] for step in steps}) == 3


def test_an_example_that_names_itself_keeps_doing_so(put):
    (sample,) = (sample for sample in definition_samples.SAMPLES if sample.kind == "repeat")

    assert yaml.safe_load(put(put(FLOW, sample.text), sample.text))["steps"][2]["repeat"]["until"] == (
        "steps.poll_2.output.done"
    )


@pytest.mark.parametrize(
    ("text", "taken"), [("a\n    b", [2, 4]), ("a\n b", [2, 3]), ("a\nb", [2, 2]), ("  a", [0, 2])]
)
def test_at_most_two_spaces_are_taken_from_the_line(call, text, taken):
    assert call("editor-text.js", "module.outdent(argument, argument.length)", text) == taken
