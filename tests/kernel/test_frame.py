"""The left bar: which rooms are shown to whom, where one is, and what it costs."""

import pytest
from django.test import RequestFactory

from orchestra.kernel import registry
from orchestra.kernel.access import ANONYMOUS, Actor
from orchestra.kernel.frame import frame, navigation
from orchestra.kernel.registry import Badge, Port, Room

VIEWER, ADMIN = (Actor("person", "1", "vera", role=role) for role in ("viewer", "admin"))


@pytest.fixture(autouse=True)
def _rooms(monkeypatch):
    rooms = Port("rooms of a test")
    rooms.register(
        "tokens", Room("Work", 20, "Tokens", "key", "tokens", badge=lambda: Badge(7, "due"), topics=("b", "a"))
    )
    rooms.register("ready", Room("", 10, "Ready", "bolt", "readyz", topics=("a",)))
    rooms.register("people", Room("Work", 30, "People", "users-group", "people", role="admin", topics=("c",)))
    rooms.register("unbuilt", Room("Work", 40, "Orders", "package", "a-page-that-comes-later"))
    monkeypatch.setattr(registry, "rooms", rooms)


def rooms_of(actor, path="/"):
    return [(group.label, [room.label for room in group.items]) for group in navigation(actor, path)]


def test_rooms_stand_in_their_groups_in_order_and_appear_when_they_exist():
    assert rooms_of(ADMIN) == [("", ["Ready"]), ("Work", ["Tokens", "People"])]


def test_a_room_of_another_role_is_not_shown():
    assert rooms_of(VIEWER) == [("", ["Ready"]), ("Work", ["Tokens"])]


@pytest.mark.parametrize(
    ("path", "current"), [("/settings/tokens/7/", ["Tokens"]), ("/settings/people/", ["People"]), ("/elsewhere/", [])]
)
def test_the_room_one_is_in_is_marked(path, current):
    assert [room.label for group in navigation(ADMIN, path) for room in group.items if room.current] == current


def test_a_badge_counts_what_waits():
    badges = [room.badge for group in navigation(VIEWER, "/") for room in group.items]

    assert badges == [None, Badge(7, "due")]


def test_the_bar_is_refreshed_by_the_topics_of_the_rooms_that_are_shown():
    request = RequestFactory().get("/")
    request.actor, request.live_number = VIEWER, 5

    context = frame(request)
    assert (context["navigation_topics"](), context["live_number"]) == ("a b", 5)


def test_strangers_get_no_frame():
    request = RequestFactory().get("/")
    request.actor = ANONYMOUS

    assert frame(request) == {}
