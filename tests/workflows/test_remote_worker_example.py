"""The worker of docs/remote-worker.md as a process, against a real server: it works, is killed, and stops."""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psutil
import pytest
from django.conf import settings
from django.utils.dateparse import parse_datetime

from agents import remote
from agents.models import Agent, AgentHealth, AgentProcess
from agents.remote import Registration
from orchestra.kernel import access, accounts, pulses
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Event
from tests.workflows import live_server, real_executors
from tests.workflows.real_executors import LEASE_S, until
from workflows import tasks
from workflows.models import Step, StepStatus

pytestmark = pytest.mark.django_db(transaction=True)
SYSTEM = Actor.system("test")
WORKER = settings.BASE_DIR / "docs" / "remote_worker.py"


class Site:
    """A server, an executor for what happens by the clock, and workers on the command line."""

    def __init__(self, address: str, key: str) -> None:
        self.address, self.key = address, key
        self.workers: list[subprocess.Popen[str]] = []

    def start(self, name: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(WORKER), self.address, self.key, name, "paint"]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.workers.append(worker)
        until(lambda: AgentProcess.objects.filter(agent__name=name, pid=worker.pid).exists(), within_s=60)
        return worker

    def post(self, path: str, **body: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Token {self.key}", "Content-Type": "application/json"}
        with closing(http.client.HTTPConnection(self.address.removeprefix("http://"), timeout=60)) as client:
            client.request("POST", f"/api/v1/{path}/", json.dumps(body), headers)
            answer = client.getresponse()
            return answer.status, json.load(answer)


@pytest.fixture
def site(operator: Any) -> Iterator[Site]:
    _, key = accounts.create_token(SYSTEM, operator, name="worker", role=operator.role)
    with live_server.serving() as address, real_executors.starting() as start_executor:
        start_executor()
        until(lambda: pulses.alive(pulses.EXECUTOR, within_s=30).exists(), within_s=120)  # it owns the time
        found = Site(address, key)
        try:
            yield found
        finally:
            for worker in found.workers:
                worker.kill()
                worker.communicate()


def put(count: int, seconds: float = 0.0) -> list[int]:
    return [tasks.create(["paint"], {"seconds": seconds, "n": n}, by=SYSTEM, timeout_s=600).pk for n in range(count)]


def are(status: str, steps: list[int]) -> Any:
    return lambda: Step.objects.filter(pk__in=steps, status=status).count() == len(steps)


def test_its_tasks_succeed_and_sigterm_ends_it_when_its_work_is_done(site):
    worker = site.start("painter")
    steps = put(20)
    until(are("succeeded", steps), within_s=60)
    assert Step.objects.get(pk=steps[3]).output == {"echo": {"seconds": 0.0, "n": 3}, "by": "painter"}
    agent = Agent.objects.get(name="painter")
    assert AgentHealth.objects.get(agent=agent).calls == 20
    until(lambda: AgentProcess.objects.get(agent=agent).memory_bytes, within_s=60)

    (slow,) = put(1, 2)
    until(are("running", [slow]), within_s=60)
    worker.terminate()
    assert worker.wait(60) == 0

    assert Step.objects.get(pk=slow).status == StepStatus.SUCCEEDED
    assert Agent.objects.get(name="painter").status == "offline"
    assert Event.objects.filter(action="AgentWentOffline").count() == 1


def test_when_it_is_killed_another_takes_its_tasks_and_the_late_answers_are_refused(site):
    first = site.start("painter-1")
    steps = put(4, 60)
    until(are("running", steps), within_s=60)
    leases = dict(Step.objects.values_list("pk", "token"))
    with_tasks = [{"task": pk, "lease": token} for pk, token in leases.items()]
    site.start("painter-2")
    killed_at = time.time()
    first.kill()

    until(lambda: Step.objects.filter(pk__in=steps, status="running", agent__name="painter-2").count() == 4, 90)

    rows = list(Step.objects.filter(pk__in=steps))
    returned = max(parse_datetime(row.history[0]["finished_at"]).timestamp() - killed_at for row in rows)
    taken = max(row.started_at.timestamp() - killed_at for row in rows)
    print(f"returned {returned:.1f} s and taken {taken:.1f} s after the kill, with a lease of {LEASE_S} s")
    assert taken < LEASE_S + 30  # LEASE_S + 2 on a machine that does nothing else
    assert set(Step.objects.filter(pk__in=steps).values_list("attempt", "losses")) == {(2, 1)}
    for task in with_tasks:
        status, told = site.post(f"tasks/{task['task']}/complete", lease=task["lease"], output="late")
        assert (status, told["code"]) == (409, "stale_lease")
    until(lambda: Agent.objects.get(name="painter-1").status == "offline", within_s=90)


def test_a_waiting_claim_is_answered_soon_after_a_task_is_there(site):
    status, me = site.post("agents/register", name="waiter", capabilities=["paint"])
    assert status == 200
    body = {"holder": me["holder"], "wait_s": 30}
    with ThreadPoolExecutor(1) as threads:
        claim = threads.submit(site.post, f"agents/{me['id']}/claim", **body)
        time.sleep(1.5)
        assert not claim.done()
        began = time.monotonic()
        (step,) = put(1)
        status, told = claim.result(60)
        took = time.monotonic() - began
    print(f"claimed {took * 1000:.0f} ms after it was there")
    assert [task["task"] for task in told] == [step]
    assert took < 15

    began = time.monotonic()
    assert site.post(f"agents/{me['id']}/claim", **body | {"wait_s": 1}) == (200, [])
    assert time.monotonic() - began >= 1


def test_two_hundred_idle_workers_hold_neither_threads_nor_connections(site, operator):
    """And when work comes, each task goes to one of them, at once."""
    by = access.actor_of(operator)
    workers = [remote.register(f"idle-{n}", {}, ["paint"], by=by) for n in range(200)]

    def claim_and_answer(me: Registration) -> list[int]:
        status, told = site.post(f"agents/{me.agent.pk}/claim", holder=me.holder, wait_s=28)
        assert status == 200
        for task in told:
            assert site.post(f"tasks/{task['task']}/complete", lease=task["lease"], holder=me.holder)[0] == 200
        return [task["task"] for task in told]

    with ThreadPoolExecutor(200) as threads:
        claims = []
        for me in workers:
            claims.append(threads.submit(claim_and_answer, me))
            time.sleep(0.04)  # or more would knock at once than a listening socket lets wait
        time.sleep(4)
        held = threads_of(site.address)
        began = time.monotonic()
        steps = put(50)
        until(are("succeeded", steps), within_s=60)
        took = time.monotonic() - began
        answers = [claim.result(120) for claim in claims]
    print(f"{held} threads while 200 wait; 50 tasks claimed and answered within {took:.1f} s")
    assert held < 40
    assert sorted(task for told in answers for task in told) == steps


def threads_of(address: str) -> int:
    """How many threads the server that listens there has."""
    port = int(address.rpartition(":")[2])
    (server,) = {
        each.pid for each in psutil.net_connections("tcp") if each.laddr.port == port and each.status == "LISTEN"
    }
    return psutil.Process(server).num_threads()
