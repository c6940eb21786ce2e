"""Rows that are chosen for a bulk action: how they are chosen, what survives a refresh, what is posted."""

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

ACTIONS = [
    {"name": "cancel", "label": "Cancel", "icon": "ban", "danger": True, "needs_reason": True, "says": "They end."},
    {"name": "retry", "label": "Retry", "icon": "refresh", "danger": False, "needs_reason": False, "says": "Again."},
]
MATCHING = '<span id="bulk-matching" data-count="1001">1,000+</span>'


def table(*numbers: int, word: str = "running") -> str:
    head = render_to_string("parts/select_head.html")
    rows = "".join(
        f'<tr id="run-{number}">{render_to_string("parts/select_cell.html", {"pk": number, "kind": "run"})}'
        f'<th scope="row"><a href="#{number}">#{number}</a></th><td>{word}</td></tr>'
        for number in numbers
    )
    return (
        '<section id="runs" data-region data-topics="run"><table class="table">'
        f'<thead><tr>{head}</tr></thead><tbody data-rows="hold">{rows}</tbody></table></section>'
    )


def bar() -> str:
    request = type("Request", (), {"META": {"QUERY_STRING": "status=failed&sort=newest"}})()
    context = {"bulk_actions": ACTIONS, "bulk_url": "/bulk/", "bulk_noun": "run", "bulk_nouns": "runs"}
    return render_to_string("parts/bulk_bar.html", context | {"request": request})


@pytest.fixture
def shown(stage):
    """A list of five runs with its bulk bar, and what the server answers when it is asked how many match."""
    page = stage.greeted(table(5, 4, 3, 2, 1) + bar())
    stage.content = table(5, 4, 3, 2, 1) + MATCHING
    return page


def chosen(page) -> list[str]:
    return page.locator("[data-select]:checked").evaluate_all("boxes => boxes.map((box) => box.value)")


def said(page) -> str:
    return page.locator("[data-bulk-count]").inner_text()


def test_the_bar_comes_with_the_first_row_and_goes_with_the_last(shown):
    expect(shown.locator("[data-bulk]")).to_be_hidden()

    shown.check("[data-select][value='3']")
    assert said(shown) == "1 run selected"
    shown.uncheck("[data-select][value='3']")

    expect(shown.locator("[data-bulk]")).to_be_hidden()


def test_shift_and_click_choose_a_range(shown):
    shown.check("[data-select][value='4']")

    shown.click("[data-select][value='2']", modifiers=["Shift"])

    assert chosen(shown) == ["4", "3", "2"]


def test_rows_are_chosen_by_keyboard(shown):
    shown.focus("#run-4 a")
    shown.keyboard.press("x")
    shown.keyboard.press("j")
    shown.keyboard.press("j")
    shown.keyboard.press("Shift+X")

    assert chosen(shown) == ["4", "3", "2"]


def test_keys_choose_nothing_where_shortcuts_are_switched_off(shown):
    shown.evaluate("document.body.dataset.shortcuts = 'off'")
    shown.focus("#run-4 a")

    shown.keyboard.press("x")

    assert chosen(shown) == []


def test_the_box_in_the_head_chooses_the_page_and_offers_all_that_match(shown):
    shown.check("[data-select-page]")

    assert said(shown) == "5 runs selected"
    expect(shown.get_by_role("button", name="Select all 1,000+ matching")).to_be_visible()


def test_all_that_match_are_posted_as_the_filter(shown, stage):
    shown.check("[data-select-page]")
    shown.click("text=Select all 1,000+ matching")
    assert said(shown) == "All 1,000+ matching runs selected"
    shown.click("text=Cancel…")
    expect(shown.get_by_role("heading", name="Cancel all 1,000+ matching runs?")).to_be_visible()
    expect(shown.locator("#bulk-dialog")).to_contain_text("They end.")

    shown.fill("#bulk-reason", "Wrong address")
    shown.click("#bulk-dialog [data-bulk-go]")

    assert stage.eventually(lambda: bool(stage.posted))
    posted = {"all": "1", "query": "status=failed&sort=newest", "reason": "Wrong address", "action": "cancel"}
    assert stage.posted == [("/bulk/", posted)]


def test_chosen_rows_are_posted_by_their_numbers(shown, stage):
    shown.check("[data-select][value='2']")
    shown.check("[data-select][value='5']")
    shown.click("text=Retry…")

    shown.click("#bulk-dialog [data-bulk-go]")

    assert stage.eventually(lambda: bool(stage.posted))
    assert stage.posted[0][1]["ids"] == "2,5"
    assert "all" not in stage.posted[0][1]


def test_a_reason_is_demanded_where_the_action_needs_one(shown, stage):
    shown.check("[data-select][value='2']")
    shown.click("text=Cancel…")

    shown.click("#bulk-dialog [data-bulk-go]")

    expect(shown.locator("#bulk-reason:invalid")).to_be_focused()
    assert stage.posted == []


def test_a_choice_outlives_a_refresh(shown, stage):
    shown.check("[data-select][value='4']")
    stage.content = table(5, 4, 3, 2, 1, word="failed")

    stage.hear("changed", 1, "run")

    expect(shown.locator("#run-5")).to_contain_text("failed")
    assert chosen(shown) == ["4"]


def test_rows_that_left_the_page_stay_chosen_and_are_told(shown, stage):
    shown.check("[data-select][value='4']")
    shown.check("[data-select][value='1']")
    stage.content = table(7, 6, 5, 4, 3)
    stage.hear("changed", 1, "run")

    shown.click("[data-show-rows]")

    expect(shown.locator("[data-bulk-count]")).to_have_text("2 runs selected, 1 not on this page")


def test_changing_one_row_ends_the_choice_of_all(shown):
    shown.check("[data-select-page]")
    shown.click("text=Select all 1,000+ matching")

    shown.uncheck("[data-select][value='3']")

    assert said(shown) == "4 runs selected"


def test_the_bar_can_be_cleared(shown):
    shown.check("[data-select-page]")

    shown.click("text=Clear")

    assert chosen(shown) == []
    expect(shown.locator("[data-select-page]")).to_be_focused()


def test_the_keys_are_among_the_shortcuts(shown):
    shown.keyboard.press("?")

    expect(shown.locator("#shortcuts")).to_contain_text("Select the row")


def test_a_list_without_bulk_actions_has_no_bar():
    assert render_to_string("parts/bulk_bar.html", {"bulk_actions": []}).strip() == ""
