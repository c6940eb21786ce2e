"""Remote workers over the API: they register, claim, answer, fall silent; the queue's own rules hold for them."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import fleet, remote
from agents.models import Agent, AgentHealth, AgentProcess, AgentStatus, Circuit, Pool
from agents.snapshot import itself
from orchestra.kernel.long_poll import Poll
from orchestra.kernel.models import Event, Role
from tests.audit import last_event
from tests.silent_writes import arranged
from workflows import control, engine, queue, queues, tasks, ticker
from workflows.models import Run, Step, StepStatus

from .conftest import OPERATOR, SYSTEM

pytestmark = pytest.mark.django_db
AGENTS = "/api/v1/agents/"
TASKS = "/api/v1/tasks/"


class Worker:
    """A worker as the API sees it."""

    def __init__(self, client, name="far-1", capabilities=("paint",), **more):
        self.client = client
        body = {"name": name, "capabilities": list(capabilities), "host": "far", "pid": 7, **more}
        self.registered = client.post(f"{AGENTS}register/", body)
        told = self.registered.json()
        self.id, self.holder = told.get("id"), told.get("holder")

    def ask(self, verb, **body):
        return self.client.post(f"{AGENTS}{self.id}/{verb}/", {"holder": self.holder, **body})

    def claim(self, most=10, **more):
        return self.ask("claim", max=most, **more).json()

    def answer(self, task, verb="complete", **body):
        return self.client.post(f"{TASKS}{task['task']}/{verb}/", {"lease": task["lease"], **body})

    @property
    def agent(self):
        return Agent.objects.get(pk=self.id)


@pytest.fixture
def client(api, operator):
    return api(operator)


@pytest.fixture
def far(client):
    return Worker(client, max_concurrency=3, version="1.2")


def put(count=1, capability="paint", **more):
    return [tasks.create([capability], {"n": n}, by=SYSTEM, **more) for n in range(count)]


def expire_leases():
    with arranged():
        Step.objects.filter(status=StepStatus.RUNNING).update(lease_expires_at=timezone.now())


def fall_silent(worker):
    AgentProcess.objects.filter(pk=worker.id).update(lease_expires_at=timezone.now() - timedelta(seconds=1))


class TestRegistering:
    def test_a_new_name_is_a_new_agent_that_is_online_at_once(self, far):
        assert far.registered.status_code == 200
        told = far.registered.json()
        assert (told["name"], told["status"], told["heartbeat_s"]) == ("far-1", "online", 15.0)
        assert far.agent.kind == "remote"
        assert far.agent.max_concurrency == 3
        process = AgentProcess.objects.get(pk=far.id)
        assert (process.host, process.pid, process.holder) == ("far", 7, far.holder)

    def test_who_registers_stands_in_the_audit_trail(self, far, operator):
        event = Event.objects.get(action="AgentRegistered")
        assert (event.actor_label, event.target_label, event.permission) == (operator.label, "far-1", "agents.work")

    def test_a_second_worker_takes_the_place_of_the_first_and_of_its_tasks(self, far, client):
        put()
        (task,) = far.claim()
        again = Worker(client)
        assert again.id == far.id
        assert Step.objects.get().status == StepStatus.READY
        assert far.ask("heartbeat").status_code == 409
        assert far.ask("claim").json()["code"] == "stale_lease"
        assert far.answer(task, output=1).status_code == 409
        assert [each["task"] for each in again.claim()] == [task["task"]]

    def test_what_it_can_do_is_what_it_said_last(self, far, client):
        Worker(client, capabilities=["varnish"], version="2")
        assert [each.name for each in far.agent.capabilities.all()] == ["varnish"]
        assert (far.agent.version, far.agent.max_concurrency) == ("2", 3)

    def test_one_that_a_person_disabled_stays_so(self, far, client):
        fleet.set_status(far.id, AgentStatus.DISABLED, by=OPERATOR)
        again = Worker(client).registered
        assert again.status_code == 409
        assert "enable" in again.json()["detail"]
        assert far.agent.status == AgentStatus.DISABLED

    def test_a_name_of_another_kind_is_refused(self, client, worker):
        refused = Worker(client, name=worker.name).registered
        assert refused.status_code == 409
        assert "another kind" in refused.json()["detail"]

    def test_it_joins_its_pool(self, client):
        with arranged():
            pool = Pool.objects.create(name="painters", kind="remote")
        assert Worker(client, pool="painters").agent.pool == pool
        assert Worker(client, name="b", pool="none").registered.json()["errors"][0]["path"] == "pool"

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"name": "", "capabilities": []}, "name"),
            ({"name": "x", "capabilities": ["a b"]}, "capabilities[0]"),
            ({"name": "x", "capabilities": ["a"] * 10_000}, "capabilities"),
            ({"name": "x", "capabilities": [], "max_concurrency": 0}, "max_concurrency"),
            ({"name": "x", "capabilities": [], "pid": -1}, "pid"),
            ({"name": "x", "capabilities": [], "command": "rm"}, "command"),
        ],
    )
    def test_what_does_not_fit_is_named(self, client, body, path):
        answer = client.post(f"{AGENTS}register/", body)
        assert answer.status_code == 422
        assert [fault["path"] for fault in answer.json()["errors"]] == [path]
        assert not Agent.objects.exists()

    def test_viewers_may_not(self, api, viewer):
        assert api(viewer).post(f"{AGENTS}register/", {"name": "x", "capabilities": []}).status_code == 403

    def test_why_is_in_the_audit_trail(self, client):
        Worker(client, reason="The night shift.")
        assert last_event("AgentRegistered").detail.reason == "The night shift."

    def test_under_the_name_of_somebody_elses_worker_nobody_gets_his_tasks_and_options(self, far, api, make_user):
        """Not even while it is away; an administrator may take it over, and then it is the administrator's."""
        put()
        far.claim()
        stranger, admin = (api(make_user(name, role)) for name, role in [("otto", Role.OPERATOR), ("eve", Role.ADMIN)])
        refused = Worker(stranger, capabilities=["steal"]).registered
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert "ask an administrator" in refused.json()["detail"]
        assert [each.name for each in far.agent.capabilities.all()] == ["paint"]
        assert Step.objects.get().executor == far.holder
        assert far.ask("goodbye").status_code == 200
        assert Worker(stranger).registered.status_code == 403
        assert len(Worker(admin).claim()) == 1
        assert Worker(far.client).registered.status_code == 403

    def test_an_agent_that_an_administrator_made_is_whose_worker_comes_first(self, make_remote, client, api, make_user):
        made = make_remote("far-1")
        assert Worker(client).id == made.pk
        assert Worker(api(make_user("otto", Role.OPERATOR))).registered.status_code == 403

    def test_nobody_elses_registration_can_be_used(self, far, api, make_user):
        put()
        (task,) = far.claim()
        stranger = api(make_user("otto", Role.OPERATOR))
        for verb in ("heartbeat", "claim", "goodbye"):
            for body in ({"holder": far.holder}, {}):
                assert stranger.post(f"{AGENTS}{far.id}/{verb}/", body).status_code == 403
        answered = stranger.post(f"{TASKS}{task['task']}/complete/", {"lease": task["lease"]})
        assert answered.status_code == 403
        assert Step.objects.get().status == StepStatus.RUNNING


