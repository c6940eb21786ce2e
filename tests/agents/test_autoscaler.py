"""The autoscaler: what it decides and does at each look, what it keeps, and that two of them do nothing twice."""

import subprocess
import sys
import threading
import time
from datetime import timedelta

import psutil
import pytest
from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from agents import autoscaler, fleet, launchers, pools, ports
from agents.models import Agent, AgentHealth, AgentStatus, Pool, PoolDecision, PoolSample
from agents.ports import Waiting
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Event, Role
from tests.agents import functions  # noqa: F401  registers the functions
from tests.audit import events_of, last_event
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("test")
OLGA = Actor("person", "7", "Olga", role=Role.OPERATOR)
TEMPLATE = {"config": {"function": "test.echo"}, "capabilities": ["draft"], "max_concurrency": 2}
QUICK = {"cooldown_up_s": 0, "cooldown_down_s": 0}


class World:
    """What waits for pools and what is in flight, by name."""

    def __init__(self):
        self.waiting, self.load = {}, {}

    def demand(self, found, _now):
        names = dict(Pool.objects.filter(pk__in=list(found)).values_list("pk", "name"))
        return {pk: self.waiting[name] for pk, name in names.items() if name in self.waiting}

    def in_flight(self, agents):
        names = dict(Agent.objects.filter(pk__in=list(agents)).values_list("pk", "name"))
        return {pk: self.load[name] for pk, name in names.items() if name in self.load}


@pytest.fixture
def world(monkeypatch):
    made = World()
    monkeypatch.setattr(ports, "demand", [made.demand])
    monkeypatch.setattr(ports, "in_flight", [made.in_flight])
    return made


@pytest.fixture
def make_pool(db):
    def make(name="billing", kind="python", **values):
        return pools.create(kind, {"name": name, "template": TEMPLATE, "policy": QUICK, **values}, by=SYSTEM)

    return make


def statuses(pool):
    return dict(pool.members.order_by("name").values_list("name", "status"))


def latest(pool):
    return pool.decisions.first()


def test_it_grows_with_its_members_and_keeps_why(make_pool, world):
    pool = make_pool()
    world.waiting["billing"] = Waiting(14, 3.0)

    assert autoscaler.evaluate_due() == 1

    assert statuses(pool) == dict.fromkeys(("billing-1", "billing-2", "billing-3"), "online")
    decision = latest(pool)
    assert (decision.by, decision.size_before, decision.target, decision.code) == ("autoscaler", 1, 3, "queue")
    assert decision.reason == "14 wait for 1 agent, more than 4 each: 2 more, up to 3."
    assert decision.figures == {"waiting": 14, "oldest_s": 3.0, "in_use": 0, "slots": 2}
    scaled = last_event("PoolScaled")
    assert (scaled.actor_kind, scaled.actor_label, scaled.detail.reason) == ("system", "autoscaler", decision.reason)


def test_while_every_breaker_is_open_it_grows_for_nobody(make_pool, world):
    pool = make_pool(min_size=2, max_size=6)
    world.waiting["billing"] = Waiting(14, 300.0)
    with arranged():
        AgentHealth.objects.update(circuit="open", opened_at=timezone.now(), probe_at=timezone.now())
    autoscaler.evaluate_due()
    pool.refresh_from_db()
    assert (pool.target, latest(pool).code, latest(pool).figures["waiting"]) == (2, "broken", 14)

    with arranged():
        AgentHealth.objects.filter(agent=pool.members.first()).update(circuit="closed", opened_at=None, probe_at=None)
    autoscaler.evaluate_due()
    pool.refresh_from_db()
    assert (pool.target, latest(pool).decided) == (4, "up")


def test_it_shrinks_by_draining_and_lets_rest_whose_calls_have_ended(make_pool, world):
    pool = make_pool()
    pools.scale(pool.pk, 3, by=OLGA)
    world.load = {"billing-1": 1, "billing-3": 1}
    autoscaler.evaluate_due()
    assert statuses(pool) == {"billing-1": "online", "billing-2": "draining", "billing-3": "online"}

    autoscaler.evaluate_due()
    assert statuses(pool)["billing-2"] == "offline"

    world.load = {"billing-1": 1, "billing-3": 1}
    pools.change(pool.pk, {"max_size": 1}, by=SYSTEM)
    autoscaler.evaluate_due()
    assert statuses(pool) == {"billing-1": "online", "billing-2": "offline", "billing-3": "draining"}

    world.load = {"billing-1": 1}
    autoscaler.evaluate_due()
    assert statuses(pool)["billing-3"] == "offline"


