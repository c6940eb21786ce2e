"""What is read of the backlog, and that its cost does not grow with the number of queues."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from tests.workflows import lines
from workflows import backlog
from workflows.backlog import Due, Wanted
from workflows.models import StepStatus

pytestmark = pytest.mark.django_db


def due(**more):
    return Due(timezone.now(), **more)


def locked(wanted, at=None):
    with transaction.atomic():
        return [(step.queue, step.pk) for step in backlog.lock(wanted, at or due())]


def test_the_names_are_those_in_which_a_step_is_ready(django_assert_num_queries):
    for name in ("b", "a", "c"):
        lines.put(name, 3)
    lines.put("paused", held=True)
    lines.put("done", status=StepStatus.SUCCEEDED)

    with django_assert_num_queries(1):
        assert backlog.names() == ["a", "b", "c"]


def test_without_any_step_there_are_no_names():
    assert backlog.names() == []


def test_depths_count_what_is_due_up_to_a_limit_in_one_statement(django_assert_num_queries):
    lines.put("a", 5)
    lines.put("b", 2, available_at=timezone.now() + timedelta(hours=1))
    lines.put("c", 1, held=True)

    with django_assert_num_queries(1):
        assert backlog.depths(["a", "b", "c", "d"], due(), 3) == {"a": 3, "b": 0, "c": 0, "d": 0}


def test_depths_leave_out_demands_that_find_no_agent_and_keys_that_are_busy():
    lines.put("a", 1, demand='[["fly"],[]]')
    lines.put("a", 2, lock_key="ada")
    lines.put("a", 3)

    assert backlog.depths(["a"], due(demands=['[["fly"],[]]'], keys=["ada"]), 10) == {"a": 3}


def test_the_first_of_each_queue_are_locked_in_one_statement(django_assert_num_queries):
    a, b = lines.put("a", 4), lines.put("b", 4)

    with django_assert_num_queries(1):
        found = backlog.lock({"a": Wanted(2), "b": Wanted(1), "none": Wanted(3), "skipped": Wanted(0)}, due())

    assert sorted((step.queue, step.pk) for step in found) == [("a", a[0].pk), ("a", a[1].pk), ("b", b[0].pk)]


def test_only_what_stands_before_a_moment_is_locked_where_one_is_given():
    steps = lines.put("a", 4)

    assert locked({"a": Wanted(9, before=steps[2].rank_at)}) == [("a", steps[0].pk), ("a", steps[1].pk)]


def test_the_earliest_rank_is_first_whenever_it_was_made():
    late, early = lines.put("a", rank_at=lines.START + timedelta(days=1)), lines.put("a")

    assert locked({"a": Wanted(1)}) == [("a", early[0].pk)] != [("a", late[0].pk)]


def test_locked_rows_come_whole():
    lines.put("a", input={"order": 7}, history=[{"attempt": 1}])

    with transaction.atomic():
        (step,) = backlog.lock({"a": Wanted(1)}, due())

    assert (step.input, step.history, step.available_at.tzinfo is not None) == ({"order": 7}, [{"attempt": 1}], True)
    assert step.key == type(step).objects.get().key


def test_counts_and_heads_of_many_queues_are_a_statement_each(django_assert_num_queries):
    first = lines.put("a", 3)[0]
    lines.put("b", 2, status=StepStatus.DEAD)

    with django_assert_num_queries(1):
        assert backlog.counts(["a", "b", "c"], 2) == {"a": (2, 0), "b": (0, 2), "c": (0, 0)}
    with django_assert_num_queries(1):
        assert backlog.heads(["a", "b"]) == {"a": first.available_at}


def test_what_runs_is_counted_from_unexpired_leases_only():
    now = timezone.now()
    lease = {"status": StepStatus.RUNNING, "executor": "e", "lock_key": "ada"}
    held = lines.put("a", 3, lease_expires_at=now + timedelta(seconds=9), **lease)
    lines.put("a", 2, lease_expires_at=now - timedelta(seconds=1), **lease)

    assert backlog.running(["a", "b"], now) == {"a": 3}
    assert backlog.running(["a"], now, without=[held[0].pk]) == {"a": 2}
    assert backlog.running_by_key(["ada", "ben"], now) == {"ada": 3}


def test_the_places_of_many_steps_are_counted_up_to_a_limit_in_one_statement(django_assert_num_queries):
    steps = lines.put("a", 5)
    (other,) = lines.put("b")

    with django_assert_num_queries(1):
        ahead = backlog.ahead([step.pk for step in (*steps, other)], 3)

    assert [ahead[step.pk] for step in steps] == [0, 1, 2, 3, 3]
    assert ahead[other.pk] == 0