class TestClaiming:
    def test_a_claimed_task_has_all_that_a_call_has(self, far):
        with arranged():
            Agent.objects.filter(pk=far.id).update(config={"options": {"brush": "wide"}})
        (step,) = put(timeout_s=60)
        (task,) = far.claim()
        row = Step.objects.get()
        assert task == {
            "task": step.pk,
            "lease": row.token,
            "input": {"n": 0},
            "deadline": task["deadline"],
            "key": row.call_key,
            "attempt": 1,
            "correlation": Run.objects.get().correlation,
            "config": {"brush": "wide"},
        }
        assert row.status == StepStatus.RUNNING
        assert row.executor == far.holder
        assert row.choice["chosen"] == "far-1"
        assert row.choice["candidates"][0]["parts"].keys() == {"match", "success", "speed", "availability"}

    def test_it_gets_what_it_can_do_and_no_more_than_its_slots(self, far):
        put(5)
        put(2, "sing")
        assert len(far.claim()) == 3
        assert far.claim() == []
        assert Step.objects.filter(status=StepStatus.RUNNING).count() == 3

    def test_a_backlog_that_is_not_for_it_does_not_stand_in_its_way(self, far):
        for number in range(30):
            put(1, f"other-{number}")
        put()
        assert len(far.claim(1)) == 1

    def test_with_nothing_to_do_a_claim_writes_nothing_and_answers_at_once(self, far):
        put(3, "sing")
        with CaptureQueriesContext(connection) as captured:
            assert far.claim(wait_s=30) == []
        assert not [each for each in captured if each["sql"].startswith(("INSERT", "UPDATE"))]
        assert len(captured) < 20

    def test_pauses_and_limits_of_queues_hold(self, far):
        put(3, queue="slow")
        queues.pause("slow", by=SYSTEM, reason="Noon.")
        assert far.claim() == []
        queues.resume("slow", by=SYSTEM)
        queues.change("slow", {"max_concurrency": 1}, by=SYSTEM)
        assert len(far.claim()) == 1
        assert far.claim() == []

    def test_queues_get_their_shares_however_few_are_claimed_at_a_time(self, client):
        far = Worker(client, max_concurrency=100)
        put(40, queue="bulk")
        put(40, queue="urgent")
        queues.change("urgent", {"weight": 3}, by=SYSTEM)
        for _ in range(20):
            far.claim(1)
        running = Step.objects.filter(status=StepStatus.RUNNING)
        assert running.filter(queue="urgent").count() == 15

    def test_an_open_breaker_lets_one_probe_pass_which_closes_it(self, far):
        put(3)
        now = timezone.now()
        with arranged():
            AgentHealth.objects.filter(pk=far.id).update(
                circuit=Circuit.OPEN, consecutive_failures=5, opened_at=now, probe_at=now + timedelta(seconds=60)
            )
        assert far.claim() == []
        with arranged():
            AgentHealth.objects.filter(pk=far.id).update(probe_at=now)
        (probe,) = far.claim()
        assert far.claim() == []
        far.answer(probe, output=1)
        assert AgentHealth.objects.get(pk=far.id).circuit == Circuit.CLOSED
        assert len(far.claim()) == 2

    @pytest.mark.parametrize("status", [AgentStatus.DRAINING, AgentStatus.DISABLED])
    def test_while_it_may_not_work_it_is_given_nothing_and_told_so(self, far, status):
        put()
        fleet.set_status(far.id, status, by=OPERATOR)
        assert far.claim() == []
        assert far.ask("heartbeat").json() == {"stop": [], "drain": True, "status": status.value}

    def test_executors_leave_its_tasks_to_it(self, far, script):
        put()
        assert script.turn().assignments == []
        assert len(far.claim()) == 1


