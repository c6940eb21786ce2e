"""``bench web-writes``: the process of ``bench engine`` that writes as a page does; prints milliseconds a line."""

import select
import sys
import time
from argparse import ArgumentParser, Namespace

from orchestra.bench.load import BENCH
from orchestra.kernel import accounts
from orchestra.kernel.access import actor_of
from orchestra.kernel.models import Role, Theme

EVERY_S = 0.05


def add_arguments(parser: ArgumentParser) -> None:
    """None: it writes until its input is closed."""


def run(options: Namespace) -> None:
    user = accounts.create_user(BENCH, username=f"writer-{time.time_ns()}", role=Role.OPERATOR, password="")
    print("ready", flush=True)
    themes = [Theme.LIGHT, Theme.DARK]
    while not select.select([sys.stdin], [], [], EVERY_S)[0]:
        themes.reverse()
        started = time.perf_counter()
        accounts.set_preferences(actor_of(user), user, theme=themes[0])
        print(f"{(time.perf_counter() - started) * 1000:.2f}", flush=True)
