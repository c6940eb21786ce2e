"""Refusals in the audit trail: each is told, equal ones of a minute together."""

import json
from datetime import timedelta

import pytest
from django.db.models import F

from orchestra.kernel import events, verification
from orchestra.kernel.access import Actor
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Event, RefusalFold

pytestmark = pytest.mark.django_db
EVE = Actor("person", "9", "eve", role="viewer")


def refuse(times=1, reason="Not yours.", address="192.0.2.7"):
    for _ in range(times):
        with events.serving("request", address):
            events.refused(EVE, "RequestRefused", target=Ref("tea", 1), reason=reason)


def let_pass(minutes):
    RefusalFold.objects.update(since=F("since") - timedelta(minutes=minutes))


def counts():
    return [json.loads(event.detail.after)["count"] for event in Event.objects.order_by("number")]


def test_the_first_refusal_is_told_at_once_and_its_repeats_after_a_minute():
    refuse(times=4)
    assert counts() == [1]

    let_pass(minutes=2)
    assert (events.sweep_refusals(), counts()) == (1, [1, 3])


def test_the_repeats_are_told_with_the_address_they_came_from():
    refuse(times=2)
    let_pass(minutes=2)
    events.sweep_refusals()

    assert set(Event.objects.values_list("address", "actor_label")) == {("192.0.2.7", "eve")}


def test_a_refusal_after_a_minute_tells_the_repeats_first():
    refuse(times=3)
    let_pass(minutes=2)
    refuse()

    assert counts() == [1, 2, 1]


def test_a_minute_without_repeats_leaves_nothing_behind():
    refuse()
    let_pass(minutes=2)

    assert (events.sweep_refusals(), counts(), RefusalFold.objects.count()) == (1, [1], 0)


def test_one_sweep_ends_only_so_many_the_oldest_first(monkeypatch):
    monkeypatch.setattr(events, "SWEPT_AT_ONCE", 2)
    for reason in "abc":
        refuse(reason=reason)
    let_pass(minutes=2)

    assert (events.sweep_refusals(), RefusalFold.objects.get().draft["reason"]) == (2, "c")
    assert (events.sweep_refusals(), events.sweep_refusals()) == (1, 0)


def test_within_the_minute_nothing_is_swept():
    refuse(times=2)

    assert (events.sweep_refusals(), counts()) == (0, [1])


@pytest.mark.parametrize("other", [{"reason": "Locked."}, {"address": "192.0.2.8"}])
def test_refusals_that_differ_are_told_apart(other):
    refuse()
    refuse(**other)

    assert counts() == [1, 1]
    assert verification.verify().valid