class TestWithoutItsHolder:
    """The present registration is meant, where the caller made it."""

    def test_it_sends_heartbeats_and_claims(self, far):
        put()
        beat = far.client.post(f"{AGENTS}{far.id}/heartbeat/", {"memory_bytes": 5_000, "cpu_percent": 12.5})
        assert (beat.status_code, beat.json()["status"]) == (200, "online")
        assert AgentProcess.objects.get(pk=far.id).memory_bytes == 5_000
        claimed = far.client.post(f"{AGENTS}{far.id}/claim/", {"max": 1, "wait_s": 0}).json()
        assert claimed[0].keys() >= {"task", "lease", "input", "deadline"}
        assert Step.objects.get().executor == far.holder

    def test_once_it_said_goodbye_there_is_nothing_to_mean(self, far):
        assert far.client.post(f"{AGENTS}{far.id}/goodbye/", {}).status_code == 200
        for verb in ("heartbeat", "claim", "goodbye"):
            assert far.client.post(f"{AGENTS}{far.id}/{verb}/", {}).json()["code"] == "stale_lease"

    @pytest.mark.parametrize("verb", ["heartbeat", "claim"])
    def test_the_reason_is_told_where_the_agent_is_back_by_it(self, far, verb):
        fall_silent(far)
        ticker.tick()
        assert far.ask(verb, reason="The cable is back.").status_code == 200
        assert last_event("AgentCameOnline").detail.reason == "The cable is back."


class TestGone:
    """A worker that is gone when it is to be told what it claimed."""

    def test_what_it_claimed_goes_back_without_a_loss_and_the_rest_stays(self, far, monkeypatch):
        put(2)
        (kept,) = far.claim(1)
        poll = Poll()
        monkeypatch.setattr("agents.api.remote.poll_of", lambda _: poll)
        (gone,) = far.claim(1)
        assert poll.take_back is not None
        assert poll.take_back() == 1
        row = Step.objects.get(pk=gone["task"])
        assert (row.status, row.attempt, row.losses) == (StepStatus.READY, 0, 0)
        assert row.history[0]["error"] == "Its remote worker was gone before it was told of it."
        assert Step.objects.get(pk=kept["task"]).status == StepStatus.RUNNING


