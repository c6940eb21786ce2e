"""Runs are routed when they begin, and say by what."""

import json

import pytest

from orchestra.kernel.access import Actor
from orchestra.kernel.models import Event, EventDetail
from tests.workflows import lines
from workflows import definitions, engine, queues, routing
from workflows.models import Run, Step, TaskQueue

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("test")


def start(**terms):
    lines.version("orders")
    return engine.start("orders", {}, by=SYSTEM, **terms)


def routed(run):
    detail = EventDetail.objects.get(event=Event.objects.get(action="RunStarted", target_id=str(run.pk)))
    after = json.loads(detail.after)
    return after["queue"], after["routed_by"]


def test_without_rules_a_run_goes_where_its_definition_says():
    run = start()

    assert (run.queue, run.routed_by) == ("default", "the definition")
    assert Step.objects.get().queue == "default"


def test_a_rule_sends_a_run_and_its_steps_elsewhere_and_is_named():
    routing.create({"tier": "premium", "queue": "vip"}, by=SYSTEM)

    run = start(tier="premium")

    assert (run.queue, run.routed_by) == ("vip", "rule 1: tier premium")
    assert routed(run) == ("vip", "rule 1: tier premium")
    assert Step.objects.get().queue == "vip"
    assert start(tier="standard").queue == "default"


def test_a_queue_that_the_caller_names_wins_and_gets_a_row():
    routing.create({"queue": "all"}, by=SYSTEM)

    run = start(queue="mine")

    assert (run.queue, run.routed_by) == ("mine", "the caller")
    assert TaskQueue.objects.filter(name="mine").exists()


def test_a_published_definition_brings_its_queue_along():
    steps = [{"name": "a", "capabilities": ["work"]}]
    definitions.publish("bulky", {"steps": steps, "queue": "bulk"}, by=SYSTEM, allow_unknown=True)

    assert TaskQueue.objects.filter(name="bulk").exists()
    assert "bulk" in queues.policies()


def test_a_rule_that_changes_leaves_the_runs_that_it_has_routed():
    rule = routing.create({"queue": "vip"}, by=SYSTEM)
    start()

    routing.change(rule.pk, {"queue": "other"}, by=SYSTEM)

    assert Run.objects.get().queue == "vip"
