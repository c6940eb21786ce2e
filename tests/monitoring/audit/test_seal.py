"""The seal of the audit trail: verification by the workers, in slices."""

from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring import jobs
from monitoring.audit import seal
from monitoring.models import Verification
from orchestra.kernel import chain, verification
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Forbidden
from orchestra.kernel.models import ChainHead, Event, EventDetail
from orchestra.kernel.verification import Verdict
from tests.audit import last_event
from tests.monitoring.happenings import happened
from tests.silent_writes import watching

pytestmark = pytest.mark.django_db
OLGA = Actor("person", "2", "Olga", role="operator")


@pytest.fixture
def enqueued(monkeypatch):
    """The messages sent to the workers, instead of to the broker."""
    sent = []
    monkeypatch.setattr("orchestra.kernel.jobs.enqueue", lambda function, *ids: sent.append((function, *ids)))
    return sent


@pytest.fixture
def small_slices(monkeypatch):
    """Three events a chunk, one chunk a slice."""
    monkeypatch.setattr(verification, "CHUNK", 3)
    monkeypatch.setattr(seal, "SLICE_S", 0.0)


def work_off(begun):
    """What the workers do until the verification ends; returns how many slices it took."""
    slices = 0
    while not Verification.objects.filter(pk=begun.pk, finished_at__isnull=False).exists():
        seal.work_on(begun.pk, for_s=seal.SLICE_S)
        slices += 1
    begun.refresh_from_db()
    return slices


def tamper(number, **changes):
    with watching(on=False):
        Event.objects.filter(number=number).update(**changes)


def test_a_verification_reads_on_slice_by_slice(enqueued, small_slices):
    for _ in range(10):
        happened()
    begun = seal.begin(OLGA)

    slices = work_off(begun)

    assert slices >= 4
    assert (begun.events, begun.valid) == (11, True)  # its own beginning is an event as well
    assert last_event().action == "AuditVerified"


def test_each_slice_asks_for_the_next_one(enqueued, small_slices):
    for _ in range(10):
        happened()
    begun = seal.begin(OLGA)

    seal.work_on(begun.pk, for_s=0.0)

    assert enqueued == [("monitoring.jobs.verify_on", begun.pk)] * 2
    assert seal.seal().running.progress == "3 of 10"


def test_a_slice_that_is_done_twice_counts_once(enqueued, small_slices):
    for _ in range(4):
        happened()
    begun = seal.begin(OLGA)
    work_off(begun)

    jobs.verify_on(begun.pk)

    assert Event.objects.filter(action="AuditVerified").count() == 1


def test_the_person_who_asked_is_recorded(enqueued):
    seal.begin(OLGA)

    assert (last_event().action, last_event().actor_label) == ("AuditVerificationStarted", "Olga")


def test_viewers_may_not_have_it_verified():
    with pytest.raises(Forbidden):
        seal.begin(Actor("person", "3", "Vera", role="viewer"))


def test_a_second_wish_joins_the_first(enqueued):
    first = seal.begin(OLGA)

    assert seal.begin(OLGA) == first
    assert len(enqueued) == 1


def test_a_stalled_verification_is_pushed_on(enqueued):
    begun = seal.begin(OLGA)
    Verification.objects.filter(pk=begun.pk).update(continued_at=timezone.now() - timedelta(minutes=3))

    seal.begin(OLGA)

    assert len(enqueued) == 2


def test_a_broken_chain_is_told_with_the_number(enqueued):
    for _ in range(5):
        happened()
    tamper(3, actor_label="Eve")
    begun = seal.begin(OLGA)

    work_off(begun)

    assert (begun.first_bad, begun.valid) == (3, False)
    assert (last_event().action, last_event().outcome, last_event().detail.reason) == (
        "AuditFoundBroken",
        "failed",
        begun.problem,
    )


def test_by_the_clock_it_reads_on_from_where_it_was(enqueued):
    for _ in range(5):
        happened()
    work_off(seal.begin(OLGA))
    end = chain.head()

    jobs.verify_by_the_clock()

    assert seal.seal().running.since == end - 1  # the verdict itself came after it


def test_once_a_day_it_reads_everything(enqueued):
    happened()
    work_off(seal.begin(OLGA))
    Verification.objects.update(started_at=timezone.now() - timedelta(hours=25))

    jobs.verify_by_the_clock()

    assert seal.seal().running.since == 0


def test_after_a_fault_it_reads_everything_again(enqueued):
    for _ in range(3):
        happened()
    tamper(2, actor_label="Eve")
    work_off(seal.begin(OLGA))

    jobs.verify_by_the_clock()

    assert seal.seal().running.since == 0


def test_reading_on_finds_what_was_changed_where_it_had_ended():
    for _ in range(4):
        happened()
    verdict = verification.verify(Verdict())
    happened()
    with watching(on=False):
        for model, column in ((Event, "number"), (ChainHead, "number"), (EventDetail, "event_id")):
            model.objects.filter(**{f"{column}__gte": 4}).delete()

    assert verification.verify(verdict).first_bad == 4


@pytest.mark.parametrize("changed", [4, 6])
def test_reading_on_in_slices_finds_what_reading_at_once_finds(changed, monkeypatch):
    monkeypatch.setattr(verification, "CHUNK", 2)
    for _ in range(8):
        happened()
    tamper(changed, target_label="another")
    verdict = Verdict()
    while not verdict.complete:
        verdict = verification.verify(verdict, for_s=0.0)

    at_once = verification.verify()

    assert (verdict.first_bad, verdict.problem) == (at_once.first_bad, at_once.problem) == (changed, at_once.problem)


def test_a_short_chain_is_verified_for_the_api_at_once():
    happened()
    tamper(1, actor_label="Eve")

    assert seal.answer()["first_bad"] == 1


def test_of_a_long_chain_the_api_gets_the_last_verdict(enqueued, monkeypatch):
    happened()
    work_off(seal.begin(OLGA))
    monkeypatch.setattr(seal, "AT_ONCE", 1)
    tamper(1, actor_label="Eve")

    answer = seal.answer()

    assert (answer["valid"], answer["events"], answer["running"]) == (True, 2, False)
    assert answer["head"] == 3  # the verdict itself came after what it is about
    assert answer["verified_at"] is not None


def test_of_a_long_chain_that_was_never_verified_nothing_is_claimed(monkeypatch):
    happened()
    monkeypatch.setattr(seal, "AT_ONCE", 0)

    assert seal.answer()["valid"] is None
