"""The graph of a run in the browser: arrow keys, one stop for Tab, the chosen step in sight; regions fetched soon."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def node(name: str, x: int, y: int, *, chosen: bool = False) -> str:
    mark = ' aria-current="true"' if chosen else ""
    box = f'<rect class="graph-node" x="{x}" y="{y}" width="90" height="30"></rect>'
    return f'<a id="{name}" href="#{name}" data-node{mark}>{box}</a>'


def graph(*nodes: str, width: int = 400) -> str:
    drawing = f'<svg data-graph width="{width}" height="200">{"".join(nodes)}</svg>'
    return f'<section id="box" class="run-graph" data-region data-topics="run:1">{drawing}</section>'


DIAMOND = graph(node("a", 0, 50), node("b", 120, 0, chosen=True), node("c", 120, 100), node("d", 240, 50))


def focused(page) -> str:
    return str(page.evaluate("document.activeElement.id"))


def test_arrow_keys_go_to_the_step_that_lies_there(stage):
    page = stage.open(DIAMOND)
    page.focus("#b")

    went = []
    for key in ("ArrowDown", "ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
        went.append(focused(page))

    assert went[0:2] == ["c", "d"]
    assert went[2] in {"b", "c"}
    assert went[3:] == ["a", "a"]  # there is nothing further to the left


def test_the_graph_is_one_stop_for_tab(stage):
    page = stage.open(DIAMOND)

    stops = page.evaluate("[...document.querySelectorAll('[data-node][tabindex=\"0\"]')].map((node) => node.id)")

    assert stops == ["b"]


def test_it_stays_one_stop_after_a_refresh(stage):
    page = stage.greeted(DIAMOND)
    stage.content = graph(node("a", 0, 50), node("b", 120, 0), node("c", 120, 100, chosen=True))

    stage.hear("changed", 1, "run:1")

    expect(page.locator("#c")).to_have_attribute("tabindex", "0")
    expect(page.locator("#b")).to_have_attribute("tabindex", "-1")


def test_the_chosen_step_of_a_wide_graph_is_in_sight(stage):
    page = stage.open(graph(node("a", 0, 0), node("far", 5000, 0, chosen=True), width=5200))
    page.add_style_tag(content="#box { overflow-x: auto; width: 300px }")
    page.reload()

    page.evaluate("document.getElementById('box').style.cssText = 'overflow-x: auto; width: 300px'")
    page.focus("#a")
    page.keyboard.press("ArrowRight")

    assert page.evaluate("document.getElementById('box').scrollLeft") > 4000


def test_what_begins_soon_is_looked_at_again_without_being_told(stage):
    page = stage.greeted('<p id="soon" data-region data-topics="run:1" data-soon>ready</p>')
    stage.content = '<p id="soon" data-region data-topics="run:1">running</p>'

    expect(page.locator("#soon")).to_have_text("running", timeout=10_000)
    asked = len(stage.asked)
    page.wait_for_timeout(2600)
    assert len(stage.asked) == asked
