"""The audit chain: appended by many at once without fork or gap, and proven wrong after any meddling."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestra.kernel import chain, events, verification
from orchestra.kernel.access import Actor
from orchestra.kernel.canonical import GENESIS
from orchestra.kernel.events import Ref
from orchestra.kernel.models import ChainHead, Event, EventDetail
from tests.silent_writes import watching

ADA = Actor("person", "1", "ada", role="operator")


def record(count=1, **changes):
    with events.recording(ADA):
        for index in range(count):
            options = {"after": {"cup": index}, "reason": "thirst"} | changes
            events.record("TeaServed", target=Ref("tea", index, "a cup"), **options)


def meddle(sql, *params):
    """What somebody with the database's password may do."""
    with watching(on=False), connection.cursor() as cursor:
        cursor.execute(sql, params)


def erase(number, *, told_of):
    """Erase the detail of an event, and record that of ``told_of``."""
    with events.recording(ADA) as unit:
        events.record("DetailErased", target=told_of)
    with watching(on=False):
        EventDetail.objects.filter(event_id=number).update(
            erased_by=unit.last_number, before="", after="", reason="", salt=""
        )


@pytest.mark.django_db
class TestAppending:
    def test_an_empty_chain_is_valid(self):
        assert (chain.head(), verification.verify().valid) == (0, True)

    def test_the_events_of_a_unit_follow_one_another_and_share_its_correlation(self):
        record(3)

        first, second, third = Event.objects.order_by("number")
        assert [first.previous_hash, second.previous_hash, third.previous_hash] == [GENESIS, first.hash, second.hash]
        assert {first.correlation} == {second.correlation, third.correlation}
        assert ChainHead.objects.get().hash == third.hash

    def test_a_unit_that_fails_leaves_no_event(self):
        with pytest.raises(TypeError):
            record(after={1: "keys of two", "types": "cannot be sorted"})

        assert chain.head() == 0

    def test_a_unit_inside_another_joins_it(self):
        with events.recording(ADA), events.recording(Actor.system("kettle")) as inner:
            events.record("TeaServed", target=Ref("tea", 1))

        assert Event.objects.get().actor_label == "ada"
        assert inner.last_number == 1

    def test_recording_without_a_unit_is_a_programming_error(self):
        with pytest.raises(RuntimeError, match="outside a unit"):
            events.record("TeaServed", target=Ref("tea", 1))

    def test_bulk_actions_share_one_correlation(self):
        with events.correlating() as shared:
            record()
            record()

        assert set(Event.objects.values_list("correlation", flat=True)) == {shared}

    def test_the_detail_is_kept_apart_behind_a_salted_digest(self):
        record(before={"b": 1, "a": 2})

        detail = EventDetail.objects.get()
        assert (detail.before, detail.after, detail.reason) == ('{"a":2,"b":1}', '{"cup":0}', "thirst")
        assert len(detail.salt) == 32

    def test_labels_that_are_too_long_are_cut(self):
        with events.recording(Actor("agent", "7", "x" * 500)):
            events.record("TeaServed", target=Ref("tea", 1, "y" * 500))

        assert verification.verify().valid


@pytest.mark.django_db(transaction=True)
def test_many_writers_at_once_make_no_fork_and_no_gap():
    def write(_):
        try:
            for _ in range(5):
                record(2)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))

    assert list(Event.objects.order_by("number").values_list("number", flat=True)) == list(range(1, 81))
    assert verification.verify().as_dict() | {"valid": True, "events": 80} == verification.verify().as_dict()


