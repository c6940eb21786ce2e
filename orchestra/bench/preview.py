"""``bench preview``: how long it takes to try a threshold over a week of samples, through the API."""

import json
import random
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from statistics import median
from typing import Any

from django.core.management.base import CommandError
from django.db import connection
from django.test import Client

from agents import fleet
from monitoring.models import AgentSample, Span, Tick
from orchestra.bench import load
from orchestra.kernel import accounts
from orchestra.kernel.models import Role

PATH = "/api/v1/thresholds/preview/"
LIMIT = {"metric": "response_time", "operator": ">", "value": 5, "recovery_value": 4, "for_s": 60, "keep_firing_s": 120}
TICK_S = 30
DAY_S = 86_400
TIMES = 7
AT_ONCE = 2_000


def _calm(draw: random.Random, number: int) -> float:
    return draw.uniform(0.5, 3)


def _bad_hours(draw: random.Random, number: int) -> float:
    """Slow for the first two hours of each day, near the limit for the rest."""
    return draw.uniform(4, 12) if number * TICK_S % DAY_S < 7200 else draw.uniform(0.5, 4.8)


def _broken(draw: random.Random, number: int) -> float:
    return draw.uniform(6, 12)


def _toggling(draw: random.Random, number: int) -> float:
    return 9.0 if number // 8 % 2 else 1.0


SHAPES: dict[str, Callable[[random.Random, int], float]] = {
    "calm": _calm,
    "bad hours": _bad_hours,
    "broken": _broken,
    "toggling": _toggling,
}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=7)


def run(options: Namespace) -> list[dict[str, Any]]:
    ticks = options.days * DAY_S // TICK_S
    last = int(time.time()) // TICK_S * TICK_S
    instants = range(last - TICK_S * (ticks - 1), last + 1, TICK_S)
    agents = _fleet(max(1, round(options.samples / ticks)))
    client = _signed_in()
    Tick.objects.bulk_create([Tick(at=at, holder="bench", evaluated=True) for at in instants])
    return [_measured(client, name, agents, instants) for name in SHAPES]


def _measured(client: Client, name: str, agents: list[int], instants: range) -> dict[str, Any]:
    """A week of this shape, tried over what was recorded, and again over the same as samples of one's own."""
    draw = random.Random(name)  # noqa: S311  the same series each time
    series = {agent: [SHAPES[name](draw, number) for number in range(len(instants))] for agent in agents}
    AgentSample.objects.all().delete()
    AgentSample.objects.bulk_create(_rows(series, instants), batch_size=AT_ONCE)
    _gather_statistics()
    since = datetime.fromtimestamp(instants[0], UTC).isoformat()
    history = _times(client, {**LIMIT, "since": since})
    mixed = [value for values in zip(*series.values(), strict=True) for value in values]
    own = _times(client, {**LIMIT, "samples": _own(mixed, instants, len(agents))})
    return {
        "bench": "preview",
        "database": connection.vendor,
        "series": name,
        "samples": history.pop("samples"),
        **{f"history_{key}": value for key, value in history.items()},
        **{f"own_{key}": value for key, value in own.items() if key != "samples"},
    }


def _times(client: Client, asked: dict[str, Any]) -> dict[str, Any]:
    body, times_s, answer = json.dumps(asked), [], None
    for _ in range(TIMES):
        began = time.perf_counter()
        answer = client.post(PATH, body, content_type="application/json")
        times_s.append(time.perf_counter() - began)
        if answer.status_code != 200:
            raise CommandError(f"{PATH} answered {answer.status_code}: {answer.content[:200]!r}")
    assert answer is not None
    said = answer.json()
    found = {"s": round(median(times_s), 3), "most_s": round(max(times_s), 3)}
    counts = {"intervals": len(said["intervals"]), "notifications": len(said["notifications"])}
    return {**found, **counts, "samples": said["samples"]}


def _own(values: list[float], instants: range, per_tick: int) -> list[dict[str, Any]]:
    """As many samples over the same time, one after the other."""
    apart = TICK_S / per_tick
    texts = (datetime.fromtimestamp(instants[0] + n * apart, UTC).isoformat() for n in range(len(values)))
    return [{"at": at, "value": value} for at, value in zip(texts, values, strict=True)]


def _rows(series: dict[int, list[float]], instants: range) -> Iterator[AgentSample]:
    """One call of each agent in each tick."""
    one = {"span": Span.TICK, "calls": 1, "judged": 1, "timed": 1}
    for number, at in enumerate(instants):
        for agent, values in series.items():
            yield AgentSample(agent_id=agent, at=at, seconds=values[number], **one)


def _fleet(size: int) -> list[int]:
    values = {"config": {"function": "bench.noop"}}
    made = [fleet.create("python", {"name": f"a{n}", **values}, [], by=load.BENCH) for n in range(size)]
    return [agent.pk for agent in made]


def _gather_statistics() -> None:
    """As the database does by itself within a minute."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _signed_in() -> Client:
    user = accounts.create_user(load.BENCH, username="reader", role=Role.OPERATOR, password="")
    client = Client(HTTP_HOST="localhost")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client
