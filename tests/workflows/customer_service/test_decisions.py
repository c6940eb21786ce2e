"""What people decide: only under their lease, and every decision keeps draft, text, difference, quality and reason."""

import pytest

from agents.outcomes import Failed
from orchestra.kernel.access import actor_of
from orchestra.kernel.errors import Invalid, StaleLease, TooLarge
from orchestra.kernel.models import Event
from tests.workflows.customer_service.conftest import SETUP, WEAK
from tests.workflows.customer_service.test_desk import let_lapse
from workflows import control
from workflows.customer_service import autosave, desk, observe
from workflows.customer_service.decisions import Decision, decide
from workflows.customer_service.models import DraftText, Message, Review
from workflows.models import Run

pytestmark = pytest.mark.django_db
EDIT = Decision("edit", reply="You will get 49 € back within five days.")
APPROVE = Decision("approve")
REJECT = Decision("reject", reason="She asks for something else.")


@pytest.fixture
def by(operator):
    return actor_of(operator)


@pytest.fixture
def settle(claimed, by):
    """``settle(APPROVE)``: the holder decides on the claimed inquiry."""

    def under_the_lease(decision):
        return decide(claimed.pk, decision, lease=claimed.lease_token, by=by)

    return under_the_lease


def test_an_approved_draft_is_sent_by_the_waiting_run(settle, play):
    inquiry = settle(APPROVE)
    assert (inquiry.status, inquiry.reply, inquiry.lease_holder) == ("in_progress", "You will get 49 € back.", None)

    play()
    inquiry.refresh_from_db()
    assert inquiry.status == "resolved"
    assert Message.objects.get().body == "You will get 49 € back."
    assert Run.objects.get().status == "succeeded"


def test_an_edited_text_is_what_is_sent(settle, play):
    inquiry = settle(EDIT)
    play()

    inquiry.refresh_from_db()
    assert (inquiry.status, inquiry.reply) == ("resolved", EDIT.reply)
    assert Message.objects.get().body == EDIT.reply


def test_an_approval_keeps_draft_text_difference_quality_and_reason(settle, operator):
    settle(Decision("edit", reply=EDIT.reply, reason="friendlier"))

    review = Review.objects.get()
    assert (review.verdict, review.reviewer, review.reason) == ("edited", operator, "friendlier")
    assert (review.draft, review.final) == ("You will get 49 € back.", EDIT.reply)
    assert review.word_difference == {"kept": 5, "inserted": 3, "deleted": 0}
    assert (review.qa["score"], review.specialist) == (0.5, "billing-1")


@pytest.mark.parametrize("decision", [APPROVE, EDIT, REJECT])
def test_a_review_knows_the_step_that_waited_for_it(claimed, settle, decision):
    step = claimed.review_step
    settle(decision)

    assert step is not None
    assert Review.objects.get().step == step


def test_an_edit_that_changes_nothing_is_an_approval(settle):
    settle(Decision("edit", reply="You will get 49 € back.\r\n"))

    assert Review.objects.get().verdict == "approved"


def test_a_rejection_sends_nothing_and_asks_for_another_draft_without_the_articles_cited(settle, play):
    inquiry = settle(REJECT)

    assert (inquiry.status, inquiry.draft, inquiry.rejected_articles) == ("new", "", [7])
    assert inquiry.run.input["rejected_articles"] == [7]
    assert Run.objects.count() == 2
    play(quality_check=WEAK)
    inquiry.refresh_from_db()
    assert (inquiry.status, inquiry.draft_number) == ("escalated", 2)
    assert not Message.objects.exists()


def test_the_first_run_of_a_rejected_draft_ends_without_moving_the_inquiry(claimed, settle):
    inquiry = settle(REJECT)

    assert Run.objects.get(pk=claimed.run_id).status == "succeeded"
    assert inquiry.status == "new"


def test_a_category_that_a_person_corrects_is_what_the_next_run_is_told(settle):
    inquiry = settle(Decision("reject", category="account_management", reason="wrong desk"))

    assert (inquiry.category, inquiry.category_fixed) == ("account_management", True)
    assert inquiry.run.input["category"] == "account_management"
    assert (Review.objects.get().category_before, Review.objects.get().category) == (
        "billing_question",
        "account_management",
    )


def test_a_rejection_may_close_the_inquiry(settle):
    inquiry = settle(Decision("reject", reason="Spam.", then="closed"))

    assert inquiry.status == "closed"
    assert inquiry.resolved_at is not None


def test_typed_text_goes_with_what_is_sent_and_stays_for_the_next_draft(claimed, settle, by):
    autosave.save(claimed.pk, "half a sentence", version=0, by=by)
    settle(REJECT)
    assert DraftText.objects.get().text == "half a sentence"


def test_typed_text_is_forgotten_once_it_is_sent(claimed, settle, by):
    autosave.save(claimed.pk, EDIT.reply, version=0, by=by)
    settle(EDIT)
    assert not DraftText.objects.exists()


