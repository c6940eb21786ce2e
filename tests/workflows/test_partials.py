"""What calls write while they go on: stored now and then for all of them, gone with them, deaf to the late."""

from datetime import timedelta

import pytest
from django.utils import timezone

from workflows import partials
from workflows.models import PartialText, Step, StepStatus
from workflows.partials import KEPT, Partials

pytestmark = pytest.mark.django_db


def stored():
    return dict(PartialText.objects.values_list("step_id", "text"))


def test_only_the_newest_text_of_each_call_is_stored_in_as_many_statements_as_one(django_assert_max_num_queries):
    texts = Partials()
    reporters = [texts.reporter(step, 1) for step in range(40)]
    for reporter in reporters:
        for length in range(5):
            reporter("x" * length)
    with django_assert_max_num_queries(3):  # and those around the transaction
        assert texts.write() == 40

    assert stored() == dict.fromkeys(range(40), "xxxx")
    assert texts.write() == 0


def test_nothing_new_costs_nothing(django_assert_num_queries):
    texts = Partials()
    with django_assert_num_queries(0):
        texts.write()


def test_what_has_ended_is_removed_and_deaf():
    texts = Partials()
    first, second = texts.reporter(1, 7), texts.reporter(2, 8)
    first("a")
    second("b")
    texts.write()
    first.end()
    first("too late")
    texts.write()

    assert stored() == {2: "b"}


def test_what_ended_before_it_was_stored_leaves_nothing(django_assert_num_queries):
    texts = Partials()
    reporter = texts.reporter(1, 7)
    reporter("a")
    reporter.end()
    with django_assert_num_queries(0):
        texts.write()


def test_a_call_that_was_given_to_another_executor_does_not_take_its_text_along():
    before, after = Partials(), Partials()
    old, new = before.reporter(1, 7), after.reporter(1, 8)
    old("old")
    before.write()
    new("new")
    after.write()
    old.end()
    before.write()

    assert stored() == {1: "new"}


def test_of_a_long_text_its_end_is_kept_and_its_length_known():
    texts = Partials()
    texts.reporter(1, 1)("a" + "b" * KEPT)
    texts.write()
    row = PartialText.objects.get()

    assert row.text == "b" * KEPT
    assert row.length == KEPT + 1


def test_what_no_database_can_store_is_replaced():
    texts = Partials()
    texts.reporter(1, 1)("a\x00\ud800b")
    texts.write()

    assert stored() == {1: "a\ufffd?b"}


def test_many_long_texts_take_their_turns(monkeypatch):
    monkeypatch.setattr(partials, "AT_ONCE", 25)
    texts = Partials()
    reporters = [texts.reporter(step, 1) for step in range(5)]
    for reporter in reporters:
        reporter("x" * 10)
    counts = []
    while count := texts.write():
        counts.append(count)
        reporters[0]("y" * 10)  # it writes on, and waits its turn
        if len(counts) == 4:
            break

    assert counts == [2, 2, 2, 1]
    assert set(stored()) == {0, 1, 2, 3, 4}


def test_only_the_text_of_the_claim_that_goes_on_is_shown():
    texts = Partials()
    texts.reporter(5, 7)("so far")
    texts.write()
    running = Step(pk=5, status=StepStatus.RUNNING, token=7)

    assert partials.of_steps([running])[5].text == "so far"
    assert partials.of_steps([Step(pk=5, status=StepStatus.RUNNING, token=8)]) == {}
    assert partials.of_steps([Step(pk=5, status=StepStatus.READY, token=7)]) == {}


def test_what_a_dead_executor_left_behind_goes_after_an_hour():
    texts = Partials()
    texts.reporter(1, 1)("old")
    texts.reporter(2, 1)("new")
    texts.write()
    PartialText.objects.filter(step_id=1).update(written_at=timezone.now() - timedelta(hours=2))

    assert partials.forget_old() == 1
    assert stored() == {2: "new"}
