"""What looks the same to many is rendered once for all of them, and never shows less than they have heard of."""

import threading
from itertools import count

import pytest
from django.db import connection

from orchestra.kernel import events
from orchestra.kernel.events import Ref
from orchestra.kernel.shared_renders import SharedRenders
from tests.conftest import SETUP

pytestmark = pytest.mark.django_db


def happen():
    with events.recording(SETUP) as unit:
        events.record("UserAdded", target=Ref("user", "1"))
    return unit.last_number


@pytest.fixture
def made():
    """``made()``: 1, 2, 3 … as text, each time it is rendered anew."""
    numbers = count(1)
    return lambda: str(next(numbers))


def test_those_who_heard_of_nothing_newer_share_one_render(made):
    renders, number = SharedRenders(), happen()

    assert [renders.get("flow", number, made), renders.get("flow", number - 1, made)] == ["1", "1"]


def test_who_heard_of_more_gets_a_newer_one(made):
    renders = SharedRenders()
    renders.get("flow", happen(), made)

    assert renders.get("flow", happen(), made) == "2"


def test_each_key_has_its_own(made):
    renders, number = SharedRenders(), happen()

    assert [renders.get(("flow", role), number, made) for role in ("viewer", "operator", "viewer")] == ["1", "2", "1"]


def test_what_changes_without_an_event_is_never_older_than_its_time(made):
    renders, number = SharedRenders(longest_s=0), happen()

    assert [renders.get("flow", number, made), renders.get("flow", number, made)] == ["1", "2"]


def test_those_asked_for_longest_ago_are_forgotten(made):
    renders, number = SharedRenders(most=2), happen()
    for key in ("a", "b", "a", "c"):
        renders.get(key, number, made)

    assert [renders.get("a", number, made), renders.get("b", number, made)] == ["1", "4"]


def test_a_render_that_fails_is_nobodys(made):
    renders, number = SharedRenders(), happen()

    def fail():
        raise ValueError("The template is broken.")

    with pytest.raises(ValueError, match="broken"):
        renders.get("flow", number, fail)

    assert renders.get("flow", number, made) == "1"


@pytest.mark.django_db(transaction=True)
def test_many_at_once_wait_for_one():
    renders, number = SharedRenders(), happen()
    all_here, calls, answers = threading.Barrier(8), [], []

    def make():
        calls.append(1)
        return "made"

    def ask():
        all_here.wait(10)
        answers.append(renders.get("flow", number, make))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert (answers, len(calls)) == (["made"] * 8, 1)
