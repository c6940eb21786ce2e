"""What waits for pools: ready steps by what they need, without those that more members would not help."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from agents import fleet, pools, ports
from tests.silent_writes import arranged
from tests.workflows.conftest import OPERATOR, SYSTEM
from workflows import control, demand, engine, queues
from workflows.admission import Policy
from workflows.models import Run, Step

pytestmark = pytest.mark.django_db
DRAFT, BILL, ANY = 1, 2, 3
POOLS = {DRAFT: frozenset({"draft", "translate"}), BILL: frozenset({"bill"}), ANY: frozenset()}


@pytest.fixture
def begin_many(publish):
    """``begin_many(3, ["draft"])``: so many steps that wait for an agent who can do these."""

    def start(many, needs, queue="default", **more):
        name = "_".join([*needs, queue])
        publish(name, {"name": "a", "capabilities": needs, **more}, queue=queue)
        return [engine.start(name, {"n": n}, by=OPERATOR) for n in range(many)]

    return start


def counts(now=None):
    found = demand.of_pools(POOLS, now or timezone.now() + timedelta(seconds=1))
    return {pool: waiting.count for pool, waiting in found.items()}


def test_a_step_waits_for_every_pool_whose_members_can_do_it(begin_many):
    begin_many(3, ["draft"])
    begin_many(2, ["draft", "translate"])
    begin_many(1, ["draft", "bill"])

    assert counts() == {DRAFT: 5, BILL: 0, ANY: 0}


def test_the_oldest_tells_how_long_it_has_been_due(begin_many):
    old, _ = begin_many(2, ["bill"])
    now = timezone.now()
    with arranged():
        Step.objects.filter(run=old).update(available_at=now - timedelta(seconds=90))

    waiting = demand.of_pools(POOLS, now)[BILL]
    assert waiting.count == 2 and 90 <= waiting.oldest_s < 92


def test_what_is_not_due_or_paused_does_not_count(begin_many):
    later, paused, *_ = begin_many(3, ["bill"])
    with arranged():
        Step.objects.filter(run=later).update(available_at=timezone.now() + timedelta(hours=1))
    control.pause(paused.pk, by=OPERATOR, reason="wait")

    assert counts()[BILL] == 1


def test_a_paused_or_full_queue_is_not_helped_by_more_members(begin_many, script):
    begin_many(2, ["bill"], queue="slow")
    begin_many(1, ["bill"])
    queues.pause("slow", by=SYSTEM, reason="wait")
    assert counts()[BILL] == 1

    queues.resume("slow", by=SYSTEM)
    queues.change("slow", {"max_concurrency": 1}, by=SYSTEM)
    assert counts()[BILL] == 2


def test_what_waits_for_its_key_is_not_helped_by_more_members(begin_many, script):
    pools.create(
        "python",
        {"name": "p", "template": {"config": {"function": "test.echo"}, "capabilities": ["bill"]}},
        by=SYSTEM,
    )
    key = {"concurrency": {"key": "n_is_one", "limit": 1}}
    begin_many(3, ["bill"], **key)
    assert counts()[BILL] == 1

    script.turn(room=1)

    assert counts()[BILL] == 0


def member(can):
    return fleet.create("python", {"name": f"can-{can}", "config": {"function": "test.echo"}}, [can], by=SYSTEM)


def test_of_a_key_only_what_it_lets_start_counts(begin_many, script):
    member("bill")
    begin_many(9, ["bill"], concurrency={"key": "'one'", "limit": 4})
    begin_many(9, ["bill"], queue="other", concurrency={"key": "'other'", "limit": 4})
    queues.change("other", {"key_limit": 2}, by=SYSTEM)
    assert counts()[BILL] == 4 + 2

    script.turn(room=3)
    with arranged():
        free = Step.objects.filter(status="running").values_list("queue", flat=True)
    running = {name: list(free).count(name) for name in ("default", "other")}
    assert sum(running.values()) == 3
    assert counts()[BILL] == 4 - running["default"] + 2 - running["other"]


def test_of_a_rate_only_what_its_tokens_let_start_counts(begin_many, script):
    member("bill")
    queues.change("slow", {"rate_per_s": 0.1, "burst": 2}, by=SYSTEM)
    begin_many(5, ["bill"], queue="slow")
    begin_many(5, ["draft"], queue="slow")
    now = timezone.now()
    with arranged():
        Step.objects.update(available_at=now - timedelta(hours=1))
    assert counts() == {DRAFT: 2, BILL: 2, ANY: 0}, "the first two of those whom its members can serve"

    assert len(script.turn().assignments) == 2
    assert demand.of_pools(POOLS, timezone.now())[BILL] == ports.Waiting()

    started = queues.policies_of(["slow"])["slow"].refilled_at
    waiting = demand.of_pools(POOLS, started + timedelta(seconds=12))[BILL]
    assert waiting.count == 1
    assert waiting.oldest_s == pytest.approx(2, abs=0.1), "until the token came it waited for the rate, not for agents"


def test_how_long_is_told_of_those_that_count(begin_many):
    first, second, _ = begin_many(3, ["bill"], queue="slow")
    queues.change("slow", {"max_concurrency": 2}, by=SYSTEM)
    now = timezone.now()
    with arranged():
        Step.objects.update(available_at=now - timedelta(hours=1))
        Step.objects.filter(run__in=[first, second]).update(available_at=now - timedelta(seconds=10))

    assert demand.of_pools(POOLS, now)[BILL] == ports.Waiting(2, pytest.approx(10, abs=0.01))


def test_a_long_queue_is_looked_at_from_its_front_and_hides_no_other(begin_many, monkeypatch):
    monkeypatch.setattr(demand, "LOOKED_AT", 4)
    begin_many(6, ["bill"])
    begin_many(1, ["draft"])
    begin_many(2, ["draft"], queue="other")

    assert counts() == {DRAFT: 2, BILL: 4, ANY: 0}


def test_the_queries_do_not_grow_with_queues_steps_and_pools(begin_many, django_assert_max_num_queries):
    for name in ("a", "b", "c"):
        begin_many(3, ["bill"], queue=name)
    queues.change("a", {"max_concurrency": 1}, by=SYSTEM)

    with django_assert_max_num_queries(4):
        demand.of_pools(POOLS, timezone.now())


def test_nothing_ready_is_one_look(db, django_assert_max_num_queries):
    with django_assert_max_num_queries(2):
        assert {each.count for each in demand.of_pools(POOLS, timezone.now()).values()} == {0}


def test_the_look_goes_along_the_index(begin_many, plans_by_index):
    begin_many(3, ["bill"])
    at = connection.ops.adapt_datetimefield_value(timezone.now())
    explain = "EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN "
    with connection.cursor() as cursor:
        cursor.execute(explain + demand._front(Policy(), 5), [at, "default", at, at])
        plan = " ".join(str(row) for row in cursor.fetchall())

    assert "step_ready" in plan and "step_locks" in plan


def test_it_is_what_the_autoscaler_asks(begin_many):
    begin_many(2, ["bill"])

    waiting = ports.waiting_for({BILL: POOLS[BILL]}, timezone.now() + timedelta(seconds=1))

    assert waiting[BILL].count == 2
    assert Run.objects.count() == 2
