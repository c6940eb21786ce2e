"""What helps at work: shortcuts, dialogs, forms, autosave, messages, theme, the bar."""

import json

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

DIALOG = """<button type="button" id="opener" data-dialog="ask">Reject…</button>
<dialog id="ask" class="dialog"><form method="post" action="/reject/" data-once>
  <textarea name="reason"></textarea><button>Reject</button><button type="button" data-dialog-close>Keep</button>
</form></dialog>"""
DRAFT = (
    '<form id="review" method="post" action="/review/" data-once><textarea id="reply" name="reply"'
    ' data-autosave-url="/save/" data-autosave-version="3" data-autosave-state="state">draft</textarea>'
    '<span id="state" class="save-state"></span><button>Send</button></form>'
)


def answer(status: int, **body: object):
    return lambda _: {"status": status, "body": json.dumps(body), "content_type": "application/json"}


class TestShortcuts:
    LINK = '<a href="#approved" data-key="a">Approve</a><input id="note">'

    def test_a_key_presses_its_element(self, stage):
        page = stage.open(self.LINK)
        page.keyboard.press("a")
        assert page.url.endswith("#approved")

    def test_keys_are_text_while_somebody_types(self, stage):
        page = stage.open(self.LINK)
        page.focus("#note")
        page.keyboard.press("a")
        expect(page.locator("#note")).to_have_value("a")
        assert not page.url.endswith("#approved")

    def test_a_combination_works_while_somebody_types(self, stage):
        page = stage.open('<a href="#sent" data-key="Control+Enter">Send</a><textarea id="note"></textarea>')
        page.focus("#note")
        page.keyboard.press("Control+Enter")
        assert page.url.endswith("#sent")

    def test_the_question_mark_lists_the_keys_of_the_page(self, stage):
        page = stage.open(self.LINK)
        page.keyboard.press("?")
        expect(page.locator("#shortcuts")).to_contain_text("Approve")

    def test_they_can_be_switched_off(self, stage):
        page = stage.open(self.LINK)
        page.keyboard.press("?")
        page.get_by_role("switch").uncheck()
        page.keyboard.press("Escape")
        page.keyboard.press("a")
        assert not page.url.endswith("#approved")
        assert stage.eventually(lambda: stage.posted == [("/preferences/", {"shortcuts": "off"})])

    def test_an_open_dialog_has_the_keys_to_itself(self, stage):
        page = stage.open(self.LINK + DIALOG)
        page.click("#opener")
        page.get_by_role("button", name="Keep").focus()
        page.keyboard.press("a")
        assert not page.url.endswith("#approved")


class TestDialogs:
    def test_it_opens_at_its_first_field_and_gives_the_focus_back(self, stage):
        page = stage.open(DIALOG)
        page.click("#opener")
        expect(page.locator("#ask textarea")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("#opener")).to_be_focused()

    def test_a_click_beside_it_closes_it_only_while_nothing_is_typed(self, stage):
        page = stage.open(DIALOG)
        page.click("#opener")
        page.fill("#ask textarea", "wrong article")
        page.mouse.click(5, 5)
        expect(page.locator("#ask")).to_be_visible()
        page.fill("#ask textarea", "")
        page.mouse.click(5, 5)
        expect(page.locator("#ask")).to_be_hidden()


class TestForms:
    def test_a_double_click_sends_once(self, stage):
        page = stage.open('<form method="post" action="/send/" data-once><button>Send</button></form>')
        page.get_by_role("button", name="Send").dblclick()
        page.wait_for_timeout(500)
        assert [path for path, _ in stage.posted] == ["/send/"]

    FIELD = (
        '<form data-validate-url="/check/"><div class="field" data-field="age"><input id="age" name="age">'
        '<p class="field-error" id="id_age_error" hidden></p></div></form>'
    )

    def test_the_server_checks_a_field_as_it_is_left(self, stage):
        stage.answers["/check/"] = answer(422, errors=[{"path": "age", "message": "Give a whole number."}])
        page = stage.open(self.FIELD)
        page.fill("#age", "old")
        page.locator("#age").blur()
        expect(page.locator(".field-error")).to_have_text("Give a whole number.")
        expect(page.locator("#age")).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#age")).to_have_attribute("aria-describedby", "id_age_error")

    def test_a_corrected_field_loses_its_message(self, stage):
        stage.answers["/check/"] = answer(422, errors=[{"path": "age", "message": "Give a whole number."}])
        page = stage.open(self.FIELD)
        page.fill("#age", "old")
        page.locator("#age").blur()
        expect(page.locator(".field-error")).to_be_visible()
        stage.answers["/check/"] = answer(200, errors=[])
        page.fill("#age", "7")
        page.locator("#age").blur()
        expect(page.locator(".field-error")).to_be_hidden()

    def test_leaving_with_unsaved_text_is_asked_about(self, stage):
        page = stage.open('<form data-guard><textarea id="note"></textarea></form>')
        asked = []
        page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
        page.click("#note")
        page.keyboard.type("half a thought")
        page.reload()
        assert asked == ["beforeunload"]

    def test_sending_is_not_leaving(self, stage):
        page = stage.open(
            '<form method="post" action="/send/" data-guard><textarea id="note"></textarea><button>Send</button></form>'
        )
        asked = []
        page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
        page.fill("#note", "a whole thought")
        page.get_by_role("button", name="Send").click()
        assert stage.eventually(lambda: stage.posted != [])
        assert asked == []


