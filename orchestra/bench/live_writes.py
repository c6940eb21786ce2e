"""``bench live-writes``: the process of ``bench live`` that makes events; prints what it has committed, a line each."""

import json
import time
from argparse import ArgumentParser, Namespace

from orchestra.bench.load import BENCH
from orchestra.kernel import events
from orchestra.kernel.events import Ref
from workflows.models import Run

UNITS_PER_S = 25


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--rate", type=int, default=500, help="events a second")
    parser.add_argument("--seconds", type=float, default=30.0)


def run(options: Namespace) -> None:
    """Record events about runs in turn, in units of work at equal distances, and say of each: when, numbers, runs."""
    runs = list(Run.objects.order_by("-pk").values_list("pk", flat=True)[:1_000])
    units = max(1, round(options.seconds * UNITS_PER_S))
    began, made, total = time.monotonic(), 0, round(options.rate * options.seconds)
    for unit in range(1, units + 1):
        share = total * unit // units - made
        about = [runs[(made + index) % len(runs)] for index in range(share)]
        made += share
        with events.recording(BENCH) as work:
            for pk in about:
                events.record("StepSucceeded", target=Ref("step", f"{pk}.1"), parent=Ref("run", pk))
        print(json.dumps({"at": time.time(), "last": work.last_number, "runs": about}), flush=True)
        time.sleep(max(0.0, began + unit / UNITS_PER_S - time.monotonic()))
