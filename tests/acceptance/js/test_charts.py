"""Charts in a real browser: drawn, told in words, by keyboard, in place after a live update."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.template import engines
from playwright.sync_api import expect

from orchestra.kernel import charts
from orchestra.kernel.charts import Chart, Line, Mark

pytestmark = pytest.mark.browser
START = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
VALUES = [0.2, 0.25, None, 0.31, 0.3, 0.42, 0.4, 0.38, 0.9, 0.5]
PIXELS = """selector => {
    const canvas = document.querySelector(selector).shadowRoot.querySelector("canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(Array.from({ length: data.length / 4 }, (_, i) => data.slice(4 * i, 4 * i + 4).join())).size;
}"""
CURSOR = """() => document.querySelector("[data-chart-plot]").shadowRoot.querySelector(".u-cursor-x").style.transform"""


def region(values=VALUES, *, later=0, marks=1, shape="line"):
    times = [START + timedelta(minutes=number + later) for number in range(len(values))]
    lines = [Line("p50", values, shape=shape), Line("limit", [0.8] * len(values), "failed", "dashed")]
    told = [Mark(START + timedelta(minutes=5, seconds=n), "grew to 3: 14 waited", "waiting") for n in range(marks)]
    chart = Chart("response", "Response", times, lines, "seconds", told, note="of calls")
    html = engines["django"].from_string("{% load ui %}{% chart shown %}").render({"shown": chart})
    return f'<section class="card" id="figures" data-region data-topics="agent">{html}</section>'


def drawn(stage, **more):
    page = stage.greeted(region(**more))
    page.wait_for_function("() => document.querySelector('[data-chart-plot]').shadowRoot?.querySelector('canvas')")
    return page


def refreshed(stage, content, number=1):
    stage.content = content
    stage.hear("changed", number, "agent")
    assert stage.eventually(lambda: stage.asked != [])


def test_a_chart_is_drawn_and_told_in_a_table(stage):
    page = drawn(stage)

    assert page.evaluate(PIXELS, "[data-chart-plot]") > 10
    page.get_by_text("As a table").click()
    expect(page.locator("figure tbody tr").first).to_have_text(re.compile(r"13:00\s*0.2 s\s*0.8 s"))
    expect(page.locator("figure tbody tr")).to_have_count(10)


def test_arrow_keys_go_from_point_to_point_and_say_its_values(stage):
    page = drawn(stage)

    page.locator("[data-chart-plot]").focus()
    for key in ("End", "ArrowLeft"):
        page.keyboard.press(key)

    expect(page.locator("[data-chart-value]").first).to_have_text("0.9 s")
    expect(page.locator("[data-chart-plot] .said")).to_have_text("22 Nov, 13:08: p50 0.9 s, limit 0.8 s")
    page.keyboard.press("Escape")
    expect(page.locator("[data-chart-value]").first).to_have_text("0.5 s")


def test_a_live_update_changes_the_drawing_in_place_and_leaves_the_cursor(stage):
    page = drawn(stage)
    page.hover("[data-chart-plot]", position={"x": 300, "y": 90})
    page.evaluate("document.querySelector('[data-chart-plot]').shadowRoot.querySelector('canvas').dataset.same = 'yes'")
    before = page.evaluate(CURSOR)

    refreshed(stage, region([1.5] * 10, later=1))

    expect(page.locator("[data-chart-value]").first).to_have_text("1.5 s")
    assert page.evaluate(CURSOR) == before
    assert page.locator("canvas[data-same=yes]").count() == 1
    assert len(stage.asked) == 1  # and what the script drew does not look like something to fetch again


def test_the_point_of_the_keyboard_moves_along_with_its_moment(stage):
    page = drawn(stage)
    page.locator("[data-chart-plot]").focus()
    for key in ("End", "ArrowLeft"):
        page.keyboard.press(key)

    refreshed(stage, region([*VALUES[1:], 0.6], later=1))

    expect(page.locator("[data-chart-at]")).to_have_text("22 Nov, 13:08")
    expect(page.locator("[data-chart-value]").first).to_have_text("0.9 s")


def test_a_mark_says_what_happened_when_it_is_focused(stage):
    page = drawn(stage)

    page.locator("[data-chart-plot]").focus()
    page.keyboard.press("Tab")

    expect(page.get_by_role("button", name="grew to 3: 14 waited")).to_be_focused()
    expect(page.locator(".chart-mark-text")).to_be_visible()


def test_marks_of_nearly_one_moment_stand_beside_each_other(stage):
    page = drawn(stage, marks=4)

    boxes = [mark.bounding_box() for mark in page.locator("[data-chart-mark]").all()]

    assert len(boxes) == 4
    assert all(later["x"] - earlier["x"] >= 24 for earlier, later in pairwise(boxes)), boxes


def test_a_chart_that_has_nothing_at_first_is_drawn_once_there_is_something(stage):
    page = stage.greeted(region([None] * 10, marks=0).replace("0.8 s", "–"))
    refreshed(stage, region([1.0] * 10, shape="steps"))

    page.wait_for_function("() => document.querySelector('[data-chart-plot]')?.shadowRoot?.querySelector('canvas')")


def test_the_colours_follow_the_theme(stage):
    page = drawn(stage)
    picture = "document.querySelector('[data-chart-plot]').shadowRoot.querySelector('canvas').toDataURL()"
    light = page.evaluate(picture)

    page.add_style_tag(content="[data-bs-theme=dark] { color-scheme: dark }")  # as Tabler's, which is not on this stage
    page.evaluate("document.documentElement.dataset.bsTheme = 'dark'")

    assert stage.eventually(lambda: page.evaluate(picture) != light)


@pytest.mark.parametrize(
    ("unit", "values"),
    [
        ("seconds", [0, 0.04, 0.0996, 1.24, 59.6, 200, 4_000, 100_000]),
        ("share", [0, 0.004, 0.25, 1]),
        ("percent", [0, 0.33, 12.4, 100]),
        ("bytes", [0, 999, 1_200, 56_300_000, 2_640_000_000, 12_000_000_000]),
        ("count", [0, 3, 1.26, 9.97, 1_234.4, None]),
    ],
)
def test_script_and_server_say_values_in_the_same_words(call, unit, values):
    said = call(
        "chart-words.js",
        "argument.values.map((value) => module.words(value, argument.unit))",
        {"values": values, "unit": unit},
    )

    assert said == [charts.words(value, unit) for value in values]


@pytest.mark.parametrize(
    ("unit", "step", "values", "said"),
    [
        ("seconds", 0.05, [0, 0.05, 0.15], ["0 ms", "50 ms", "150 ms"]),
        ("seconds", 0.2, [0.2, 1.2], ["0.2 s", "1.2 s"]),
        ("share", 0.005, [0, 0.015], ["0.0 %", "1.5 %"]),
        ("percent", 0.02, [0.02, 0.14], ["0.02 %", "0.14 %"]),
        ("percent", 20, [20, 100], ["20 %", "100 %"]),
    ],
)
def test_no_two_lines_of_the_grid_say_the_same(call, unit, step, values, said):
    argument = {"unit": unit, "step": step, "values": values}

    script = "argument.values.map((value) => module.onAxis(value, argument.unit, argument.step))"
    assert call("chart-words.js", script, argument) == said
