"""What one browser is still to be told."""

import asyncio

import pytest

from monitoring import topics
from monitoring.live import Inbox


@pytest.fixture
def inbox():
    made = Inbox("session", frozenset({"run:7", "agent"}))
    made.begin(10)
    return made


async def test_what_happens_between_two_frames_is_one_frame(inbox):
    inbox.hear(11, {"run", "run:7"})
    inbox.hear(12, {"agent", "agent:1"})
    inbox.hear(13, {"run", "run:8"})

    assert await inbox.next() == {"type": "changed", "number": 13, "topics": ["agent", "run:7"]}


async def test_it_waits_while_nothing_it_shows_changes(inbox):
    inbox.hear(11, {"run", "run:8"})

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(inbox.next(), 0.01)


async def test_a_beat_says_how_far_the_events_are(inbox):
    inbox.hear(11, {"run", "run:8"})
    inbox.beat()

    assert await inbox.next() == {"type": "beat", "number": 11}


async def test_changes_make_a_beat_needless(inbox):
    inbox.beat()
    inbox.hear(11, {"agent"})

    assert (await inbox.next())["type"] == "changed"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(inbox.next(), 0.01)


async def test_who_is_behind_is_told_nothing_else(inbox):
    inbox.hear(11, {"agent"})
    inbox.fall_behind(9_000)

    assert await inbox.next() == {"type": "behind", "number": 9_000}


async def test_it_never_goes_back(inbox):
    inbox.hear(12, {"agent"})
    inbox.hear(11, {"agent"})

    assert (await inbox.next())["number"] == 12


async def test_it_ends_with_its_session(inbox):
    inbox.end_if_among({"another session"})
    inbox.hear(11, {"agent"})
    assert await inbox.next()

    inbox.end_if_among({"session"})
    assert await inbox.next() is None


async def test_what_it_holds_is_bounded_by_its_topics(inbox):
    for number in range(1_000):
        inbox.hear(number, {"run", f"run:{number}", "agent", f"agent:{number}"})

    assert (await inbox.next())["topics"] == ["agent", "run:7"]


def test_settled_is_the_number_of_one_beat_ago(inbox):
    inbox.hear(20, set())
    inbox.beat()
    inbox.hear(30, set())
    inbox.beat()

    assert inbox.settled == 20


def test_an_event_without_parent_changes_its_target_only():
    assert topics.of_events([("agent", "1", "", "")]) == {"events", "agent", "agent:1"}


def test_no_events_change_nothing():
    assert topics.of_events([]) == set()


@pytest.mark.parametrize("topic", ["", "Run", "run:", "run 7", "run:7 8", "run:\x00", "a" * 41, f"run:{'7' * 65}"])
def test_a_topic_is_a_kind_or_one_of_a_kind(topic):
    with pytest.raises(ValueError, match="is no topic"):
        topics.read([topic])