def test_who_still_drains_is_taken_back_before_anybody_is_made(make_pool, world):
    pool = make_pool()
    pools.scale(pool.pk, 3, by=OLGA)
    world.load = {"billing-1": 1, "billing-2": 1}
    pools.change(pool.pk, {"max_size": 1}, by=SYSTEM)
    pools.change(pool.pk, {"max_size": 5}, by=SYSTEM)
    assert sorted(statuses(pool).values()) == ["draining", "draining", "online"]

    world.waiting["billing"] = Waiting(9, 1.0)
    autoscaler.evaluate_due()

    assert statuses(pool) == dict.fromkeys(("billing-1", "billing-2", "billing-3"), "online")


def test_who_rests_is_used_again_before_anybody_is_made(make_pool, world):
    pool = make_pool()
    pools.scale(pool.pk, 2, by=OLGA)
    autoscaler.evaluate_due()
    autoscaler.evaluate_due()
    assert statuses(pool) == {"billing-1": "online", "billing-2": "offline"}

    world.waiting["billing"] = Waiting(9, 1.0)
    autoscaler.evaluate_due()

    assert statuses(pool) == dict.fromkeys(("billing-1", "billing-2", "billing-3"), "online")


def test_processes_and_remote_workers_have_to_start(make_pool, world):
    remote = make_pool("packers", "remote", template={"capabilities": ["pack"]})
    process = make_pool("parsers", "process", template={"config": {"command": "echo"}})

    assert statuses(remote) == {"packers-1": "starting"}
    assert statuses(process) == {"parsers-1": "starting"}
    pools.change(process.pk, {"min_size": 0}, by=SYSTEM)
    autoscaler.evaluate_due()
    assert statuses(process) == {"parsers-1": "offline"}
    world.waiting["parsers"] = Waiting(1, 0.0)
    autoscaler.evaluate_due()
    assert statuses(process) == {"parsers-1": "starting"}


def test_what_a_person_sets_aside_is_left_alone_and_replaced(make_pool, world):
    pool = make_pool()
    fleet.set_status(pool.members.get().pk, AgentStatus.DISABLED, by=OLGA)

    autoscaler.evaluate_due()
    autoscaler.evaluate_due()

    assert statuses(pool) == {"billing-1": "disabled", "billing-2": "online"}
    fleet.set_status(pool.members.get(name="billing-1").pk, AgentStatus.ONLINE, by=OLGA)
    world.load = {"billing-1": 1}
    autoscaler.evaluate_due()
    assert statuses(pool) == {"billing-1": "online", "billing-2": "draining"}


def test_a_member_that_a_person_drains_stays_so(make_pool, world):
    pool = make_pool()
    fleet.set_status(pool.members.get().pk, AgentStatus.DRAINING, by=OLGA)
    world.waiting["billing"] = Waiting(1, 0.0)

    for _ in range(3):
        autoscaler.evaluate_due()

    assert statuses(pool) == {"billing-1": "draining", "billing-2": "online"}


def test_staying_is_kept_once_for_each_reason(make_pool, world):
    pool = make_pool(max_size=1)
    pool.refresh_from_db()
    for waiting in (0, 0, 14, 15, 0):
        world.waiting["billing"] = Waiting(waiting, 1.0 if waiting else 0.0)
        world.load = {"billing-1": 1}
        autoscaler.evaluate_due()

    kept = list(pool.decisions.order_by("id").values_list("decided", "code"))
    assert kept == [("up", "created"), ("stay", "steady"), ("stay", "at_max"), ("stay", "steady")]


def test_switched_off_it_only_says_so(make_pool, world):
    pool = make_pool()
    pools.switch(pool.pk, False, by=OLGA)
    world.waiting["billing"] = Waiting(99, 99.0)

    assert autoscaler.evaluate_due() == 0
    assert latest(pool).reason == "Autoscaling is off: 1 stay until somebody scales it."


def test_samples_are_kept_every_ten_seconds(make_pool, world):
    pool = make_pool()
    world.waiting["billing"] = Waiting(3, 2.5)
    world.load = {"billing-1": 1}

    autoscaler.evaluate_due()
    autoscaler.evaluate_due()

    sample = pool.samples.get()
    assert (sample.size, sample.slots, sample.in_use, sample.waiting, sample.oldest_s) == (1, 2, 1, 3, 2.5)
    assert sample.at.second % 10 == 0 and sample.at.microsecond == 0
    with arranged():
        pool.samples.update(at=sample.at - timedelta(seconds=10))
    autoscaler.evaluate_due()
    assert pool.samples.count() == 2


