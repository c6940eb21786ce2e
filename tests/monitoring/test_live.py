"""The live connection, over real sockets to a real daphne."""

import json
import threading
import time

import pytest
from django.db import connection

from orchestra.kernel import accounts, events
from orchestra.kernel.access import Actor
from orchestra.kernel.events import Ref
from orchestra.kernel.models import ChainHead, Event, EventDetail
from tests.conftest import SETUP
from tests.monitoring.websocket import GONE
from tests.silent_writes import watching

ENGINE = Actor.system("engine")
RUN = Ref("run", 7, "customer_inquiry")


def happen(*targets, parent=events.NOTHING):
    """Record an event about each of ``targets`` in one commit; returns the last number."""
    with events.recording(ENGINE) as unit:
        for target in targets:
            events.record("RunStarted", target=target, parent=parent)
    return unit.last_number


def greeted(connect, key, **query):
    """A socket that has been told where it stands."""
    socket = connect(key, **query)
    assert socket.next()["type"] == "hello"
    socket.next()
    return socket


def test_a_stranger_is_turned_away(connect):
    assert connect("no such session", topics=["run"]).status == 403


def test_a_page_of_another_site_is_turned_away(connect, key):
    assert connect(key, topics=["run"], origin="https://elsewhere.example.com").status == 403


def test_it_greets_with_the_newest_number(connect, key):
    number = happen(RUN)

    assert connect(key, topics=["run:7"]).next() == {"type": "hello", "number": number}


def test_an_event_changes_its_target_its_parent_and_their_kinds(connect, key):
    topics = ["events", "inquiry", "inquiry:3", "run", "run:7"]
    socket = greeted(connect, key, topics=topics)

    number = happen(RUN, parent=Ref("inquiry", 3))

    assert socket.next() == {"type": "changed", "number": number, "topics": topics}


def test_it_says_nothing_of_what_the_page_does_not_show(connect, key):
    socket = greeted(connect, key, topics=["run:7", "agent"])

    happen(Ref("run", 8), Ref("inquiry", 7))
    number = happen(Ref("agent", 1))

    assert socket.next() == {"type": "changed", "number": number, "topics": ["agent"]}


def test_it_tells_within_a_moment(connect, key):
    socket = greeted(connect, key, topics=["run"])

    began = time.monotonic()
    happen(RUN)
    socket.next()

    assert time.monotonic() - began < 0.5


def test_coming_back_it_is_told_what_it_missed(connect, key):
    seen = happen(RUN)
    number = happen(Ref("run", 8), Ref("agent", 1), Ref("inquiry", 5))
    socket = connect(key, topics=["run:7", "run:8", "inquiry:5"], since=seen)

    assert socket.next() == {"type": "hello", "number": number}
    assert socket.next() == {"type": "changed", "number": number, "topics": ["inquiry:5", "run:8"]}


def test_coming_back_to_the_same_it_is_told_that_nothing_changed(connect, key):
    seen = happen(RUN)
    socket = connect(key, topics=["run:7"], since=seen)

    assert [socket.next(), socket.next()] == [{"type": "hello", "number": seen}, {"type": "beat", "number": seen}]


def test_no_event_falls_between_replay_and_feed(connect, key):
    """Connecting while events are written: what is told last is the last event, wherever the greeting fell."""
    writer = threading.Thread(target=write_slowly, args=[60])
    writer.start()
    sockets = [connect(key, topics=["run"], since=0) for _ in range(6) if not time.sleep(0.03)]
    writer.join()

    last = Event.objects.order_by("-number").values_list("number", flat=True)[0]
    assert {max(frame["number"] for frame in socket.all_for(0.5)) for socket in sockets} == {last}


def write_slowly(count):
    try:
        for number in range(count):
            happen(Ref("run", number))
            time.sleep(0.005)
    finally:
        connection.close()


def test_who_missed_too_much_looks_at_everything_again(connect, key):
    number = happen(*(Ref("run", n) for n in range(2_001)))
    socket = connect(key, topics=["agent"], since=0)

    assert [socket.next()["type"], socket.next()] == ["hello", {"type": "behind", "number": number}]


def test_a_number_from_before_a_restored_backup_is_answered_by_the_true_one(connect, key):
    greeted(connect, key, topics=["run"], since=happen(RUN, RUN, RUN))
    with watching(on=False):
        for model in (Event, EventDetail, ChainHead):
            model.objects.all().delete()
    socket = connect(key, topics=["run"], since=3)

    assert socket.next() == {"type": "hello", "number": 0}
    assert socket.next() == {"type": "beat", "number": 0}
    happen(RUN)
    assert socket.next() == {"type": "changed", "number": 1, "topics": ["run"]}


def test_subscribing_replaces_the_topics(connect, key):
    socket = greeted(connect, key, topics=["run"])

    socket.say(type="subscribe", topics=["agent"])
    time.sleep(0.2)
    happen(RUN)
    number = happen(Ref("agent", 1))

    assert socket.next() == {"type": "changed", "number": number, "topics": ["agent"]}