@pytest.mark.django_db
class TestVerification:
    @pytest.fixture(autouse=True)
    def _nine_events(self):
        for _ in range(3):
            record(3)

    @pytest.mark.parametrize(
        ("sql", "first_bad"),
        [
            ("UPDATE kernel_event SET action = 'TeaSpilled' WHERE number = 4", 4),
            ("UPDATE kernel_event SET actor_label = 'eve' WHERE number = 9", 9),
            ("UPDATE kernel_event SET happened = recorded WHERE number = 1", 1),
            ("UPDATE kernel_event SET hash = previous_hash WHERE number = 5", 5),
            ("UPDATE kernel_event SET detail_digest = '' WHERE number = 2", 2),
            ("UPDATE kernel_eventdetail SET reason = 'greed' WHERE event_id = 6", 6),
            ("UPDATE kernel_eventdetail SET after = '{}' WHERE event_id = 1", 1),
            ("UPDATE kernel_eventdetail SET erased_by = 8, reason = '' WHERE event_id = 3", 3),
            ("DELETE FROM kernel_eventdetail WHERE event_id = 7", 7),
            ("DELETE FROM kernel_event WHERE number = 1", 1),
            ("DELETE FROM kernel_event WHERE number = 5", 5),
            ("DELETE FROM kernel_event WHERE number IN (3, 4)", 3),
            ("DELETE FROM kernel_event WHERE number = 9", 9),
            ("DELETE FROM kernel_event WHERE number > 4", 5),
            ("DELETE FROM kernel_event", 1),
        ],
    )
    def test_a_change_by_hand_is_found_at_its_number(self, sql, first_bad):
        meddle(sql)

        verdict = verification.verify()
        assert (verdict.valid, verdict.first_bad) == (False, first_bad)
        assert verdict.problem.startswith("The detail" if "eventdetail" in sql else ("Event", "The detail"))

    def test_two_exchanged_events_are_found_at_the_first(self):
        meddle("UPDATE kernel_event SET number = -1 WHERE number = 4")
        meddle("UPDATE kernel_event SET number = 4 WHERE number = 5")
        meddle("UPDATE kernel_event SET number = 5 WHERE number = -1")

        assert verification.verify().first_bad == 4

    def test_an_inserted_event_is_found(self):
        self.copy_event(9, to=10)

        assert verification.verify().first_bad == 10

    def test_an_event_put_before_the_first_is_found(self):
        self.copy_event(1, to=0)

        assert verification.verify().first_bad == 0

    def test_an_end_cut_off_together_with_its_details_is_found_by_the_chain_head(self):
        meddle("DELETE FROM kernel_eventdetail WHERE event_id > 6")
        meddle("DELETE FROM kernel_event WHERE number > 6")

        assert verification.verify().first_bad == 7

    def test_an_event_that_the_head_of_its_commit_does_not_name_is_found(self):
        meddle("UPDATE kernel_chainhead SET hash = %s WHERE number = 6", GENESIS)

        assert verification.verify().first_bad == 6

    def test_an_erased_detail_that_an_event_tells_of_is_right(self):
        for number in (2, 3):
            erase(number, told_of=Ref("event", number))

        verdict = verification.verify()
        assert (verdict.valid, verdict.erased) == (True, 2)

    @pytest.mark.parametrize("told_of", [Ref("event", 3), Ref("tea", 2)])
    def test_an_erasure_excuses_no_other_detail_than_its_own(self, told_of):
        erase(2, told_of=told_of)

        assert verification.verify().first_bad == 2

    def test_however_many_details_are_erased_their_erasures_are_read_at_once(self, django_assert_num_queries):
        erase(2, told_of=Ref("event", 2))
        with CaptureQueriesContext(connection) as with_one:
            verification.verify()
        for number in (3, 4, 5):
            erase(number, told_of=Ref("event", number))

        with django_assert_num_queries(len(with_one)):
            assert verification.verify().erased == 4

    def test_the_command_prints_a_summary(self, capsys):
        call_command("verify_audit", "--json")

        said = json.loads(capsys.readouterr().out)
        assert (said["events"], said["head"]) == (9, 9)

    def test_the_command_fails_and_names_the_first_bad_number(self, capsys):
        meddle("DELETE FROM kernel_event WHERE number = 5")

        with pytest.raises(SystemExit) as end:
            call_command("verify_audit")

        assert end.value.code == 1
        assert "event 5" in capsys.readouterr().err

    def copy_event(self, number, *, to):
        copy = Event.objects.get(number=number)
        copy.number = to
        with watching(on=False):
            copy.save(force_insert=True)