class TestAutosave:
    def test_text_is_saved_a_moment_after_the_last_key_with_its_version(self, stage):
        stage.answers["/save/"] = answer(200, version=4)
        page = stage.open(DRAFT)
        page.fill("#reply", "my words")
        expect(page.locator("#state")).to_have_text("Saved")
        assert stage.eventually(lambda: stage.posted == [("/save/", {"reply": "my words", "version": "3"})])
        expect(page.locator("#reply")).to_have_attribute("data-autosave-version", "4")

    def test_a_failed_save_is_told_and_tried_again(self, stage):
        stage.answers["/save/"] = answer(503)
        page = stage.open(DRAFT)
        page.fill("#reply", "my words")
        expect(page.locator("#state")).to_contain_text("the text is kept in this tab")
        stage.answers["/save/"] = answer(200, version=4)
        expect(page.locator("#state")).to_have_text("Saved")

    def test_a_refused_save_says_why_and_keeps_the_text(self, stage):
        stage.answers["/save/"] = answer(409, detail="Omar holds this now.")
        page = stage.open(DRAFT)
        page.fill("#reply", "my words")
        expect(page.locator("#state")).to_have_text("Not saved: Omar holds this now.")
        expect(page.locator("#reply")).to_have_value("my words")

    def test_unsaved_text_survives_a_reload(self, stage):
        stage.answers["/save/"] = answer(503)
        page = stage.open(DRAFT)
        page.fill("#reply", "my words")
        page.reload()
        expect(page.locator("#reply")).to_have_value("my words")

    def test_unsaved_text_is_offered_beside_a_newer_draft(self, stage):
        stage.answers["/save/"] = answer(503)
        page = stage.open(DRAFT)
        page.fill("#reply", "my words")
        stage.content = DRAFT.replace('version="3"', 'version="4"').replace(">draft<", ">a new draft<")
        page.reload()
        expect(page.locator("#reply")).to_have_value("a new draft")
        page.get_by_role("button", name="Bring back what you wrote before").click()
        expect(page.locator("#reply")).to_have_value("my words")

    def test_it_ends_when_the_text_is_sent(self, stage):
        page = stage.open(DRAFT)
        page.fill("#reply", "my words")
        page.get_by_role("button", name="Send").click()
        page.wait_for_timeout(1_500)
        assert [path for path, _ in stage.posted] == ["/review/"]


class TestFrame:
    def test_a_message_is_said_in_the_live_corner_and_can_be_dismissed(self, stage):
        page = stage.open('<div data-toast data-tone="success">Sent to Maya.</div>')
        note = page.get_by_role("status", name="Messages")
        expect(note).to_contain_text("Sent to Maya.")
        note.get_by_role("button", name="Dismiss").click()
        expect(note).not_to_contain_text("Sent to Maya.")

    def test_a_theme_holds_at_once_and_for_the_sign_in_page(self, stage):
        page = stage.open("")
        page.click("summary")
        page.get_by_role("button", name="Dark").click()
        expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
        assert stage.eventually(lambda: stage.posted == [("/preferences/", {"theme": "dark"})])
        assert "theme=dark" in page.evaluate("document.cookie")

    def test_the_menu_closes_by_escape_and_gives_the_focus_back(self, stage):
        page = stage.open("")
        page.click("summary")
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Dark")).to_be_hidden()
        expect(page.locator("summary")).to_be_focused()

    def test_the_bar_folds_and_stays_folded(self, stage):
        page = stage.open("")
        page.get_by_role("button", name="Fold").click()
        page.reload()
        expect(page.get_by_role("button", name="Unfold")).to_be_visible()

    def test_on_a_small_screen_the_bar_is_a_drawer(self, stage):
        stage.page.set_viewport_size({"width": 320, "height": 640})
        page = stage.open("")
        expect(page.locator("#bar")).to_be_hidden()
        page.get_by_role("button", name="Rooms").click()
        expect(page.locator("#bar")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#bar")).to_be_hidden()
        expect(page.get_by_role("button", name="Rooms")).to_be_focused()

    def test_relative_times_stay_true_while_the_page_is_open(self, stage):
        stage.page.clock.install(time="2026-11-22T14:00:00Z")
        page = stage.open('<time data-ago datetime="2026-11-22T13:59:30Z">30 s ago</time>')
        page.clock.run_for(40_000)
        expect(page.locator("time")).to_have_text("1 m ago")