class TestAnswering:
    def test_what_it_answers_counts_for_its_agent_which_acts_on_behalf_of_a_person(self, far, operator):
        put()
        (task,) = far.claim()
        assert far.answer(task, output={"done": True}).json()["status"] == "succeeded"
        health = AgentHealth.objects.get(pk=far.id)
        assert (health.calls, health.failures) == (1, 0)
        event = Event.objects.get(action="StepSucceeded")
        assert (event.actor_kind, event.actor_label, event.actor_version) == ("agent", "far-1", "1.2")
        assert event.on_behalf_of == operator.label
        assert Run.objects.get().status == "succeeded"

    def test_failures_in_a_row_open_its_breaker(self, far):
        put(5)
        for _ in range(5):
            (task,) = far.claim(1)
            far.answer(task, "fail", error="No paint.")
        assert AgentHealth.objects.get(pk=far.id).circuit == Circuit.OPEN

    def test_the_callers_faults_do_not(self, far):
        put(5)
        for _ in range(5):
            (task,) = far.claim(1)
            far.answer(task, "fail", error="No such colour.", fault="caller", retryable=False)
        health = AgentHealth.objects.get(pk=far.id)
        assert (health.circuit, health.calls) == (Circuit.CLOSED, 0)

    def test_it_may_ask_for_more_time_before_the_next_try(self, far, publish):
        publish("flow", {"name": "a", "capabilities": ["paint"], "retry": {"attempts": 2, "delay": "1s"}})
        engine.start("flow", {}, by=OPERATOR)
        (task,) = far.claim()
        far.answer(task, "fail", error="Busy.", retry_after_s=600)
        assert Step.objects.get().available_at > timezone.now() + timedelta(seconds=500)

    def test_the_wrong_registration_is_refused(self, far):
        put()
        (task,) = far.claim()
        assert far.answer(task, output=1, holder="remote:1:1:other").status_code == 409
        assert far.answer(task, output=1, holder=far.holder).status_code == 200

    def test_a_cancelled_task_is_told_with_the_next_heartbeat_and_its_answer_refused(self, far):
        put(2)
        gone, stays = far.claim()
        control.cancel(Step.objects.get(pk=gone["task"]).run_id, by=OPERATOR, reason="Enough.")
        beat = far.ask("heartbeat", tasks=[gone["task"], stays["task"]]).json()
        assert beat == {"stop": [gone["task"]], "drain": False, "status": "online"}
        assert far.answer(gone, "extend").status_code == 409
        refused = far.answer(gone, output=1)
        assert (refused.status_code, refused.json()["code"]) == (409, "stale_lease")