def test_what_changed_while_its_part_of_the_page_was_on_its_way_is_told(connect, key):
    socket = greeted(connect, key, topics=["run"])
    happen(Ref("inquiry", 9))

    socket.say(type="subscribe", topics=["run", "inquiry:9"])

    assert socket.next()["topics"] == ["inquiry:9"]


NONSENSE = [
    json.dumps({"type": "subscribe", "topics": [f"run:{n}" for n in range(65)]}),
    json.dumps({"type": "subscribe", "topics": "run"}),
    json.dumps({"type": "subscribe", "topics": ["run 7"]}),
    json.dumps({"type": "subscribe", "topics": [7]}),
    json.dumps({"type": "subscribe"}),
    json.dumps({"type": "shout"}),
    json.dumps(["subscribe"]),
    "subscribe",
    "[" * 10_000,
    " " * 20_000,
]


def test_what_it_does_not_understand_ends_the_connection(connect, key):
    sockets = [greeted(connect, key, topics=["run"]) for _ in NONSENSE]

    for socket, text in zip(sockets, NONSENSE, strict=True):
        socket.say_text(text)

    assert [socket.next() for socket in sockets] == [{"closed": 4400}] * len(NONSENSE)


def test_an_address_it_does_not_understand_ends_the_connection(connect, key):
    queries = [{"since": "-1"}, {"since": "1e3"}, {"since": "9" * 19}, {"topics": ["a b"]}]

    assert [connect(key, **query).next() for query in queries] == [{"closed": 4400}] * len(queries)


def test_a_thousand_events_in_a_second_are_a_few_frames(connect, key):
    socket = greeted(connect, key, topics=["run", *(f"run:{n}" for n in range(50))])

    began = time.monotonic()
    for tens in range(100):
        last = happen(*(Ref("run", 10 * tens + n) for n in range(10)))
    seconds = time.monotonic() - began
    frames = socket.all_for(1)

    assert len(frames) <= 2 + seconds * 5
    assert frames[-1]["number"] == last
    assert {topic for frame in frames for topic in frame.get("topics", ())} == {"run", *(f"run:{n}" for n in range(50))}


def test_the_first_event_after_silence_is_told_at_once_and_the_last_one_too(connect, key):
    socket = greeted(connect, key, topics=["run"])
    time.sleep(0.3)

    began = time.monotonic()
    happen(RUN)
    socket.next()
    leading = time.monotonic() - began
    last = happen(RUN)

    assert leading < 0.15
    assert socket.next() == {"type": "changed", "number": last, "topics": ["run"]}


def test_signing_out_closes_the_connection(connect, operator, as_):
    browser = as_(operator)
    socket = greeted(connect, browser.session.session_key, topics=["run"])

    browser.post("/logout/")

    assert socket.until("closed", 2) == {"closed": 4401}


def test_deactivating_a_person_closes_their_connections(connect, key, operator, admin_user):
    socket = greeted(connect, key, topics=["run"])

    accounts.change_user(SETUP, operator, is_active=False)

    assert socket.until("closed", 2) == {"closed": 4401}


def test_another_password_closes_the_connections_of_the_old_one(connect, key, operator):
    socket = greeted(connect, key, topics=["run"])

    accounts.set_password(SETUP, operator, "another long password")

    assert socket.until("closed", 2) == {"closed": 4401}


def test_somebody_elses_signing_out_leaves_it_open(connect, key, viewer, as_):
    other = as_(viewer)
    socket = greeted(connect, key, topics=["run"])

    other.post("/logout/")
    happen(RUN)

    assert socket.until("changed")["topics"] == ["run"]


def test_a_browser_that_does_not_read_is_dropped(connect, key):
    long_topics = [f"run:{n:064}" for n in range(64)]
    targets = [Ref("run", topic.removeprefix("run:")) for topic in long_topics]
    socket = greeted(connect, key, topics=long_topics)

    for _ in range(32):
        happen(*targets)
        time.sleep(0.2)
    frames = socket.all_for(2)

    assert frames[-1]["closed"] in {4408, GONE}  # it had a second to answer the closing
    assert sum(len(json.dumps(frame)) for frame in frames) < 140 * 1024


def test_a_browser_that_answers_stays(connect, key):
    long_topics = [f"run:{n:064}" for n in range(64)]
    targets = [Ref("run", topic.removeprefix("run:")) for topic in long_topics]
    socket = greeted(connect, key, topics=long_topics)

    for _ in range(32):
        last = happen(*targets)
        socket.say(type="beat")
        time.sleep(0.2)

    assert socket.all_for(1)[-1]["number"] == last


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="only a server can go away")
def test_it_goes_on_after_the_database_was_away(connect, key):
    socket = greeted(connect, key, topics=["run"])

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    last = happen(RUN)

    assert socket.until("changed", 15)["number"] == last
