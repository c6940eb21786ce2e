"""Signs of life."""

import os
from datetime import timedelta

import pytest
from django.utils import timezone

from orchestra.kernel import pulses
from orchestra.kernel.models import Pulse

pytestmark = pytest.mark.django_db


def age(name: str, **ago: float) -> None:
    Pulse.objects.filter(name=name).update(beat_at=timezone.now() - timedelta(**ago))


def alive(kind: str, within_s: float = 30) -> set[str]:
    return set(pulses.alive(kind, within_s=within_s).values_list("name", flat=True))


def test_who_beats_is_alive_and_says_how_it_is():
    pulses.beat("executor:here:1", {"slots": 10})

    assert alive("executor") == {"executor:here:1"}
    assert Pulse.objects.get().detail == {"slots": 10}


def test_who_has_not_beaten_for_long_is_not():
    pulses.beat("executor:here:1")
    age("executor:here:1", seconds=31)

    assert alive("executor") == set()


def test_the_next_beat_makes_it_alive_again():
    pulses.beat("executor:here:1", {"slots": 10})
    age("executor:here:1", seconds=31)
    pulses.beat("executor:here:1")

    assert alive("executor") == {"executor:here:1"}
    assert Pulse.objects.get().detail == {}


def test_who_says_goodbye_is_forgotten_at_once():
    pulses.beat("executor:here:1")
    pulses.end("executor:here:1")

    assert not Pulse.objects.exists()


def test_a_kind_is_asked_for_alone_or_with_its_host():
    for name in ("executor:here:1", "executor:there:1", "ping:main"):
        pulses.beat(name)

    assert alive("executor") == {"executor:here:1", "executor:there:1"}
    assert alive("executor:here:") == {"executor:here:1"}


def test_a_process_is_named_after_its_host_and_number():
    assert pulses.of_process("executor") == f"executor:{pulses.HOST}:{os.getpid()}"


def test_the_last_beat_is_known_only_of_who_has_beaten():
    assert pulses.last_beat("ping:main") is None
    pulses.beat("ping:main")
    assert abs(pulses.last_beat("ping:main") - timezone.now()) < timedelta(seconds=5)


def test_who_ended_long_ago_is_forgotten():
    for name in ("old", "new"):
        pulses.beat(name)
    age("old", hours=25)

    assert pulses.forget_old() == 1
    assert Pulse.objects.get().name == "new"
