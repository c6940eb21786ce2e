"""Plans that are carried out: pinned to their agents, followed to their end, never stuck."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents import fleet, snapshot
from agents.models import AgentHealth, AgentProcess, Circuit
from agents.outcomes import Done, Failed
from orchestra.kernel import slots, verification
from orchestra.kernel.models import Event
from tests.silent_writes import arranged
from tests.workflows.conftest import SYSTEM
from workflows import allocations, control, demand, queue, stranded, ticker, waiting
from workflows import tasks as tasks_module
from workflows.models import Allocation, AllocationTask, Run, Step
from workflows.stranded import Watch

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_slots")]
ALLOCATIONS = "/api/v1/allocations/"
PLAN = f"{ALLOCATIONS}plan/"
NUMBERS = {
    "agents": [{"id": "a", "capacity": 1}, {"id": 2, "capacity": 1}],
    "tasks": [{"id": "x"}, {"id": "y"}],
    "cost": [[1, 2], [2, 9]],
}


@pytest.fixture
def client(api, operator):
    return api(operator)


@pytest.fixture
def make(db):
    def agent(name, *capabilities, slots=2):
        values = {"name": name, "config": {"function": "test.echo"}, "max_concurrency": slots}
        return fleet.create("python", values, capabilities, by=SYSTEM)

    return agent


@pytest.fixture
def two(make):
    """Anna can draft; only Lars knows the law, and answers faster, so that greed wastes him on drafts."""
    anna, lars = make("anna", "draft", slots=1), make("lars", "draft", "law", slots=1)
    with arranged():
        AgentHealth.objects.filter(pk=anna.pk).update(response_s=2, last_called_at=timezone.now())
    return anna, lars


def tasks(*wanted):
    return [{"id": f"t{number}", "capabilities": [need], "input": {"n": number}} for number, need in enumerate(wanted)]


def begin(client, *wanted, **more):
    answer = client.post(ALLOCATIONS, {"tasks": tasks(*wanted), **more})
    assert answer.status_code == 201, answer.json()
    return answer.json()


def told(client, allocation):
    return client.get(f"{ALLOCATIONS}{allocation['id']}/").json()


def test_a_problem_of_numbers_is_planned_beside_greed(client):
    answer = client.post(PLAN, NUMBERS).json()

    assert (answer["assignments"], answer["objective"]) == ({"x": 2, "y": "a"}, 4)
    assert (answer["bound"], answer["gap_percent"], answer["status"]) == (4, 0, "optimal")
    assert (answer["greedy"]["assignments"], answer["greedy"]["objective"]) == ({"x": "a", "y": 2}, 10)
    assert not Allocation.objects.exists()


def test_demands_and_more_is_better(client):
    answer = client.post(PLAN, NUMBERS | {"demand": [[1, 1], [1, 2]], "maximize": True}).json()

    assert (answer["status"], answer["reasons"]) == ("optimal", [])
    assert answer["objective"] == 4


def test_what_nobody_can_take_is_named(client):
    answer = client.post(PLAN, NUMBERS | {"cost": [[1, None], [2, None]]}).json()

    assert (answer["status"], answer["objective"], answer["reasons"]) == (
        "infeasible",
        None,
        ["No agent can do task y."],
    )


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"cost": [[1, 2], [3]]}, "cost[1]"),
        ({"agents": [{"id": "a", "capacity": -1}, {"id": 2}]}, "agents[0].capacity"),
        ({"tasks": [{"id": "x"}, {"id": "y", "capabilities": [], "colour": 1}]}, "tasks[0].capabilities"),
        ({"tasks": [{"id": "x", "capabilities": ["draft"]}] * 2, "agents": [{"id": "nobody"}]}, "agents[0].id"),
        ({"tasks": [{"id": "x", "capabilities": ["fly"]}], "agents": None}, "tasks"),
        ({"tasks": [{"id": "x", "capabilities": ["fly"], "timeout": 0}]}, "tasks[0].timeout"),
        ({"unknown": 1}, "unknown"),
        ({"assignments": {"x": "nobody"}}, "assignments.x"),
        ({"assignments": [1]}, "assignments"),
    ],
)
def test_bad_input_is_refused_with_its_place(client, two, changes, path):
    answer = client.post(PLAN, NUMBERS | changes)

    assert answer.status_code == 422
    assert path in [fault["path"] for fault in answer.json()["errors"]]


def test_tasks_for_the_fleet_are_planned_by_the_dispatchers_scores(client, two):
    answer = client.post(PLAN, {"tasks": tasks("draft", "law")}).json()

    assert answer["assignments"] == {"t0": "anna", "t1": "lars"}
    assert answer["greedy"]["assignments"] == {"t0": "lars"}
    assert answer["greedy"]["reasons"] == ["Task t1 found no free agent."]
    assert answer["objective"] > 1.5


def test_costs_of_ones_own_count_but_nobody_gets_what_he_cannot_do(client, two):
    body = {"agents": [{"id": "anna"}, {"id": two[1].pk}], "tasks": tasks("draft", "law"), "cost": [[9, 0], [1, 1]]}
    answer = client.post(PLAN, body).json()

    assert answer["assignments"] == {"t0": "anna", "t1": two[1].pk}


def test_a_full_fleet_is_named_as_what_is_missing(client, two):
    answer = client.post(PLAN, {"tasks": tasks("law", "law")}).json()

    assert answer["status"] == "infeasible"
    told = "The 2 tasks t0, t1 have only lars, which takes 1: 1 more of capacity would be needed."
    assert answer["reasons"] == [told]


def test_an_agent_may_be_given_more_than_its_free_slots_and_does_them_in_turn(client, two, script):
    allocation = begin(client, "law", "law", "law", agents=[{"id": "lars", "capacity": 3}])
    script.finish()

    assert {row["status"] for row in told(client, allocation)["assignments"]} == {"succeeded"}


def test_each_task_goes_to_the_agent_of_the_plan_and_to_no_other(client, make, two, script):
    """Since then a better one has come, and yet the plan holds."""
    allocation = begin(client, "draft", "law", reason="month's end")
    make("best", "draft", "law", slots=9)
    claimed = script.turn().assignments

    assert {each.input["n"]: each.agent.name for each in claimed} == {0: "anna", 1: "lars"}
    script.turn(*[script.answer(each) for each in claimed])
    end = told(client, allocation)
    assert [(row["task"], row["agent"], row["greedy_agent"], row["status"]) for row in end["assignments"]] == [
        ("t0", "anna", "lars", "succeeded"),
        ("t1", "lars", "", "succeeded"),
    ]
    assert (end["status"], end["success_rate"], end["reason"]) == ("succeeded", 1.0, "month's end")
    assert end["finished_at"]


def test_what_the_others_were_is_said_of_each_step(client, two, make, script):
    make("best", "draft", slots=9)
    begin(client, "draft", agents=[{"id": "anna"}])
    script.turn()

    choice = Step.objects.get().choice
    assert (choice["chosen"], choice["excluded"], choice["obstacles"]) == ("anna", {"not_the_chosen": 2}, [])


def test_what_waits_for_one_agent_makes_no_pool_grow(client, two):
    begin(client, "draft", agents=[{"id": "anna"}])
    pools = {1: frozenset({"draft"})}
    assert demand.of_pools(pools, timezone.now())[1].count == 0

    tasks_module.create(["draft"], {}, by=SYSTEM)
    assert demand.of_pools(pools, timezone.now())[1].count == 1


def test_the_success_rate_counts_what_has_ended(client, two, script):
    allocation = begin(client, "draft", "law")
    first, second = script.turn().assignments
    script.turn(script.answer(first, Failed("It broke.", retryable=False)))
    assert (told(client, allocation)["success_rate"], told(client, allocation)["status"]) == (0.0, "running")

    script.turn(script.answer(second, Done({"ok": True})))
    end = told(client, allocation)
    assert (end["ended"], end["succeeded"], end["success_rate"], end["status"]) == (2, 1, 0.5, "failed")
    assert Event.objects.get(action="AllocationFinished").detail.after == '{"succeeded":1,"tasks":2}'


def test_it_is_told_as_one_story(client, two, script):
    begin(client, "draft", "law")
    script.finish()

    (story,) = set(Event.objects.filter(action__startswith="Allocation").values_list("correlation", flat=True))
    actions = list(Event.objects.filter(correlation=story).order_by("number").values_list("action", flat=True))
    assert actions[:2] == ["AllocationPlanned", "RunStarted"]
    assert {"AllocationStarted", "StepSucceeded", "RunSucceeded", "AllocationFinished"} <= {*actions}


def test_the_same_key_begins_one_plan(client, two):
    body = {"tasks": tasks("draft", "law")}
    answers = [client.post(ALLOCATIONS, body, HTTP_IDEMPOTENCY_KEY="once") for _ in range(2)]
    other = client.post(ALLOCATIONS, {"tasks": tasks("draft")}, HTTP_IDEMPOTENCY_KEY="once")

    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert (other.status_code, Run.objects.count()) == (409, 2)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (NUMBERS, "tasks"),
        ({"tasks": tasks("law", "law")}, "tasks"),
        ({"tasks": tasks("draft", "law"), "assignments": {"t0": "lars", "t1": "lars"}}, "assignments"),
        ({"tasks": tasks("draft", "law"), "assignments": {"t0": "lars"}}, "tasks"),
        ({"tasks": tasks("draft"), "priority": 1000}, "priority"),
        ({"tasks": tasks("draft"), "queue": 7}, "queue"),
    ],
)
def test_what_cannot_be_carried_out_begins_nothing(client, two, body, path):
    answer = client.post(ALLOCATIONS, body)

    assert answer.status_code == 422
    assert {fault["path"] for fault in answer.json()["errors"]} == {path}
    assert not Run.objects.exists() and not Allocation.objects.exists()


def test_a_plan_of_ones_own_is_carried_out_if_it_holds(client, two, make, script):
    make("otto", "draft", slots=9)
    allocation = begin(client, "draft", "draft", assignments={"t0": "otto", "t1": "otto"})
    script.finish()

    assert {row["agent"] for row in told(client, allocation)["assignments"]} == {"otto"}


def test_viewers_look_and_neither_plan_nor_run(api, viewer, client, two):
    reader = api(viewer)
    allocation = begin(client, "draft")

    assert reader.post(PLAN, {"tasks": tasks("draft")}).status_code == 403
    assert reader.get(f"{ALLOCATIONS}{allocation['id']}/").status_code == 200
    assert reader.post(ALLOCATIONS, {"tasks": tasks("draft")}).status_code == 403
    assert reader.post(f"{ALLOCATIONS}{allocation['id']}/release/").status_code == 403


def test_the_list_pages_by_key(client, two):
    for _ in range(3):
        begin(client, "law")
    first = client.get(ALLOCATIONS, {"limit": 2}).json()

    assert [row["total"] for row in first["results"]] == [1, 1]
    assert len(client.get(first["next"]).json()["results"]) == 1
    assert len(client.get(ALLOCATIONS, {"status": "finished"}).json()["results"]) == 0


def reason_of(step):
    now = timezone.now()
    situation = waiting.Situation(now, snapshot.read(), queue.in_use(), executors=1)
    return waiting._of_ready(step, situation)


def test_what_waits_for_its_chosen_agent_says_so(client, two, script):
    anna, _ = two
    begin(client, "draft", agents=[{"id": "anna"}])
    fleet.set_status(anna.pk, "disabled", by=SYSTEM)

    assert reason_of(Step.objects.get()).detail == ("Its plan gives it to anna. anna is disabled; enable one.")


@pytest.mark.parametrize("status", ["disabled", "draining"])
def test_a_task_whose_agent_goes_out_of_service_goes_to_another(client, two, script, status):
    anna, _ = two
    allocation = begin(client, "draft", agents=[{"id": "anna"}])
    fleet.set_status(anna.pk, status, by=SYSTEM)
    assert script.turn().assignments == []

    ticker.tick()
    script.finish()
    (row,) = told(client, allocation)["assignments"]
    assert (row["agent"], row["status"], row["released"]) == ("anna", "succeeded", f"anna is {status}.")
    assert Step.objects.get().agent.name == "lars"
    assert Event.objects.get(action="AllocationReleased").actor_id == "allocation"


def test_a_task_whose_agent_was_removed_goes_to_another(client, two, script):
    anna, _ = two
    begin(client, "draft", agents=[{"id": "anna"}])
    fleet.remove(anna.pk, by=SYSTEM)
    assert "was removed" in reason_of(Step.objects.get()).detail

    assert allocations.release_stranded(Watch()) == 1
    script.finish()
    assert Step.objects.get().agent.name == "lars"
    assert AllocationTask.objects.get().agent_name == "anna"


def open_breaker(agent, minutes):
    with arranged():
        now = timezone.now()
        opened = {"circuit": Circuit.OPEN, "opened_at": now - timedelta(minutes=minutes)}
        AgentHealth.objects.filter(pk=agent.pk).update(**opened, probe_at=now + timedelta(minutes=10))


def test_a_breaker_that_stays_open_is_waited_for_five_minutes_from_its_opening(client, two):
    anna, _ = two
    allocation = begin(client, "draft", agents=[{"id": "anna"}])
    with arranged():
        Allocation.objects.update(started_at=timezone.now() - timedelta(hours=1))
    open_breaker(anna, minutes=4)
    assert allocations.release_stranded(Watch()) == 0

    open_breaker(anna, minutes=5)
    assert allocations.release_stranded(Watch()) == 1
    (row,) = told(client, allocation)["assignments"]
    assert row["released"] == "The breaker of anna has not closed for 5 minutes."
    assert allocations.release_stranded(Watch()) == 0


def test_a_task_whose_agent_can_no_longer_do_it_goes_to_another(client, two, script):
    anna, _ = two
    allocation = begin(client, "draft", agents=[{"id": "anna"}])
    fleet.change(anna.pk, {}, ["paint"], by=SYSTEM)

    ticker.tick()
    script.finish()
    (row,) = told(client, allocation)["assignments"]
    assert (row["released"], row["status"]) == ("anna can no longer do draft.", "succeeded")
    assert Step.objects.get().agent.name == "lars"


def test_a_task_whose_worker_nobody_runs_goes_to_another_after_a_lease(client, two, script, monkeypatch, settings):
    far = client.post("/api/v1/agents/register/", {"name": "far", "capabilities": ["draft"], "host": "h", "pid": 7})
    allocation = begin(client, "draft", agents=[{"id": "far"}])
    watch, now = Watch(), timezone.now()
    assert allocations.release_stranded(watch) == 0

    AgentProcess.objects.filter(agent=far.json()["id"]).update(holder="", lease_expires_at=None)
    for seconds, released in ((0, 0), (settings.LEASE_S - 1, 0), (settings.LEASE_S, 1)):
        monkeypatch.setattr(stranded, "database_now", lambda: now + timedelta(seconds=seconds))  # noqa: B023
        assert allocations.release_stranded(watch) == released
    (row,) = told(client, allocation)["assignments"]
    assert row["released"] == f"The worker of far has not been running for {settings.LEASE_S:g} seconds."
    assert {each.agent.name for each in script.turn().assignments} <= {"anna", "lars"}


def test_a_task_that_is_retried_opens_its_plan_again(client, two, script):
    """Its agent is gone meanwhile; nothing looks for it, since any may take it."""
    allocation = begin(client, "draft", "law")
    first, second = script.turn().assignments
    script.turn(script.answer(first, Failed("It broke.", retryable=False)), script.answer(second))
    assert told(client, allocation)["status"] == "failed"

    run = Run.objects.get(status="failed")
    control.retry(run.pk, by=SYSTEM)
    again = told(client, allocation)
    assert (again["status"], again["ended"], again["succeeded"], again["finished_at"]) == ("running", 1, 1, None)
    (row,) = [row for row in again["assignments"] if row["run"] == run.pk]
    assert row["released"] == "It was retried, so any agent may take it."

    script.finish()
    end = told(client, allocation)
    assert (end["status"], end["success_rate"], bool(end["finished_at"])) == ("succeeded", 1.0, True)


def test_plans_that_were_done_as_long_ago_as_runs_are_kept_are_removed(client, two, script, settings):
    settings.RUN_RETENTION_DAYS = 30
    old, young = begin(client, "draft"), begin(client, "law")
    script.finish()
    open_one = begin(client, "draft")
    for allocation, days in ((old, 31), (young, 29), (open_one, 900)):
        with arranged():
            ago = timezone.now() - timedelta(days=days)
            Allocation.objects.filter(pk=allocation["id"]).update(started_at=ago)
            Allocation.objects.filter(pk=allocation["id"], finished_at__isnull=False).update(finished_at=ago)

    assert allocations.remove_old() == 1
    assert {row.pk for row in Allocation.objects.all()} == {young["id"], open_one["id"]}
    assert AllocationTask.objects.count() == 2
    assert Event.objects.get(action="AllocationsRemoved").actor_id == "retention"
    assert verification.verify().first_bad is None


def test_an_operator_releases_what_waits(client, two, script):
    allocation = begin(client, "draft", "draft", agents=[{"id": "anna", "capacity": 2}])
    script.turn()
    address = f"{ALLOCATIONS}{allocation['id']}/release/"
    answer = client.post(address, {"reason": "It is urgent."}).json()

    assert answer["released"] == 1
    assert sorted(row["released"] for row in answer["assignments"]) == ["", "It is urgent."]
    assert [each.agent.name for each in script.turn().assignments] == ["lars"]
    assert client.post(address, {}).status_code == 409
    assert client.post(f"{ALLOCATIONS}999/release/", {}).status_code == 404


def test_what_is_released_by_hand_is_released_in_slices_as_one_story(client, two, monkeypatch):
    monkeypatch.setattr(allocations, "AT_ONCE", 2)
    allocation = begin(client, *["draft"] * 5, agents=[{"id": "anna", "capacity": 5}])
    answer = client.post(f"{ALLOCATIONS}{allocation['id']}/release/", {}).json()

    assert answer["released"] == 5
    events = Event.objects.filter(action="AllocationReleased")
    assert (events.count(), len({row["released"] for row in answer["assignments"]})) == (3, 1)


def test_looking_for_stranded_tasks_costs_the_same_for_many(two, client, queries_of):
    assert queries_of(lambda: allocations.release_stranded(Watch())) == 1

    begin(client, "draft", "law")
    few = queries_of(lambda: allocations.release_stranded(Watch()))
    begin(client, *["draft"] * 20, agents=[{"id": "anna", "capacity": 20}])
    assert queries_of(lambda: allocations.release_stranded(Watch())) == few


def test_a_host_works_on_two_problems_at_a_time(client):
    with slots.take("solvers", 2), slots.take("solvers", 2):
        refused = client.post(PLAN, NUMBERS)

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "10")
    assert refused.json()["detail"] == "2 plans are being worked out already; try again in 10 seconds."
    assert client.post(PLAN, NUMBERS).status_code == 200


def test_a_plan_outlives_its_runs(client, two, script):
    allocation = begin(client, "draft")
    script.finish()
    with arranged():
        Run.objects.all().delete()

    (row,) = told(client, allocation)["assignments"]
    assert (row["status"], row["run"]) == ("succeeded", None)


def test_starting_costs_the_same_for_many_tasks(client, make, queries_of):
    make("anna", "draft", slots=500)
    few = queries_of(lambda: begin(client, *["draft"] * 5))

    assert queries_of(lambda: begin(client, *["draft"] * 100)) <= few + 2


@pytest.fixture
def queries_of():
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def count(act):
        with CaptureQueriesContext(connection) as captured:
            act()
        return len(captured)

    return count