class TestTime:
    def test_a_heartbeat_renews_the_leases_of_the_tasks_that_it_names_and_no_others(self, far):
        put(2, timeout_s=3600)
        kept, left = far.claim()
        with arranged():
            Step.objects.update(lease_expires_at=timezone.now() + timedelta(seconds=1))
        far.ask("heartbeat", tasks=[kept["task"]])
        ends = dict(Step.objects.values_list("pk", "lease_expires_at"))
        assert ends[kept["task"]] > timezone.now() + timedelta(seconds=5)
        assert ends[left["task"]] < timezone.now() + timedelta(seconds=2)

    def test_without_naming_any_all_are_renewed(self, far):
        put(2, timeout_s=3600)
        far.claim()
        with arranged():
            Step.objects.update(lease_expires_at=timezone.now() + timedelta(seconds=1))
        assert far.ask("heartbeat").json()["stop"] == []
        assert all(
            end > timezone.now() + timedelta(seconds=5) for (end,) in Step.objects.values_list("lease_expires_at")
        )

    def test_it_costs_the_same_however_many_tasks_there_are(self, client):
        far = Worker(client, max_concurrency=50)
        counts = []
        for more in (1, 20):
            put(more)
            far.claim(50)
            with CaptureQueriesContext(connection) as captured:
                far.ask("heartbeat", memory_bytes=1, cpu_percent=2.5)
            counts.append(len(captured))
        assert counts[0] == counts[1] <= 12

    def test_what_its_process_uses_is_kept(self, far):
        far.ask("heartbeat", memory_bytes=10_000, cpu_percent=12.5)
        process = AgentProcess.objects.get(pk=far.id)
        assert (process.memory_bytes, process.cpu_percent) == (10_000, 12.5)

    def test_no_lease_outlasts_the_time_limit_and_its_end_is_a_timeout_of_the_agents(self, far):
        put(timeout_s=2)
        (task,) = far.claim()
        row = Step.objects.get()
        limit = row.started_at + timedelta(seconds=2)
        assert row.lease_expires_at == limit
        far.ask("heartbeat")
        assert far.answer(task, "extend").status_code == 200
        assert Step.objects.get().lease_expires_at == limit
        with arranged():
            earlier = timezone.now() - timedelta(seconds=3)
            Step.objects.update(started_at=earlier, lease_expires_at=earlier + timedelta(seconds=2))

        assert queue.return_expired() == 1

        row, health = Step.objects.get(), AgentHealth.objects.get(pk=far.id)
        assert (row.status, row.error) == ("failed", "It did not answer within 2 s.")
        assert (health.failures, health.consecutive_failures) == (1, 1)
        event = Event.objects.get(action="StepFailed")
        assert (event.outcome, event.actor_label) == ("timed_out", "far-1")
        assert far.answer(task, output=1).status_code == 409

    def test_a_test_that_runs_out_of_time_counts_nowhere(self, far):
        for _ in range(6):
            tasks.create([itself(far.id)], {}, by=SYSTEM, timeout_s=2)
            assert len(far.claim()) == 1
            with arranged():
                earlier = timezone.now() - timedelta(seconds=3)
                Step.objects.filter(status="running").update(started_at=earlier, lease_expires_at=earlier)
            assert queue.return_expired() == 1
        assert set(Step.objects.values_list("status", flat=True)) == {"failed"}
        health = AgentHealth.objects.get(pk=far.id)
        assert (health.calls, health.consecutive_failures, health.circuit) == (0, 0, Circuit.CLOSED)

    def test_silence_is_a_loss_and_nobodys_fault(self, far, client):
        put()
        (task,) = far.claim()
        expire_leases()
        assert queue.return_expired() == 1
        row = Step.objects.get()
        assert (row.status, row.losses) == (StepStatus.READY, 1)
        assert "remote worker stopped answering" in row.history[0]["error"]
        assert AgentHealth.objects.get(pk=far.id).failures == 0
        other = Worker(client, name="far-2")
        (again,) = other.claim()
        assert (again["task"], again["attempt"], again["key"]) == (task["task"], 2, task["key"])
        assert far.answer(task, output=1).status_code == 409
        assert other.answer(again, output=2).status_code == 200

    def test_a_silent_worker_goes_offline_and_comes_back_with_its_next_heartbeat(
        self, far, django_assert_max_num_queries
    ):
        with django_assert_max_num_queries(2):  # on PostgreSQL the clock is asked as well
            assert remote.mark_offline() == 0
        fall_silent(far)
        ticker.tick()
        assert far.agent.status == AgentStatus.OFFLINE
        assert far.ask("heartbeat").json() == {"stop": [], "drain": False, "status": "online"}
        assert far.agent.status == AgentStatus.ONLINE
        told = Event.objects.filter(action__in=["AgentWentOffline", "AgentCameOnline"]).order_by("number")
        assert [event.action for event in told] == ["AgentWentOffline", "AgentCameOnline"]
        assert remote.mark_offline() == 0

    def test_one_that_its_pool_put_offline_stays_so_while_its_worker_lives(self, far):
        put()
        fleet.set_status(far.id, AgentStatus.OFFLINE, by=SYSTEM)
        assert far.ask("heartbeat").json() == {"stop": [], "drain": True, "status": "offline"}
        assert far.claim() == []
        assert far.agent.status == AgentStatus.OFFLINE

    def test_a_claim_is_a_sign_of_life_too(self, far):
        fall_silent(far)
        ticker.tick()
        put()
        assert len(far.claim()) == 1
        assert far.agent.status == AgentStatus.ONLINE

    def test_one_that_nobody_runs_is_offline(self, make_remote):
        agent = make_remote("idle")
        ticker.tick()
        assert Agent.objects.get(pk=agent.pk).status == AgentStatus.OFFLINE

    def test_who_drains_keeps_draining_however_silent(self, far):
        fleet.set_status(far.id, AgentStatus.DRAINING, by=OPERATOR)
        fall_silent(far)
        ticker.tick()
        assert far.agent.status == AgentStatus.DRAINING

    def test_goodbye_gives_everything_back_at_once(self, far, client):
        put(2)
        far.claim()
        assert far.ask("goodbye", reason="Deploy.").json() == {"released": 2}
        assert far.agent.status == AgentStatus.OFFLINE
        assert set(Step.objects.values_list("status", "attempt", "losses")) == {("ready", 0, 0)}
        assert far.ask("heartbeat").status_code == 409
        assert len(Worker(client, name="far-2").claim()) == 2


@pytest.fixture
def make_remote(db):
    return lambda name: fleet.create("remote", {"name": name}, ["paint"], by=SYSTEM)
