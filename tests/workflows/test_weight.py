"""An executor claims no more heavy inputs than its memory bears."""

import asyncio

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents import fleet
from orchestra.kernel.events import NOTHING
from tests.workflows.conftest import OPERATOR, SYSTEM
from workflows import engine, weight
from workflows.calls import Calls
from workflows.models import Run, Step

pytestmark = pytest.mark.django_db(transaction=True)
KB = 1024


@pytest.fixture
def calls():
    loop = asyncio.new_event_loop()
    yield Calls(loop, slots=100)
    loop.close()


@pytest.fixture
def start(publish):
    """``start(20, 100)``: so many runs whose input has so many kilobytes."""
    values = {"name": "worker-1", "config": {"function": "test.echo"}, "max_concurrency": 500}
    fleet.create("python", values, ["work"], by=SYSTEM)
    publish("flow", {"name": "a", "capabilities": ["work"]}, {"name": "b", "capabilities": ["work"]})

    def begin(count, kilobytes, workflow="flow"):
        # Not of one letter: what can be packed well would be measured packed.
        text = "".join(f"{number:08x}" for number in range(kilobytes * KB // 8))
        engine.start_many(workflow, [({"text": text, "items": [1, 2, 3, 4]}, NOTHING)] * count, by=OPERATOR)

    return begin


def test_a_claim_stops_where_the_inputs_become_too_heavy_and_the_rest_is_next(start, script, monkeypatch):
    monkeypatch.setattr(weight, "MAX_BATCH", 505 * KB)
    monkeypatch.setattr(weight, "FEW", 4)
    start(20, 100)
    turn = script.turn()
    assert (len(turn.assignments), turn.may_be_more) == (5, True)
    assert [each.step.run_id for each in turn.assignments] == list(
        Run.objects.order_by("pk")[:5].values_list("pk", flat=True)
    )
    assert len(script.turn().assignments) == 5


def test_one_that_is_too_heavy_by_itself_is_claimed_alone(start, script, monkeypatch):
    monkeypatch.setattr(weight, "MAX_BATCH", 50 * KB)
    start(20, 100)

    assert len(script.turn().assignments) == 1


def test_light_ones_are_claimed_together(start, script):
    start(60, 1)

    assert len(script.turn().assignments) == 60


def test_a_few_are_not_measured_and_many_in_one_statement(start, script):
    start(weight.FEW, 1)
    with CaptureQueriesContext(connection) as few:
        script.turn()
    start(weight.FEW + 30, 1)
    with CaptureQueriesContext(connection) as many:
        script.turn()

    assert [sum("length(input" in each["sql"] for each in queries) for queries in (few, many)] == [0, 1]


def test_each_of_several_queues_gives_up_the_same_part(start, publish, script, monkeypatch):
    monkeypatch.setattr(weight, "MAX_BATCH", 1010 * KB)
    publish("other", {"name": "a", "capabilities": ["work"]}, queue="other")
    start(20, 100)
    start(20, 100, "other")
    queues = [each.step.queue for each in script.turn().assignments]

    assert (queues.count("default"), queues.count("other")) == (5, 5)


def test_nothing_more_is_claimed_while_what_is_in_flight_is_too_heavy(start, script, calls, monkeypatch):
    monkeypatch.setattr(weight, "MAX_HELD", 250 * KB)
    start(3, 100)
    first, second, third = script.turn().assignments
    calls.launch([first, second])
    assert calls.room == 98
    calls.launch([third])
    assert calls.room == 0

    calls.results.put(script.answer(first))
    calls.collect(10)
    assert calls.room == 98


def test_a_call_that_is_given_up_weighs_nothing_more(start, script, calls, monkeypatch):
    monkeypatch.setattr(weight, "MAX_HELD", 50 * KB)
    start(1, 100)
    assignments = script.turn().assignments
    calls.launch(assignments)
    assert calls.room == 0

    calls._drop([assignments[0].step.pk])
    assert calls.room == 100


def test_items_of_one_run_share_the_weight_of_its_input(start, publish, script):
    publish("fan", {"name": "each", "for_each": "items", "capabilities": ["work"]})
    start(1, 100, "fan")
    steps = [assignment.step for assignment in script.turn().assignments]
    weights = weight.of_calls(steps)

    assert len(steps) == 4
    assert 100 * KB <= sum(weights.values()) < 101 * KB
    assert Step.objects.filter(pk__in=weights).count() == 4
