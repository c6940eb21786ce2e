"""What is set for a queue, and who may set it."""

import json

import pytest
from django.utils import timezone

from agents import snapshot
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Forbidden, Invalid, NotFound
from orchestra.kernel.models import Event, EventDetail, Role
from tests.silent_writes import arranged
from tests.workflows import lines
from workflows import queues
from workflows.admission import Policy
from workflows.models import Step, TaskQueue

pytestmark = pytest.mark.django_db

ADMIN = Actor("person", "1", "Ada", role=Role.ADMIN)
OPERATOR = Actor("person", "2", "Olga", role=Role.OPERATOR)
VIEWER = Actor("person", "3", "Vera", role=Role.VIEWER)


def told(action):
    """Before, after and reason of the one event of this action."""
    event = Event.objects.get(action=action)
    detail = EventDetail.objects.get(event=event)
    return json.loads(detail.before or "null"), json.loads(detail.after or "null"), detail.reason


def policy_of(name):
    return queues.policies_of([name])[name]


def test_a_queue_that_nobody_has_edited_has_weight_one_and_no_limit():
    assert policy_of("billing") == Policy("billing", weight=1)
    assert queues.policies() == {"default": Policy("default")}


def test_a_change_is_stored_and_told_with_what_changed_only():
    queues.change("billing", {"weight": 3, "max_concurrency": 5, "burst": None}, by=ADMIN, reason="month end")

    assert policy_of("billing") == Policy("billing", weight=3, max_concurrency=5)
    assert told("QueueChanged") == (
        {"weight": 1, "max_concurrency": None},
        {"weight": 3, "max_concurrency": 5},
        "month end",
    )


def test_none_takes_a_limit_away_and_the_others_stay():
    queues.change("billing", {"max_concurrency": 5, "key_limit": 2}, by=ADMIN)
    queues.change("billing", {"max_concurrency": None}, by=ADMIN)

    assert policy_of("billing") == Policy("billing", key_limit=2)


def test_what_changes_nothing_is_not_told():
    queues.change("billing", {"weight": 3}, by=ADMIN)
    queues.change("billing", {"weight": 3}, by=ADMIN)

    assert Event.objects.filter(action="QueueChanged").count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weight", 0),
        ("weight", 1001),
        ("weight", None),
        ("max_concurrency", 0),
        ("rate_per_s", 0.0),
        ("rate_per_s", float("nan")),
        ("burst", -1),
        ("key_limit", 0),
    ],
)
def test_a_value_out_of_bounds_is_named(field, value):
    with pytest.raises(Invalid) as refused:
        queues.change("billing", {field: value}, by=ADMIN)

    assert [fault["path"] for fault in refused.value.errors] == [field]
    assert not TaskQueue.objects.exists()


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 51])
def test_a_name_that_no_run_could_give_is_refused(name):
    with pytest.raises(Invalid):
        queues.change(name, {"weight": 2}, by=ADMIN)


def test_operators_pause_and_resume_but_do_not_set_limits():
    queues.pause("billing", by=OPERATOR, reason="The bank is down.")
    assert policy_of("billing").paused

    queues.resume("billing", by=OPERATOR)
    assert not policy_of("billing").paused

    with pytest.raises(Forbidden):
        queues.change("billing", {"weight": 2}, by=OPERATOR)


def test_viewers_change_nothing():
    with pytest.raises(Forbidden):
        queues.pause("billing", by=VIEWER, reason="because")


def test_a_pause_says_why_and_a_resume_forgets_it():
    with pytest.raises(Invalid):
        queues.pause("billing", by=OPERATOR, reason=" ")
    queues.pause("billing", by=OPERATOR, reason="The bank is down.")
    assert TaskQueue.objects.get().paused_reason == "The bank is down."
    assert told("QueuePaused") == (None, {"paused": True}, "The bank is down.")

    queues.resume("billing", by=OPERATOR, reason="It is back.")

    row = TaskQueue.objects.get()
    assert (row.paused, row.paused_reason, row.paused_at) == (False, "", None)
    assert told("QueueResumed") == (None, {"paused": False}, "It is back.")


def test_pausing_twice_is_one_event():
    queues.pause("billing", by=OPERATOR, reason="first")
    queues.pause("billing", by=OPERATOR, reason="second")

    assert Event.objects.filter(action="QueuePaused").count() == 1


def test_every_change_tells_executors_to_read_again():
    before = snapshot.revision()
    queues.change("billing", {"weight": 2}, by=ADMIN)
    queues.pause("billing", by=ADMIN, reason="noon")

    assert snapshot.revision() == before + 2


def test_a_rate_that_is_new_begins_with_a_full_bucket_and_one_that_changes_keeps_its_tokens():
    queues.change("billing", {"rate_per_s": 5.0}, by=ADMIN)
    assert TaskQueue.objects.get().refilled_at is None
    with arranged():
        queues.spend({"billing": 5.0}, timezone.now())

    queues.change("billing", {"rate_per_s": 0.001}, by=ADMIN)

    assert TaskQueue.objects.get().tokens <= 1
    assert TaskQueue.objects.get().refilled_at is not None


def test_queues_that_are_about_to_be_used_get_a_row_once(django_assert_num_queries):
    with arranged():
        queues.ensure(["billing", "default"])
    with arranged(), django_assert_num_queries(1):
        queues.ensure(["billing", "default"])

    assert sorted(TaskQueue.objects.values_list("name", flat=True)) == ["billing", "default"]


def test_a_queue_that_only_steps_know_is_found_with_the_defaults():
    lines.put("odd")
    with arranged():
        TaskQueue.objects.all().delete()

    assert queues.policies()["odd"] == Policy("odd")
    assert queues.found("odd").pk is None


def test_a_queue_that_nothing_names_is_not_found():
    with pytest.raises(NotFound):
        queues.found("nowhere")
    assert not Step.objects.exists()