@pytest.mark.parametrize(
    ("decision", "field"),
    [
        (Decision("edit", reply="  "), "reply"),
        (Decision("edit", reply="bad \x00"), "reply"),
        (Decision("approve", reply="another text"), "reply"),
        (Decision("reject"), "reason"),
        (Decision("approve", category="weather"), "category"),
    ],
)
def test_a_decision_that_does_not_fit_names_the_field_and_changes_nothing(claimed, settle, decision, field):
    with pytest.raises(Invalid) as refused:
        settle(decision)

    assert refused.value.errors[0]["path"] == field
    claimed.refresh_from_db()
    assert claimed.status == "in_review"


def test_a_reply_of_over_a_hundred_kilobytes_is_refused(settle):
    with pytest.raises(TooLarge):
        settle(Decision("edit", reply="x" * (100 * 1024 + 1)))


def test_a_reply_that_is_too_long_is_refused_before_it_is_compared(claimed, settle):
    let_lapse(claimed)
    with pytest.raises(TooLarge):
        settle(Decision("edit", reply="x" * (100 * 1024 + 1)))


def test_there_must_be_a_draft_to_approve(receive, play, by):
    inquiry = receive()
    play(specialist=Failed("No article.", retryable=False))
    lease = desk.claim(inquiry.pk, by=by).lease_token

    with pytest.raises(Invalid, match="not valid") as refused:
        decide(inquiry.pk, APPROVE, lease=lease, by=by)
    assert refused.value.errors[0]["path"] == "reply"


def test_a_decision_after_the_claim_ran_out_is_refused_and_sends_nothing(claimed, settle, play):
    let_lapse(claimed)
    with pytest.raises(StaleLease, match="your claim ran out"):
        settle(EDIT)

    play()
    assert not Message.objects.exists()
    assert not Review.objects.exists()


def test_a_decision_under_a_stolen_lease_is_refused_with_holder_and_difference(claimed, settle, by, other_operator):
    let_lapse(claimed)
    taken = desk.claim(claimed.pk, by=actor_of(other_operator))
    autosave.save(taken.pk, "You will get 98 € back.", version=0, by=actor_of(other_operator))
    with pytest.raises(StaleLease) as refused:
        settle(Decision("edit", reply="You will get 49 € back."))

    assert refused.value.data["holder"]["name"] == "Omar"
    assert ("delete", "98") in refused.value.data["difference"]
    assert ("insert", "49") in refused.value.data["difference"]
    assert not Message.objects.exists()


def test_an_older_lease_of_ones_own_is_stale_too(claimed, settle, by):
    desk.release(claimed.pk, by=by)
    desk.claim(claimed.pk, by=by)

    with pytest.raises(StaleLease, match="you have claimed it again"):
        settle(APPROVE)


def test_where_the_run_was_cancelled_a_run_of_its_own_sends_the_text(claimed, settle, play):
    control.cancel(claimed.run_id, by=SETUP, reason="stuck")
    claimed.refresh_from_db()
    inquiry = settle(EDIT)
    play()

    inquiry.refresh_from_db()
    assert (inquiry.status, inquiry.reply) == ("resolved", EDIT.reply)
    assert inquiry.run.version.workflow.name == "customer_reply"


def test_a_reopened_inquiry_is_answered_again(receive, play, by):
    inquiry = receive()
    play()
    desk.reopen(inquiry.pk, by=by)
    lease = desk.claim(inquiry.pk, by=by).lease_token
    decide(inquiry.pk, Decision("edit", reply="One thing more."), lease=lease, by=by)
    play(reply={"status": "sent", "message_id": "<2@example.com>", "to": "maya@example.com"})

    assert list(Message.objects.values_list("body", flat=True)) == ["You will get 49 € back.", "One thing more."]


def test_a_decided_text_that_could_not_be_sent_can_be_approved_again(claimed, settle, play, by):
    settle(EDIT)
    play(reply=Failed("The mail server is down.", retryable=False))
    again = desk.claim(claimed.pk, by=by)
    assert again.proposed == EDIT.reply
    decide(claimed.pk, APPROVE, lease=again.lease_token, by=by)
    play()

    claimed.refresh_from_db()
    assert (claimed.status, claimed.reply) == ("resolved", EDIT.reply)


def test_a_reply_that_left_from_a_replaced_run_still_resolves(escalated, by):
    """Say a second decision overtook a slow mail server: what has left cannot be taken back."""
    inquiry = escalated()
    old = inquiry.run
    lease = desk.claim(inquiry.pk, by=by).lease_token
    decide(inquiry.pk, REJECT, lease=lease, by=by)
    late = observe.StepChange(
        serves_id=str(inquiry.pk),
        run=old.pk,
        step=0,
        name="reply",
        status="succeeded",
        output={"status": "sent", "message_id": "<3@example.com>", "to": "maya@example.com"},
        error="",
        agent="mailer",
        input={"text": "Sent after all."},
    )
    with observe.events.recording(SETUP):
        observe.observe([late])

    inquiry.refresh_from_db()
    assert (inquiry.status, inquiry.reply) == ("resolved", "Sent after all.")


@pytest.mark.parametrize(
    ("decision", "action"), [(APPROVE, "ReplyApproved"), (EDIT, "ReplyEdited"), (REJECT, "DraftRejected")]
)
def test_each_kind_of_decision_is_an_event_of_its_own_with_the_person(settle, operator, decision, action):
    settle(decision)

    event = Event.objects.get(action=action)
    assert (event.actor_kind, event.actor_id, event.permission) == ("person", str(operator.pk), "inquiries.review")
