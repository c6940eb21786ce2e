"""``bench pages``: how long each list takes to answer, with a long past in the tables."""

import time
from argparse import ArgumentParser, Namespace
from typing import Any

from django.core.management.base import CommandError
from django.db import connection
from django.db.models import Max
from django.test import Client

from orchestra.bench import history, load
from orchestra.bench.figures import percentile
from orchestra.kernel import accounts
from orchestra.kernel.models import Event, Role, User

PAGES = {
    "runs": "/runs/",
    "runs, failed": "/runs/?status=failed",
    "runs, of a workflow": "/runs/?workflow=bench",
    "runs, of a queue": "/runs/?queue=default",
    "runs, created before": "/runs/?created_before=2100-01-01",
    "runs, by number": "/runs/?search=1",
    "runs, next page": "/runs/?limit=50",
    "audit": "/audit/",
    "audit, of an action": "/audit/?action=StepFailed",
    "audit, not succeeded": "/audit/?outcome=failed",
    "now": "/",
}
TIMES = 30


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=100_000)


def run(options: Namespace) -> list[dict[str, Any]]:
    load.fleet_of("bench.noop", "noop")
    history.runs(options.runs, load.workflow_of("bench", "noop", 1))
    history.events(options.events, Event.objects.aggregate(last=Max("number"))["last"] or 0)
    history.settle()
    client = _signed_in()
    return [_measured(client, name, url, options) for name, url in PAGES.items()]


def _signed_in() -> Client:
    user: User = accounts.create_user(load.BENCH, username="reader", role=Role.OPERATOR, password="")
    client = Client(HTTP_HOST="localhost")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def _measured(client: Client, name: str, url: str, options: Namespace) -> dict[str, Any]:
    times_ms = []
    for _ in range(TIMES):
        began = time.perf_counter()
        answer = client.get(url)
        times_ms.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 200:
            raise CommandError(f"{url} answered {answer.status_code}.")
    return {
        "bench": "pages",
        "database": connection.vendor,
        "runs": options.runs,
        "events": options.events,
        "page": name,
        "p50_ms": percentile(times_ms, 50),
        "p95_ms": percentile(times_ms, 95),
    }
