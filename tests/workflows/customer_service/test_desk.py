"""Who holds an inquiry: claims are leases, and exactly one person has each."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from orchestra.kernel.access import Actor, actor_of
from orchestra.kernel.errors import Forbidden, Held, IllegalTransition, Invalid, StaleLease
from orchestra.kernel.models import Event, Role
from tests.silent_writes import arranged
from tests.workflows.customer_service.conftest import SETUP
from workflows.customer_service import autosave, desk
from workflows.customer_service.models import DraftText, Inquiry, Review

pytestmark = pytest.mark.django_db


def let_lapse(inquiry):
    with arranged():
        Inquiry.objects.filter(pk=inquiry.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def actions(inquiry):
    events = Event.objects.filter(target_kind="inquiry", target_id=inquiry.pk).order_by("number")
    return list(events.values_list("action", flat=True))


def test_a_claim_is_a_lease_of_the_set_length(escalated, operator, settings):
    settings.REVIEW_LEASE_S = 60
    inquiry = desk.claim(escalated().pk, by=actor_of(operator))

    assert (inquiry.status, inquiry.lease_holder, inquiry.assignee) == ("in_review", operator, operator)
    left = inquiry.lease_expires_at - timezone.now()
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)


def test_who_comes_second_is_told_who_holds_it_since_when(claimed, other_operator, operator):
    with pytest.raises(Held) as refused:
        desk.claim(claimed.pk, by=actor_of(other_operator))

    assert refused.value.detail.startswith("olga has held this inquiry since ")
    assert refused.value.data["holder"]["name"] == operator.label


def test_claiming_again_renews_the_same_lease(claimed, operator):
    let_lapse_soon = timezone.now() + timedelta(seconds=5)
    with arranged():
        Inquiry.objects.filter(pk=claimed.pk).update(lease_expires_at=let_lapse_soon)
    again = desk.claim(claimed.pk, by=actor_of(operator))

    assert again.lease_token == claimed.lease_token
    assert again.lease_expires_at > let_lapse_soon


def test_no_later_claim_has_the_token_of_an_earlier_one(claimed, operator, other_operator):
    desk.release(claimed.pk, by=actor_of(operator))
    second = desk.claim(claimed.pk, by=actor_of(other_operator))

    assert second.lease_token > claimed.lease_token


def test_a_claim_that_ran_out_can_be_taken_over(claimed, other_operator):
    let_lapse(claimed)
    inquiry = desk.claim(claimed.pk, by=actor_of(other_operator))

    assert inquiry.lease_holder == other_operator
    assert actions(claimed)[-2:] == ["ReviewTimedOut", "InquiryClaimed"]


def test_the_clock_brings_back_what_nobody_decided_and_names_nobody(claimed):
    let_lapse(claimed)
    assert desk.lapse_expired() == 1
    assert desk.lapse_expired() == 0

    claimed.refresh_from_db()
    assert (claimed.status, claimed.lease_holder, claimed.assignee) == ("escalated", None, None)
    review = Review.objects.get()
    assert (review.verdict, review.reviewer) == ("timed_out", None)
    event = Event.objects.get(action="ReviewTimedOut")
    assert (event.actor_kind, event.outcome) == ("system", "timed_out")


def test_a_claim_that_still_holds_does_not_lapse(claimed):
    assert desk.lapse_expired() == 0


def test_what_agents_are_working_on_cannot_be_claimed(receive, operator):
    with pytest.raises(IllegalTransition, match="Agents are still working"):
        desk.claim(receive().pk, by=actor_of(operator))


def test_viewers_agents_and_the_system_claim_nothing(escalated, viewer):
    inquiry = escalated()
    for actor in (actor_of(viewer), Actor("agent", "1", "billing-1"), SETUP):
        with pytest.raises(Forbidden):
            desk.claim(inquiry.pk, by=actor)


def test_a_released_inquiry_waits_again_with_the_typed_text(claimed, operator):
    autosave.save(claimed.pk, "Hello Maya", version=0, by=actor_of(operator))
    inquiry = desk.release(claimed.pk, by=actor_of(operator))

    assert (inquiry.status, inquiry.lease_holder, inquiry.assignee) == ("escalated", None, None)
    assert DraftText.objects.get().text == "Hello Maya"


def test_only_the_holder_can_release(claimed, other_operator):
    with pytest.raises(StaleLease):
        desk.release(claimed.pk, by=actor_of(other_operator))


def test_reassigning_ends_ones_own_claim(claimed, operator, other_operator):
    inquiry = desk.reassign(claimed.pk, other_operator.pk, by=actor_of(operator), reason="knows cards")

    assert (inquiry.status, inquiry.assignee, inquiry.lease_holder) == ("escalated", other_operator, None)
    assert actions(claimed)[-1] == "InquiryReassigned"


def test_reassigning_what_a_claim_ran_out_on_keeps_that_it_timed_out(claimed, other_operator):
    let_lapse(claimed)
    inquiry = desk.reassign(claimed.pk, other_operator.pk, by=actor_of(other_operator))

    review = Review.objects.get()
    assert (review.verdict, review.reviewer) == ("timed_out", None)
    assert (inquiry.status, inquiry.assignee) == ("escalated", other_operator)
    assert actions(claimed)[-2:] == ["ReviewTimedOut", "InquiryReassigned"]


def test_what_another_holds_cannot_be_reassigned(claimed, other_operator):
    with pytest.raises(Held):
        desk.reassign(claimed.pk, None, by=actor_of(other_operator))


def test_only_people_who_may_review_can_be_given_an_inquiry(escalated, operator, viewer):
    with pytest.raises(Invalid) as refused:
        desk.reassign(escalated().pk, viewer.pk, by=actor_of(operator))

    assert refused.value.errors[0]["path"] == "assignee"


def test_reopening_brings_back_to_the_desk_with_a_new_due_time_and_no_used_draft(receive, play, operator):
    inquiry = receive()
    play()
    with arranged():
        Inquiry.objects.update(due_at=F("due_at") - timedelta(days=3))
    inquiry = desk.reopen(inquiry.pk, by=actor_of(operator), reason="she wrote again")

    assert (inquiry.status, inquiry.cause, inquiry.draft) == ("escalated", "reopened", "")
    assert inquiry.escalation_reason == "olga reopened it: she wrote again"
    assert inquiry.due_at > timezone.now()
    assert inquiry.resolved_at is None


def test_an_open_inquiry_cannot_be_reopened(escalated, operator):
    with pytest.raises(IllegalTransition):
        desk.reopen(escalated().pk, by=actor_of(operator))


def test_typing_renews_the_lease_and_keeps_the_text(claimed, operator):
    with arranged():
        soon = timezone.now() + timedelta(seconds=5)
        Inquiry.objects.filter(pk=claimed.pk).update(lease_expires_at=soon)
    first = autosave.save(claimed.pk, "Hel", version=0, by=actor_of(operator))
    second = autosave.save(claimed.pk, "Hello", version=first.version, by=actor_of(operator))

    claimed.refresh_from_db()
    assert claimed.lease_expires_at > soon
    assert (second.text, second.version, second.author_id) == ("Hello", 2, operator.pk)


def test_typing_in_two_windows_overwrites_nothing(claimed, operator):
    autosave.save(claimed.pk, "from one window", version=0, by=actor_of(operator))
    with pytest.raises(autosave.TextMoved):
        autosave.save(claimed.pk, "from another", version=0, by=actor_of(operator))

    assert DraftText.objects.get().text == "from one window"


def test_typing_after_the_claim_ran_out_is_refused(claimed, operator):
    let_lapse(claimed)
    with pytest.raises(StaleLease, match="your claim ran out at"):
        autosave.save(claimed.pk, "too late", version=0, by=actor_of(operator))


def test_a_holder_who_may_no_longer_review_neither_types_nor_discards(claimed, operator):
    autosave.save(claimed.pk, "Hello", version=0, by=actor_of(operator))
    operator.role = Role.VIEWER
    with pytest.raises(Forbidden):
        autosave.save(claimed.pk, "Hello Maya", version=1, by=actor_of(operator))
    with pytest.raises(Forbidden):
        autosave.discard(claimed.pk, by=actor_of(operator))

    assert DraftText.objects.get().text == "Hello"


def test_typing_records_no_event(claimed, operator):
    before = Event.objects.count()
    autosave.save(claimed.pk, "Hello", version=0, by=actor_of(operator))

    assert Event.objects.count() == before


def test_the_next_holder_finds_the_text_of_the_last(claimed, operator, other_operator):
    saved = autosave.save(claimed.pk, "Hello Maya", version=0, by=actor_of(operator))
    desk.release(claimed.pk, by=actor_of(operator))
    desk.claim(claimed.pk, by=actor_of(other_operator))

    assert autosave.save(claimed.pk, "Hello Maya!", version=saved.version, by=actor_of(other_operator)).version == 2
