"""Limits and shades of charts in a real browser: a line stands where its field says, and is dragged to write it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.template import engines
from playwright.sync_api import expect

from orchestra.kernel.charts import Chart, Limit, Line, Shade

pytestmark = pytest.mark.browser
START = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
PIXELS = """test => {
    const canvas = document.querySelector("[data-chart-plot]").shadowRoot.querySelector("canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const is = { red: ([r, , b]) => r > 200 && b < 120, shaded: ([, , , a]) => a > 40 && a < 70 }[test];
    return Array.from({ length: data.length / 4 }, (_, i) => is(data.slice(4 * i, 4 * i + 4))).filter(Boolean).length;
}"""
"""How many pixels of the drawing are red, or shaded."""


def page_with(stage, *, limits, shades=(), fields="", unit="seconds"):
    times = [START + timedelta(minutes=number) for number in range(20)]
    chart = Chart("c", "Response", times, [Line("p50", [2.0] * 20)], unit, shades=shades, limits=limits)
    html = engines["django"].from_string("{% load ui %}{% chart shown %}").render({"shown": chart})
    page = stage.greeted(f'<section class="card" id="figures" data-region data-topics="agent">{html}</section>{fields}')
    page.wait_for_function("() => document.querySelector('[data-chart-plot]').shadowRoot?.querySelector('canvas')")
    return page


def height(page, number=0):
    box = page.locator(f"#grip-{number}").bounding_box()
    return box["y"] + box["height"] / 2


def pull(page, down, number=0):
    box = page.locator(f"#grip-{number}").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + down, steps=4)
    page.mouse.up()


FIELD = '<label>Limit <input type="number" id="limit" value="{}"></label>'


def test_a_limit_without_a_field_is_a_line_that_nobody_drags(stage):
    page = page_with(stage, limits=[Limit("limit", 3.0, "failed")])

    expect(page.locator("[data-chart-limit-value]")).to_have_text("3.0 s")
    expect(page.locator(".grip")).to_have_count(0)
    assert page.evaluate(PIXELS, "red") > 0


def test_a_line_stands_where_its_field_says_and_follows_it(stage):
    page = page_with(stage, limits=[Limit("limit", 3.0, "failed", "limit")], fields=FIELD.format(2.5))
    expect(page.locator("[data-chart-limit-value]")).to_have_text("2.5 s")
    before = height(page)

    page.fill("#limit", "1.25")

    expect(page.locator("[data-chart-limit-value]")).to_have_text("1.25 s")
    assert height(page) > before


def test_a_line_that_is_dragged_writes_its_field_and_says_so(stage):
    page = page_with(stage, limits=[Limit("limit", 3.0, "failed", "limit")], fields=FIELD.format(3))
    page.evaluate("() => document.addEventListener('input', ({ target }) => (document.title = target.value))")

    pull(page, 30)

    value = float(page.input_value("#limit"))
    assert 0 < value < 3
    assert page.title() == page.input_value("#limit")
    expect(page.locator("[data-chart-limit-value]")).to_have_text(f"{value:g} s")


def test_a_line_can_be_dragged_beyond_all_that_was_measured(stage):
    page = page_with(stage, limits=[Limit("limit", 3.0, "failed", "limit")], fields=FIELD.format(3))

    for _ in range(6):
        pull(page, -200)

    assert float(page.input_value("#limit")) > 6


def test_what_the_field_says_may_be_of_another_size(stage):
    limit = Limit("limit", 0.05, "failed", "limit", 0.01)
    page = page_with(stage, limits=[limit], fields=FIELD.format(7), unit="share")

    expect(page.locator("[data-chart-limit-value]")).to_have_text("7 %")


def test_a_line_carries_another_at_the_same_distance(stage):
    limits = [Limit("limit", 3.0, "failed", "limit", 1, "other"), Limit("recovers", 2.0, "succeeded", "other")]
    page = page_with(stage, limits=limits, fields=FIELD.format(3) + FIELD.format(2).replace('id="limit"', 'id="other"'))

    pull(page, 20)

    value, other = float(page.input_value("#limit")), float(page.input_value("#other"))
    assert value < 3
    assert value - other == pytest.approx(1, abs=0.051)


def test_who_types_a_limit_moves_what_it_carries_as_well(stage):
    limits = [Limit("limit", 5.0, "failed", "limit", 1, "other"), Limit("recovers", 4.0, "succeeded", "other")]
    page = page_with(stage, limits=limits, fields=FIELD.format(5) + FIELD.format(4).replace('id="limit"', 'id="other"'))

    page.fill("#limit", "2.5")
    page.locator("#limit").blur()

    assert page.input_value("#other") == "1.5"


def test_an_empty_field_has_no_line(stage):
    page = page_with(stage, limits=[Limit("limit", 3.0, "failed", "limit")], fields=FIELD.format(3))
    expect(page.locator("#grip-0")).to_be_visible()

    page.fill("#limit", "")

    expect(page.locator("#grip-0")).to_be_hidden()
    expect(page.locator("[data-chart-limit-value]")).to_have_text("–")


def test_shades_are_drawn_behind_and_told_in_the_table(stage):
    stretch = (START + timedelta(minutes=5), START + timedelta(minutes=8))
    page = page_with(stage, limits=[], shades=[Shade("would have fired", [stretch, stretch], "failed")])

    assert page.evaluate(PIXELS, "shaded") > 500
    page.get_by_text("As a table").click()
    expect(page.locator("figure details")).to_contain_text("Would have fired")
    expect(page.locator("figure details ul li").first).to_contain_text("13:05 to 22 Nov 13:08")