def test_a_pool_that_cannot_be_scaled_does_not_keep_others_from_it(make_pool, world, monkeypatch, caplog):
    broken, fine = make_pool("a"), make_pool("b")
    world.waiting = {"a": Waiting(9, 1.0), "b": Waiting(9, 1.0)}
    follow = pools.follow
    monkeypatch.setattr(pools, "follow", lambda pk, *args: 1 / 0 if pk == broken.pk else follow(pk, *args))

    autoscaler.evaluate_due()

    assert Pool.objects.get(pk=fine.pk).target == 3
    assert "Pool a could not be scaled" in caplog.text


def test_a_policy_of_another_version_stops_only_its_own_pool(make_pool, world, caplog):
    broken, fine = make_pool("a"), make_pool("b")
    with arranged():
        Pool.objects.filter(pk=broken.pk).update(policy={"magic": 1})
    world.waiting = {"a": Waiting(9, 1.0), "b": Waiting(9, 1.0)}

    autoscaler.evaluate_due()

    assert (Pool.objects.get(pk=broken.pk).target, Pool.objects.get(pk=fine.pk).target) == (1, 3)
    assert "The policy of pool a cannot be read" in caplog.text


@pytest.mark.parametrize("many", [1, 6])
def test_a_look_takes_the_same_queries_however_many_pools_there_are(make_pool, world, many, django_assert_num_queries):
    for number in range(many):
        make_pool(f"pool{number}", min_size=2, policy={})
    for _ in range(2):
        autoscaler.evaluate_due()
    world.demand = world.in_flight = lambda *_: {}
    ports.demand[:] = ports.in_flight[:] = []

    with django_assert_num_queries(3 if connection.vendor == "sqlite" else 4):  # pools, members, decisions; the clock
        autoscaler.evaluate_due()


def test_without_pools_a_look_is_one_query(db, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert autoscaler.evaluate_due() == 0


def test_the_tick_looks_every_two_seconds_at_most(make_pool, world):
    make_pool()
    clock = autoscaler.Autoscaler()

    assert clock.tick() == 0 and PoolSample.objects.count() == 1
    with arranged():
        PoolSample.objects.all().delete()
    clock.tick()
    assert not PoolSample.objects.exists()


def test_old_samples_and_decisions_are_forgotten(make_pool, world):
    pool = make_pool()
    autoscaler.evaluate_due()
    with arranged():
        PoolSample.objects.update(at=timezone.now() - timedelta(days=9))
        PoolDecision.objects.update(at=timezone.now() - timedelta(days=9))

    assert pools.forget_old() == 2
    assert [decision.code for decision in pool.decisions.all()] == ["created"]


# --- Launchers -------------------------------------------------------------------------------------------------------


@pytest.fixture
def commands(settings):
    settings.COMMANDS = {
        "grow": ["/bin/sh", "-c", 'echo "$0 to $1"; echo token=abc123; test -z "$SECRET_KEY"', "{pool}", "{size}"],
        "fails": ["/bin/sh", "-c", "echo no such cluster >&2; exit 3"],
        "hangs": ["/bin/sh", "-c", "echo begun; sleep 60 & sleep 60"],
        "floods": ["/bin/sh", "-c", "head -c 50000000 /dev/zero | tr '\\0' x"],
        "gone": ["/nowhere/at-all"],
    }
    return settings.COMMANDS


def launched(pool):
    pool.refresh_from_db()
    decision = pool.decisions.exclude(decided="stay").first()
    return pool.launched, decision.exit_code, decision.output


def test_the_launcher_is_told_the_size_and_its_output_is_kept(make_pool, commands):
    pool = make_pool("packers", "remote", template={"capabilities": ["pack"]}, launcher="grow", min_size=2)

    launchers.launch(pool.pk)

    assert launched(pool) == (2, 0, "packers to 2\ntoken=••••")
    assert launchers.launch(pool.pk) is None


def test_a_launcher_that_fails_is_shown_and_run_again_later(make_pool, commands):
    pool = make_pool("packers", "remote", template={"capabilities": ["pack"]}, launcher="fails")

    launchers.launch(pool.pk)

    assert launched(pool) == (None, 3, "no such cluster")
    assert pool.launch_failures == 1 and pool.launch_at > timezone.now()
    assert launchers.launch_if_due(pool, timezone.now()) is None and launchers.launch(pool.pk) is None
    pools.change(pool.pk, {"launcher": "grow"}, by=SYSTEM)
    with arranged():
        Pool.objects.update(launch_at=timezone.now() - timedelta(seconds=1))
    launchers.launch(pool.pk)
    assert launched(pool)[:2] == (1, 0) and pool.launch_failures == 0


def test_a_new_size_is_told_at_once_although_the_launcher_failed_with_the_old_one(make_pool, commands):
    pool = make_pool("packers", "remote", template={"capabilities": ["pack"]}, launcher="fails")
    launchers.launch(pool.pk)
    assert launchers.launch(pool.pk) is None

    pools.scale(pool.pk, 3, by=OLGA, reason="more")
    pools.change(pool.pk, {"launcher": "grow"}, by=SYSTEM)
    launchers.launch(pool.pk)

    assert launched(pool) == (3, 0, "packers to 3\ntoken=••••")


def test_output_stands_with_the_decision_that_it_followed(make_pool, commands):
    pool = make_pool("packers", "remote", template={"capabilities": ["pack"]}, launcher="grow")
    taken = pools.take_launch(pool.pk, timezone.now(), until=timezone.now() + timedelta(seconds=90))
    pools.scale(pool.pk, 3, by=OLGA, reason="more")

    assert launchers.launch(pool.pk) is None  # not before the one that runs has ended
    pools.keep_launch(taken, exit_code=0, output="packers to 1", retry_at=timezone.now())

    assert list(pool.decisions.order_by("id").values_list("target", "output")) == [(1, "packers to 1"), (3, "")]
    assert launchers.launch(pool.pk).output.startswith("packers to 3")


def left_behind(mark):
    return [each for each in psutil.process_iter(["cmdline"]) if mark in (each.info["cmdline"] or [])]


def test_what_a_launcher_starts_ends_with_it_in_a_session_of_its_own_too(commands):
    begun = "import subprocess; subprocess.Popen(['sleep', '4141'], start_new_session=True); print('begun', flush=True)"

    done = launchers.run([sys.executable, "-c", begun])
    late = launchers.run([sys.executable, "-c", f"{begun}; import time; time.sleep(60)"], limit_s=5)

    assert (done.exit_code, done.output) == (0, "begun")
    assert late.exit_code is None and late.output.endswith("It took longer than 5 s and was killed.")
    assert left_behind("4141") == []


def test_a_launcher_ends_with_the_process_that_runs_it():
    words = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(4242)", "4242"]
    code = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'; import django; django.setup();"
        "from agents import launchers; launchers.run(sys.argv[1:])"
    )
    executor = subprocess.Popen([sys.executable, "-c", code, *words], cwd=settings.BASE_DIR)
    within(60, lambda: any(each.ppid() != executor.pid for each in left_behind("4242") if each.pid != executor.pid))
    executor.kill()
    executor.wait()

    within(60, lambda: left_behind("4242") == [])


