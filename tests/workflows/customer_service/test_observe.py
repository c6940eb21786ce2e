"""What becomes of an inquiry as its runs go on."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.outcomes import Failed
from orchestra.kernel.errors import Conflict
from orchestra.kernel.models import Event
from tests.workflows.customer_service.conftest import SETUP, WEAK
from workflows import control
from workflows.customer_service.models import Message, Review

pytestmark = pytest.mark.django_db


def test_a_good_draft_is_sent_and_resolves_the_inquiry(receive, play):
    inquiry = receive()
    play()

    inquiry.refresh_from_db()
    assert (inquiry.status, inquiry.category, inquiry.confidence) == ("resolved", "billing_question", 0.91)
    assert inquiry.reply == inquiry.draft == "You will get 49 € back."
    assert inquiry.resolved_at is not None
    message = inquiry.messages.get()
    assert (message.status, message.recipient, message.body) == ("sent", "maya@example.com", inquiry.reply)


def test_a_weak_draft_goes_to_the_desk_with_the_reason(receive, play):
    inquiry = receive()
    play(quality_check=WEAK)

    inquiry.refresh_from_db()
    assert (inquiry.status, inquiry.cause, inquiry.escalation_reason) == ("escalated", "weak", "Quality 0.50 is low.")
    assert inquiry.review_step.name == "review"
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("step", "who"),
    [("triage", "Triage"), ("specialist", "The specialist"), ("quality_check", "The quality check")],
)
def test_a_step_that_fails_escalates_with_the_failure_and_the_text_intact(receive, play, step, who):
    inquiry = receive(body="Where is my card?")
    play(**{step: Failed("It did not answer within 30 s.", retryable=False)})

    inquiry.refresh_from_db()
    assert (inquiry.status, inquiry.cause) == ("escalated", "failure")
    assert inquiry.escalation_reason == f"{who} (billing-1) failed: It did not answer within 30 s."
    assert inquiry.body == "Where is my card?"


def test_a_reply_that_cannot_be_sent_comes_to_the_desk_with_its_text(receive, play):
    inquiry = receive()
    play(reply=Failed("The mail server refused the address.", retryable=False))

    inquiry.refresh_from_db()
    assert inquiry.status == "escalated"
    assert inquiry.escalation_reason == "The reply could not be sent: The mail server refused the address."
    assert inquiry.proposed == "You will get 49 € back."
    assert inquiry.messages.get().status == "failed"


def test_without_an_address_the_reply_is_kept_as_undeliverable(receive, play):
    inquiry = receive(email="")
    play(reply={"status": "undeliverable", "message_id": "", "to": ""})

    inquiry.refresh_from_db()
    message = inquiry.messages.get()
    assert (inquiry.status, message.status, message.sent_at) == ("resolved", "undeliverable", None)


def test_a_cancelled_run_brings_the_inquiry_to_the_desk(receive):
    inquiry = receive()
    control.cancel(inquiry.run_id, by=SETUP, reason="wrong queue")

    inquiry.refresh_from_db()
    assert (inquiry.status, inquiry.cause) == ("escalated", "failure")
    assert inquiry.escalation_reason == "The run was cancelled: wrong queue"


def test_the_run_of_an_inquiry_is_never_retried_since_its_page_reopens_it(receive, play):
    inquiry = receive()
    play()

    with pytest.raises(Conflict, match=f"inquiry {inquiry.pk}.* reopen it"):
        control.retry(inquiry.run_id, by=SETUP, reason="once more")
    inquiry.refresh_from_db()
    assert (inquiry.status, inquiry.run.status, inquiry.messages.count()) == ("resolved", "succeeded", 1)


def test_cancelling_the_run_of_a_waiting_review_withdraws_it_and_names_nobody(claimed):
    control.cancel(claimed.run_id, by=SETUP, reason="not needed")

    claimed.refresh_from_db()
    review = Review.objects.get()
    assert (review.verdict, review.reviewer, review.reason) == ("withdrawn", None, "not needed")
    assert (claimed.status, claimed.review_step) == ("in_review", None)


def test_cancelling_the_run_of_what_nobody_claimed_is_an_event_and_no_review(escalated):
    inquiry = escalated()
    control.cancel(inquiry.run_id, by=SETUP, reason="not needed")

    inquiry.refresh_from_db()
    assert (inquiry.status, inquiry.review_step) == ("escalated", None)
    assert Event.objects.filter(action="ReviewWithdrawn").exists()
    assert not Review.objects.exists()


def test_every_turn_of_an_inquiry_is_in_the_audit_trail_under_the_correlation_of_its_run(receive, play):
    inquiry = receive()
    play()

    events = Event.objects.filter(target_kind="inquiry", target_id=inquiry.pk).order_by("number")
    assert [event.action for event in events] == ["InquiryReceived", "InquiryTriaged", "InquiryResolved"]
    assert {event.correlation for event in events} == {inquiry.run.correlation}


def test_following_costs_the_same_number_of_statements_however_many_inquiries_a_group_holds(receive, play):
    assert statements_to_follow(receive, play, inquiries=30) == statements_to_follow(receive, play, inquiries=3)


def statements_to_follow(receive, play, *, inquiries):
    for number in range(inquiries):
        receive(body=f"question {number}")
    with CaptureQueriesContext(connection) as captured:
        play(quality_check=WEAK)
    return len([query for query in captured if "customer_service_" in query["sql"]])
