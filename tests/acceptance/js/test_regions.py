"""What a refresh does to the page, and above all what it leaves alone."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

QUICK_MS = 1_500


def region(inner: str, name: str = "steps", topics: str = "run:7") -> str:
    return f'<section id="{name}" data-region data-topics="{topics}">{inner}</section>'


def rows(*names: str, kind: str = "hold") -> str:
    items = "".join(f'<li id="row-{name}"><a href="#{name}">{name}</a></li>' for name in names)
    return region(f'<ul class="desk-rows" data-rows="{kind}">{items}</ul>')


def shown(page) -> list[str]:
    return page.locator("[data-rows] > li").all_inner_texts()


def test_a_change_refreshes_the_regions_that_show_it_and_no_others(stage):
    page = stage.greeted(region("<b>one</b>") + region("<i>other</i>", "other", "agent"))
    stage.content = region("<b>two</b>") + region("<i>changed</i>", "other", "agent")
    stage.hear("changed", 1, "run:7")
    expect(page.locator("#steps")).to_have_text("two")
    expect(page.locator("#other")).to_have_text("other")
    assert stage.asked == ["steps"]


def test_a_change_of_a_kind_refreshes_what_shows_one_of_that_kind(stage):
    page = stage.greeted(region("<b>one</b>"))
    stage.content = region("<b>two</b>")
    stage.hear("changed", 1, "run")
    expect(page.locator("#steps")).to_have_text("two")


def test_a_thousand_frames_cost_at_most_two_requests_a_second(stage):
    page = stage.greeted(region("one"))
    for number in range(1, 1001):
        stage.hear("changed", number, "run:7")
    page.wait_for_timeout(2_000)
    assert 1 <= len(stage.asked) <= 5


def test_a_region_that_nobody_tells_of_comes_by_the_clock_but_not_while_updates_are_paused(stage):
    def content(word: str) -> str:
        return region(f"<b>{word}</b>", topics="").replace("data-region", 'data-region data-every="2"')

    page = stage.greeted(content("one") + region("told", "other"))
    stage.content = content("two")
    expect(page.locator("#steps")).to_have_text("two", timeout=20_000)

    page.evaluate("document.getElementById('live-state').click()")
    stage.content = content("three")
    page.wait_for_timeout(4_000)
    expect(page.locator("#steps")).to_have_text("two")
    assert set(stage.asked) == {"steps"}


def test_a_region_that_rests_comes_after_the_others(stage):
    def content(word: str) -> str:
        costly = region(f"<b>{word}</b>").replace("data-region", 'data-region data-rest="4"')
        return costly + region(f"<i>{word}</i>", "other") + region("apart", "apart", "agent")

    page = stage.greeted(content("one"))
    stage.content = content("two")
    stage.hear("changed", 1, "run:7")
    expect(page.locator("#other")).to_have_text("two")
    expect(page.locator("#steps")).to_have_text("one")
    expect(page.locator("#steps")).to_have_text("two", timeout=20_000)
    assert stage.asked == ["other", "steps"]


def test_typed_text_stays_while_the_rest_of_the_region_changes(stage):
    form = '<form><textarea id="reply">draft</textarea></form>'
    page = stage.greeted(region(f"<b>one</b>{form}"))
    page.fill("#reply", "my words")
    page.locator("#reply").blur()
    stage.content = region(f"<b>two</b>{form.replace('draft', 'a new draft')}")
    stage.hear("changed", 1, "run:7")
    expect(page.locator("#steps b")).to_have_text("two")
    expect(page.locator("#reply")).to_have_value("my words")


def test_text_that_nobody_touched_follows_the_server(stage):
    page = stage.greeted(region('<textarea id="reply">draft</textarea>'))
    stage.content = region('<textarea id="reply">a new draft</textarea>')
    stage.hear("changed", 1, "run:7")
    expect(page.locator("#reply")).to_have_value("a new draft")


def test_the_focused_control_keeps_focus_and_value(stage):
    page = stage.greeted(region('<b>one</b><input id="note" value="old">'))
    page.focus("#note")
    stage.content = region('<b>two</b><input id="note" value="new">')
    stage.hear("changed", 1, "run:7")
    expect(page.locator("#steps b")).to_have_text("two")
    expect(page.locator("#note")).to_be_focused()
    expect(page.locator("#note")).to_have_value("old")


def test_what_was_left_alone_is_brought_up_to_date_once_it_is_free(stage):
    page = stage.greeted(region('<input id="note" value="old">'))
    page.focus("#note")
    stage.content = region('<input id="note" value="new">')
    stage.hear("changed", 1, "run:7")
    page.wait_for_timeout(QUICK_MS)
    page.locator("#note").blur()
    expect(page.locator("#note")).to_have_value("new")


def test_a_chosen_checkbox_stays_chosen(stage):
    box = '<input type="checkbox" id="pick">'
    page = stage.greeted(region(f"<b>one</b>{box}"))
    page.check("#pick")
    stage.content = region(f"<b>two</b>{box}")
    stage.hear("changed", 1, "run:7")
    expect(page.locator("#steps b")).to_have_text("two")
    expect(page.locator("#pick")).to_be_checked()


def test_an_open_dialog_holds_its_region_until_it_closes(stage):
    dialog = '<dialog id="ask"><p>Sure?</p></dialog>'
    page = stage.greeted(region(f"<b>one</b>{dialog}"))
    page.evaluate("document.getElementById('ask').showModal()")
    stage.content = region(f"<b>two</b>{dialog}")
    stage.hear("changed", 1, "run:7")
    page.wait_for_timeout(QUICK_MS)
    assert stage.asked == []
    page.evaluate("document.getElementById('ask').close()")
    expect(page.locator("#steps b")).to_have_text("two")


def test_selected_text_holds_its_region_until_it_is_let_go(stage):
    page = stage.greeted(region("<b>one</b>"))
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#steps b'))")
    stage.content = region("<b>two</b>")
    stage.hear("changed", 1, "run:7")
    page.wait_for_timeout(QUICK_MS)
    expect(page.locator("#steps b")).to_have_text("one")
    page.evaluate("getSelection().removeAllRanges()")
    expect(page.locator("#steps b")).to_have_text("two")


def test_what_was_unfolded_stays_unfolded(stage):
    page = stage.greeted(region("<details><summary>More</summary><b>one</b></details>"))
    page.click("summary:text('More')")
    stage.content = region("<details><summary>More</summary><b>two</b></details>")
    stage.hear("changed", 1, "run:7")
    expect(page.locator("#steps b")).to_have_text("two")
    expect(page.locator("#steps b")).to_be_visible()


def test_new_rows_wait_behind_a_strip_and_nothing_moves(stage):
    page = stage.greeted(rows("b", "a"))
    before = page.locator("#row-b").bounding_box()
    stage.content = rows("d", "c", "b", "a")
    stage.hear("changed", 1, "run:7")
    expect(page.get_by_role("button", name="2 new, show")).to_be_visible()
    assert shown(page) == ["b", "a"]
    assert page.locator("#row-b").bounding_box() == before


def test_the_strip_shows_the_new_rows_and_takes_the_focus_to_the_first(stage):
    page = stage.greeted(rows("a"))
    stage.content = rows("b", "a")
    stage.hear("changed", 1, "run:7")
    page.click("[data-show-rows]")
    expect(page.get_by_role("link", name="b", exact=True)).to_be_focused()
    assert shown(page) == ["b", "a"]
    expect(page.locator("[data-show-rows]")).to_have_count(0)


def test_a_row_that_is_gone_stays_in_its_place_greyed(stage):
    page = stage.greeted(rows("b", "a"))
    stage.content = rows("a")
    stage.hear("changed", 1, "run:7")
    expect(page.get_by_role("button", name="1 gone, show")).to_be_visible()
    expect(page.locator("#row-b")).to_have_attribute("data-gone", "")


def test_a_row_that_was_pushed_off_the_page_is_not_gone(stage):
    page = stage.greeted(rows("b", "a"))
    stage.content = rows("c", "b")
    stage.hear("changed", 1, "run:7")
    expect(page.get_by_role("button", name="1 new, show", exact=True)).to_be_visible()
    expect(page.locator("#row-a:not([data-gone])")).to_be_visible()


def test_rows_that_come_at_the_end_show_at_once(stage):
    page = stage.greeted(rows("a"))
    stage.content = rows("a", "b")
    stage.hear("changed", 1, "run:7")
    expect(page.locator("#row-b")).to_be_visible()


def test_rows_keep_telling_the_truth_while_new_ones_wait(stage):
    page = stage.greeted(rows("a"))
    stage.content = rows("b", "a").replace(">a<", ">a, done<")
    stage.hear("changed", 1, "run:7")
    expect(page.locator("#row-a")).to_have_text("a, done")


def test_an_ordinary_list_does_not_move_under_the_pointer(stage):
    page = stage.greeted(rows("a", kind=""))
    page.hover("#row-a")
    stage.content = rows("b", "a", kind="")
    stage.hear("changed", 1, "run:7")
    page.wait_for_timeout(QUICK_MS)
    assert shown(page) == ["a"]
    page.mouse.move(0, 0)
    expect(page.locator("#row-b")).to_be_visible()


def test_a_row_under_the_pointer_that_stays_the_same_is_not_asked_for_again(stage):
    page = stage.greeted(rows("a", kind="") + region("<b>one</b>", "other"))
    page.hover("#row-a")
    stage.content = rows("a", kind="") + region("<b>two</b>", "other")
    stage.hear("changed", 1, "run:7")
    expect(page.locator("#other")).to_have_text("two")
    page.mouse.move(0, 0)
    page.wait_for_timeout(QUICK_MS)
    assert len(stage.asked) == 1


def test_a_list_does_not_vanish_under_the_pointer(stage):
    page = stage.greeted(rows("a"))
    page.hover("#row-a")
    stage.content = region("<p>Nothing to do</p>")
    stage.hear("changed", 1, "run:7")
    page.wait_for_timeout(QUICK_MS)
    assert shown(page) == ["a"]
    page.mouse.move(0, 0)
    expect(page.locator("#steps")).to_have_text("Nothing to do")


def test_scrolling_is_left_where_it_is(stage):
    tall = "".join(f"<p>{number}</p>" for number in range(200))
    page = stage.greeted(region(f"<b>one</b>{tall}"))
    page.evaluate("scrollTo(0, 700)")
    stage.content = region(f"<b>two</b>{tall}")
    stage.hear("changed", 1, "run:7")
    expect(page.locator("#steps b")).to_have_text("two")
    assert page.evaluate("scrollY") == 700


def test_a_hidden_page_asks_for_nothing_and_catches_up_when_it_is_shown(stage):
    page = stage.greeted(region("<b>one</b>"))
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    stage.content = region("<b>two</b>")
    stage.hear("changed", 1, "run:7")
    page.wait_for_timeout(QUICK_MS)
    assert stage.asked == []
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#steps b")).to_have_text("two")


def test_paused_updates_wait_until_they_go_on(stage):
    page = stage.greeted(region("<b>one</b>"))
    page.click("#live-state")
    expect(page.locator("#live-state")).to_have_text("Paused")
    stage.content = region("<b>two</b>")
    stage.hear("changed", 1, "run:7")
    page.wait_for_timeout(QUICK_MS)
    expect(page.locator("#steps b")).to_have_text("one")
    page.click("#live-state")
    expect(page.locator("#steps b")).to_have_text("two")
    assert stage.eventually(
        lambda: [fields for _, fields in stage.posted] == [{"updates": "paused"}, {"updates": "on"}]
    )


def test_someone_who_pauses_always_finds_updates_paused(stage):
    stage.user.updates_paused = True
    page = stage.open(region("<b>one</b>"))
    expect(page.locator("#live-state")).to_have_text("Paused")


def test_signed_out_says_so_and_links_to_signing_in(stage):
    page = stage.greeted(region('<textarea id="reply"></textarea>'))
    page.fill("#reply", "my words")
    stage.status = 401
    stage.hear("changed", 1, "run:7")
    expect(page.get_by_role("link", name="Sign in again")).to_have_attribute("href", "/login/?next=%2Fpage%2F")
    expect(page.locator("#reply")).to_have_value("my words")


def test_a_role_that_no_longer_suffices_is_told(stage):
    page = stage.greeted(region("one"))
    stage.status = 403
    stage.hear("changed", 1, "run:7")
    expect(page.locator("#toasts")).to_contain_text("Your role no longer allows this page.")


def test_a_server_in_trouble_is_asked_again(stage):
    page = stage.greeted(region("<b>one</b>"))
    stage.status = 503
    stage.content = region("<b>two</b>")
    stage.hear("changed", 1, "run:7")
    page.wait_for_timeout(QUICK_MS)
    stage.status = 200
    expect(page.locator("#steps b")).to_have_text("two")