def within(seconds, condition):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_launcher_that_hangs_is_killed_with_all_that_it_started(commands):
    done = launchers.run(commands["hangs"], limit_s=0.5)

    assert (done.exit_code, done.output) == (None, "begun\nIt took longer than 0.5 s and was killed.")


def test_a_launcher_that_floods_costs_no_memory(commands):
    done = launchers.run(commands["floods"])

    assert (done.exit_code, len(done.output)) == (0, launchers.KEPT_BYTES)


def test_a_launcher_that_is_not_there_says_so(make_pool, commands, settings):
    pool = make_pool("packers", "remote", template={"capabilities": ["pack"]}, launcher="gone")
    launchers.launch(pool.pk)
    assert "/nowhere/at-all cannot be run" in launched(pool)[2]

    settings.COMMANDS = {}
    assert "no such entry in the setting COMMANDS" in launchers.run(launchers.words_for(pool)).output


def test_words_of_a_command_are_never_read_by_a_shell(make_pool, commands):
    pool = make_pool("a b.c", "remote", template={"capabilities": []}, launcher="grow")

    assert launchers.words_for(pool)[-2:] == ["a b.c", "1"]


# --- Races -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_autoscalers_grow_a_pool_once(make_pool, world):
    pool = make_pool(policy={"cooldown_up_s": 60})
    world.waiting["billing"] = Waiting(14, 1.0)
    barrier = threading.Barrier(3)

    def look():
        try:
            barrier.wait(10)
            autoscaler.evaluate_due()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert list(statuses(pool)) == ["billing-1", "billing-2", "billing-3"]
    assert [event.action for event in events_of("pool", pool.pk)] == ["PoolCreated", "PoolScaled"]
    assert pool.decisions.filter(decided="up", code="queue").count() == 1
    assert pool.samples.count() == 1
    assert Event.objects.filter(action="AgentCreated").count() == 3


@pytest.mark.django_db(transaction=True)
def test_the_launcher_runs_once_however_many_look(make_pool, commands):
    pool = make_pool("packers", "remote", template={"capabilities": ["pack"]}, launcher="grow")
    barrier, done = threading.Barrier(4), []

    def run():
        try:
            barrier.wait(10)
            done.append(launchers.launch(pool.pk))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len([each for each in done if each is not None]) == 1
