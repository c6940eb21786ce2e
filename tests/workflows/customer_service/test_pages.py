"""Pages of the desk, as browsers of each role get them."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from orchestra.kernel.access import actor_of
from orchestra.kernel.models import Event
from tests.silent_writes import arranged
from tests.workflows.customer_service.test_desk import let_lapse
from workflows.customer_service import autosave, desk
from workflows.customer_service.models import DraftText, Inquiry, Message

pytestmark = pytest.mark.django_db
HOSTILE = '<script>alert("x")</script>'


@pytest.fixture
def browser(as_, operator):
    return as_(operator)


def decide(browser, inquiry, decision, query="", **fields):
    return browser.post(
        f"/desk/{inquiry.pk}/review/{query}", {"lease": inquiry.lease_token, "decision": decision, **fields}
    )


def text_of(response):
    return response.content.decode()


def test_the_list_shows_what_waits_for_a_person_and_why(browser, escalated, receive, play):
    escalated(subject="Charged twice")
    receive(subject="All is well")
    play()
    page = text_of(browser.get("/desk/"))

    assert "Charged twice" in page
    assert "weak draft: Quality 0.50 is low." in page
    assert "billing · 0.91" in page
    assert "All is well" not in page


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        ("due", {"weak", "held"}),
        ("mine", {"held"}),
        ("unsure", set()),
        ("open", {"weak", "held", "fresh"}),
        ("done", {"good"}),
    ],
)
def test_each_view_shows_its_own(browser, operator, escalated, receive, play, view, shown):
    receive(subject="good")
    play()
    escalated(subject="weak")
    desk.claim(escalated(subject="held").pk, by=actor_of(operator))
    receive(subject="fresh")

    page = text_of(browser.get(f"/desk/?view={view}"))
    assert {name for name in ("good", "weak", "held", "fresh") if f">{name}<" in page} == shown


def test_what_is_due_first_stands_first(browser, escalated):
    later, sooner = escalated(subject="later"), escalated(subject="sooner", email="gold@example.com", tier="gold")
    page = text_of(browser.get("/desk/"))

    assert later.due_at > sooner.due_at
    assert page.index("sooner") < page.index("later")


def test_an_empty_desk_says_so(browser):
    assert "Nothing waits for you" in text_of(browser.get("/desk/"))


def test_the_number_of_queries_of_the_list_does_not_grow_with_its_rows(
    browser, escalated, django_assert_max_num_queries
):
    for number in range(12):
        escalated(subject=f"question {number}", email=f"c{number}@example.com")

    with django_assert_max_num_queries(14):
        browser.get("/desk/")


def test_the_page_of_an_inquiry_takes_a_constant_number_of_queries(browser, escalated, django_assert_max_num_queries):
    for number in range(8):
        inquiry = escalated(subject=f"question {number}")

    with django_assert_max_num_queries(26):
        browser.get(f"/desk/{inquiry.pk}/")


def test_a_region_costs_no_more_than_it_shows(browser, escalated, django_assert_max_num_queries):
    inquiry = escalated()

    with django_assert_max_num_queries(6):
        browser.get(f"/desk/{inquiry.pk}/", headers={"X-Regions": "inquiry-head"})


def test_names_and_texts_are_shown_as_they_are_and_never_run(browser, escalated):
    inquiry = escalated(name=HOSTILE, subject=HOSTILE, body=HOSTILE)
    page = text_of(browser.get(f"/desk/{inquiry.pk}/"))

    assert HOSTILE not in page
    assert page.count("&lt;script&gt;alert(") >= 3


def test_an_inquiry_that_is_not_there_is_not_found(browser):
    assert browser.get("/desk/999/").status_code == 404


def test_claiming_gives_the_text_field_and_the_actions(browser, escalated):
    inquiry = escalated()
    before = text_of(browser.get(f"/desk/{inquiry.pk}/"))
    after = text_of(browser.post(f"/desk/{inquiry.pk}/claim/", follow=True))

    assert 'name="reply"' not in before
    assert 'name="reply"' in after
    assert "You will get 49 € back." in after


def test_a_viewer_reads_and_is_told_what_it_needs_to_answer(as_, viewer, escalated):
    inquiry = escalated()
    browser = as_(viewer)

    assert "answering needs the role operator" in text_of(browser.get(f"/desk/{inquiry.pk}/"))
    assert browser.post(f"/desk/{inquiry.pk}/claim/").status_code == 403
    assert Event.objects.filter(action="RequestRefused", actor_id=str(viewer.pk)).exists()


def test_who_comes_second_stays_on_the_page_and_reads_who_holds_it(as_, other_operator, claimed):
    answer = as_(other_operator).post(f"/desk/{claimed.pk}/claim/")

    assert answer.status_code == 409
    assert "olga has held this inquiry since" in text_of(answer)
    refusal = Event.objects.get(action="RequestRefused")
    assert (refusal.target_kind, refusal.target_id, refusal.outcome) == ("inquiry", str(claimed.pk), "denied")


def test_an_edited_reply_is_sent_and_the_next_due_is_opened(browser, claimed, escalated, play):
    following = escalated(subject="next in line")
    answer = decide(browser, claimed, "edit", reply="Better words.", next="on")
    play()

    assert answer.url == f"/desk/{following.pk}/#row-{following.pk}"
    assert Message.objects.get().body == "Better words."


def test_and_next_stays_in_the_filter_and_passes_over_what_others_hold(browser, claimed, escalated, other_operator):
    desk.claim(escalated(subject="held").pk, by=actor_of(other_operator))
    following = escalated(subject="free")
    answer = decide(browser, claimed, "approve", "?view=open&category=billing_question", next="on")

    assert answer.url == f"/desk/{following.pk}/?view=open&category=billing_question#row-{following.pk}"


def test_when_nothing_follows_the_list_says_so(browser, claimed):
    answer = decide(browser, claimed, "approve", next="on")

    assert answer.url == "/desk/"
    assert "Nothing else is due in this view." in text_of(browser.get("/desk/"))


def test_without_and_next_the_inquiry_stays_open_and_the_choice_is_kept(browser, claimed):
    answer = decide(browser, claimed, "approve")

    assert answer.url == f"/desk/{claimed.pk}/?next=off#row-{claimed.pk}"


def test_a_rejection_needs_a_reason_and_the_dialog_says_so(browser, claimed):
    answer = decide(browser, claimed, "reject", reason=" ")

    assert answer.status_code == 422
    assert re.search(r'<dialog id="reject"[^>]*data-open', text_of(answer))
    claimed.refresh_from_db()
    assert claimed.status == "in_review"


def test_a_rejected_draft_is_tried_again(browser, claimed):
    decide(browser, claimed, "reject", reason="wrong article")

    claimed.refresh_from_db()
    assert (claimed.status, claimed.rejected_articles) == ("new", [7])


def test_a_decision_under_a_lost_lease_shows_the_holder_the_difference_and_the_text(
    browser, as_, claimed, other_operator
):
    let_lapse(claimed)
    desk.claim(claimed.pk, by=actor_of(other_operator))
    answer = decide(browser, claimed, "edit", reply="You will get 98 € back.")
    page = text_of(answer)

    assert answer.status_code == 409
    assert "Omar has held it since" in page
    assert "<del>49</del><ins>98</ins>" in page
    assert "You will get 98 € back." in page
    assert not Message.objects.exists()


def test_typed_text_is_saved_and_comes_back_after_a_reload(browser, claimed):
    answer = browser.post(f"/desk/{claimed.pk}/text/", {"reply": "Hello\r\nMaya", "version": "0"})

    assert answer.json() == {"version": 1}
    assert DraftText.objects.get().text == "Hello\nMaya"
    assert "Hello\nMaya</textarea>" in text_of(browser.get(f"/desk/{claimed.pk}/"))


def test_saving_without_the_lease_is_refused_in_json(browser, claimed):
    let_lapse(claimed)
    answer = browser.post(
        f"/desk/{claimed.pk}/text/", {"reply": "late", "version": "0"}, headers={"X-Requested-With": "fetch"}
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "stale_lease")


@pytest.mark.parametrize("action", ["text/", "text/discard/", "difference/"])
def test_viewers_neither_type_discard_nor_compare(as_, viewer, claimed, action):
    answer = as_(viewer).post(f"/desk/{claimed.pk}/{action}", {"reply": "Hello", "version": "0"})

    assert answer.status_code == 403


def test_a_newer_draft_leaves_typed_text_and_is_offered(browser, operator, claimed, play):
    autosave.save(claimed.pk, "My own words", version=0, by=actor_of(operator))
    decide(browser, claimed, "reject", reason="another try")
    play(quality_check={"needs_escalation": True, "cause": "weak", "reasons": ["Again."], "score": 0.1, "parts": {}})
    page = text_of(browser.post(f"/desk/{claimed.pk}/claim/", follow=True))

    assert "My own words</textarea>" in page
    assert "A newer draft has come" in page
    page = text_of(browser.post(f"/desk/{claimed.pk}/text/discard/", follow=True))
    assert "You will get 49 € back.</textarea>" in page


def test_the_difference_is_shown_before_it_is_sent(browser, claimed):
    answer = browser.post(f"/desk/{claimed.pk}/difference/", {"reply": "You will get 98 € back."})

    assert "words: 1 added, 1 removed" in text_of(answer)
    assert "<del>49</del><ins>98</ins>" in text_of(answer)


def test_releasing_and_reassigning_and_reopening_work_from_the_page(browser, claimed, other_operator, play):
    browser.post(f"/desk/{claimed.pk}/release/")
    browser.post(f"/desk/{claimed.pk}/reassign/", {"assignee": other_operator.pk, "reason": "knows cards"})
    claimed.refresh_from_db()
    assert (claimed.status, claimed.assignee) == ("escalated", other_operator)

    browser.post(f"/desk/{claimed.pk}/claim/")
    claimed.refresh_from_db()
    decide(browser, claimed, "approve")
    play()
    browser.post(f"/desk/{claimed.pk}/reopen/", {"reason": "she wrote again"})
    claimed.refresh_from_db()
    assert (claimed.status, claimed.cause) == ("escalated", "reopened")


def test_overdue_inquiries_stand_out_and_say_since_when(browser, escalated):
    inquiry = escalated()
    with arranged():
        Inquiry.objects.filter(pk=inquiry.pk).update(due_at=timezone.now() - timedelta(hours=2))

    assert re.search(
        r'desk-row-due tone-failed"><span class="visually-hidden">due </span><time[^>]*>2 h ago',
        text_of(browser.get("/desk/")),
    )


def test_a_new_inquiry_is_sent_to_the_agents(browser, service):
    answer = browser.post("/desk/new/", {"body": "Where is it?", "channel": "phone", "email": "maya@example.com"})

    inquiry = Inquiry.objects.get()
    assert answer.url == f"/desk/{inquiry.pk}/"
    assert (inquiry.body, inquiry.channel) == ("Where is it?", "phone")


@pytest.mark.parametrize(
    ("field", "value"), [("body", ""), ("body", "x" * 102_401), ("email", "nobody"), ("tier", "lead")]
)
def test_a_wrong_field_is_named_beside_it_and_nothing_is_taken_in(browser, service, field, value):
    answer = browser.post("/desk/new/", {"body": "Where is it?", "channel": "web", field: value})

    assert 'class="field field-wrong" data-field="' + field in text_of(answer)
    assert not Inquiry.objects.exists()


def test_leaving_a_field_asks_about_it_without_taking_anything_in(browser, service):
    answer = browser.post("/desk/new/", {"body": "x", "channel": "web", "email": "no"}, headers={"X-Validate": "email"})

    assert [fault["path"] for fault in answer.json()["errors"]] == ["email"]
    assert not Inquiry.objects.exists()


def test_the_left_bar_counts_what_waits(browser, escalated):
    escalated()

    assert "wait for a person" in text_of(browser.get("/knowledge/"))


def test_a_page_that_said_no_is_led_back_to_the_inquiry_when_it_is_reloaded(browser, claimed):
    answer = browser.get(f"/desk/{claimed.pk}/review/?view=open")

    assert answer.url == f"/desk/{claimed.pk}/?view=open#row-{claimed.pk}"


def test_regions_of_an_inquiry_are_nothing_on_the_list(browser, service):
    answer = browser.get("/desk/", headers={"X-Regions": "desk-list inquiry-foot"})

    assert 'id="desk-list"' in text_of(answer)
    assert "inquiry-foot" not in text_of(answer)


def test_the_page_of_a_run_shows_the_inquiry_it_serves(browser, escalated):
    inquiry = escalated(subject="Charged twice")

    assert f"#{inquiry.pk} Charged twice" in text_of(browser.get(f"/runs/{inquiry.run_id}/"))


def test_the_list_narrows_by_category_and_cause_and_says_so(browser, escalated, play):
    escalated(subject="Charged twice")

    assert "Charged twice" in text_of(browser.get("/desk/?category=billing_question&cause=weak"))
    page = text_of(browser.get("/desk/?category=general"))
    assert "Charged twice" not in page
    assert '<a class="chip" href="?" aria-current="true">general' in page
