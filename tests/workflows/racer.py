"""One of several processes that race for an agent's probe: on each line of its input it takes one step of the race.

``probe AGENT AT``: asks for the probe in a unit of work; ``turn AT``: takes an executor's turn that knows the fleet
as it was before. Both wait until AT, a time of the machine's clock, and answer with what they got.
"""

import os
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.db import connection  # noqa: E402

from agents import health, snapshot  # noqa: E402
from orchestra.kernel import events  # noqa: E402
from orchestra.kernel.access import Actor  # noqa: E402
from orchestra.kernel.clock import database_now  # noqa: E402
from tests.agents import functions  # noqa: E402, F401  registers the functions
from workflows import queue  # noqa: E402

NAME = f"executor:racer:{os.getpid()}"


def wait_until(moment: str) -> None:
    time.sleep(max(0.0, float(moment) - time.time()))


def probe(agent: str, moment: str) -> bool:
    wait_until(moment)
    with events.recording(Actor.system("test")):
        return health.take_probe(int(agent), database_now(), within_s=30)


def turn(moment: str) -> list[list[object]]:
    """The agents of the steps that it got, each with whether that call is the probe."""
    fleet = snapshot.read()
    wait_until(moment)
    claimed = queue.take_turn([], executor=NAME, fleet=fleet, room=20).assignments
    return [[each.agent.name, each.is_probe] for each in claimed]


if __name__ == "__main__":
    connection.ensure_connection()
    print("ready", flush=True)
    for line in sys.stdin:
        act, *words = line.split()
        print(repr({"probe": probe, "turn": turn}[act](*words)), flush=True)
