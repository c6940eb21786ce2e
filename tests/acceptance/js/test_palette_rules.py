"""The rules of palette and selection that need no page."""

import pytest

pytestmark = pytest.mark.browser


def test_every_word_must_occur_and_what_begins_with_the_text_comes_first(call):
    entries = [{"label": label} for label in ("Dark theme", "Theme as the system", "Sign out")]

    found = call(
        "palette.js",
        "argument.map((text) => module.matching(entries, text).map(({label}) => label))".replace(
            "entries", str(entries)
        ),
        ["theme", "the sys", "out sign", "x", ""],
    )

    assert found == [
        ["Theme as the system", "Dark theme"],
        ["Theme as the system"],
        ["Sign out"],
        [],
        ["Dark theme", "Theme as the system", "Sign out"],
    ]


def test_only_pages_of_one_object_are_remembered(call):
    paths = [
        "/runs/7/",
        "/desk/42/",
        "/workflows/customer_inquiry/",
        "/runs/",
        "/settings/people/3/",
        "/",
        "/desk/new/",
    ]

    assert call("recent.js", "argument.map(module.isObject)", paths) == [True, True, True, False, False, False, False]


def test_a_range_reaches_from_the_last_chosen_row_either_way(call):
    cases = [["b", "d"], ["d", "b"], ["b", "b"], ["gone", "c"], ["", "a"]]

    found = call("selection.js", "argument.map(([from, to]) => module.between(['a', 'b', 'c', 'd'], from, to))", cases)

    assert found == [["b", "c", "d"], ["b", "c", "d"], ["b"], ["c"], ["a"]]


def test_the_count_says_one_many_elsewhere_and_all(call):
    cases = [
        {"count": 1, "elsewhere": 0, "all": ""},
        {"count": 3, "elsewhere": 2, "all": ""},
        {"count": 3, "elsewhere": 0, "all": "1,000+"},
    ]

    words = call("selection.js", "argument.map((c) => module.countText({...c, noun: 'run', nouns: 'runs'}))", cases)

    assert words == ["1 run selected", "3 runs selected, 2 not on this page", "All 1,000+ matching runs selected"]
