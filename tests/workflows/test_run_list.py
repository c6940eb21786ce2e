"""The tables of runs and steps may hold millions: whatever is asked of them often, an index serves."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.workflows.conftest import OPERATOR
from workflows import engine, queue, ticker
from workflows.models import Run, RunStatus
from workflows.runs import RunList

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plans_by_index")]
LARGE = re.compile(r"\bscan (?:on )?(workflows_run|workflows_step)\b(?! using)", re.IGNORECASE)


def plan_of(rows):
    return rows.explain().lower()


def plans_of(queries):
    """The plan of each SELECT among captured queries, as SQLite tells it."""
    found = {}
    with connection.cursor() as cursor:
        for query in queries:
            if query["sql"].lstrip().upper().startswith("SELECT"):
                cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
                found[query["sql"]] = "\n".join(row[3] for row in cursor.fetchall())
    return found


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"status": "failed"},
        {"workflow": "flow"},
        {"queue": "default"},
        {"created_after": "2026-01-01"},
        {"search": "12"},
        {"search": "inquiry 7"},
        {"status": "failed", "queue": "default"},
    ],
)
def test_every_filter_of_the_runs_is_read_in_the_order_of_an_index(publish, query):
    publish("flow", {"name": "one", "capabilities": ["work"]})
    listing = RunList(query)
    plan = plan_of(listing.queryset().order_by(*listing.ordering)[:51])

    assert "sort" not in plan
    assert "b-tree for order" not in plan
    assert "seq scan on workflows_run " not in plan


@pytest.mark.parametrize("status", RunStatus.values)
def test_the_counts_of_the_chips_are_read_from_an_index(status):
    assert "run_status" in plan_of(Run.objects.filter(status=status).order_by()[:1001])


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="reads plans as SQLite tells them")
@pytest.mark.parametrize(
    "act",
    [
        ticker.tick,
        lambda: queue.held_by("executor:here:1"),
        queue.in_use,
        queue.has_work,
        queue.next_due,
        lambda: queue.release("executor:here:1"),
        lambda: queue.lost("executor:here:1", [1, 2, 3]),
    ],
    ids=["a tick", "calls held", "calls in flight", "work to do", "next due", "release", "calls lost"],
)
def test_what_is_asked_every_second_reads_only_what_is_open(publish, worker, script, act):
    publish("flow", {"name": "one", "capabilities": ["work"]})
    engine.start("flow", {}, by=OPERATOR)
    script.finish()
    with CaptureQueriesContext(connection) as captured:
        act()

    plans = plans_of(captured.captured_queries)
    assert plans
    assert not {sql: plan for sql, plan in plans.items() if LARGE.search(plan)}


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="reads plans as SQLite tells them")
def test_a_claim_reads_only_what_is_ready(publish, worker, script):
    publish("flow", {"name": "one", "capabilities": ["work"]})
    engine.start("flow", {}, by=OPERATOR)
    with CaptureQueriesContext(connection) as captured:
        assert script.turn().assignments

    plans = plans_of(captured.captured_queries)
    assert not {sql: plan for sql, plan in plans.items() if LARGE.search(plan)}
