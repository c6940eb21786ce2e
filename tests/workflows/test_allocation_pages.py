"""The pages of allocation: what waits now, a plan before it runs, and how one goes."""

import json
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import fleet
from agents.models import AgentHealth
from orchestra.kernel import slots
from tests.silent_writes import arranged
from tests.workflows.conftest import SYSTEM
from workflows import queues, tasks
from workflows.models import Allocation, Run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_slots")]
TASKS = {"tasks": [{"id": "draft-1", "capabilities": ["draft"]}, {"id": "law-1", "capabilities": ["law"]}]}
NUMBERS = {"agents": [{"id": "a"}, {"id": "b"}], "tasks": [{"id": "x"}, {"id": "y"}], "cost": [[1, 2], [2, 9]]}


@pytest.fixture
def olga(as_, operator):
    return as_(operator)


@pytest.fixture
def two(db):
    """Anna can draft; only Lars knows the law, and answers faster."""
    for name, capabilities in (("anna", ["draft"]), ("lars", ["draft", "law"])):
        values = {"name": name, "config": {"function": "test.echo"}, "max_concurrency": 1}
        agent = fleet.create("python", values, capabilities, by=SYSTEM)
        with arranged():
            measured = {"response_s": 2 if name == "anna" else 0, "last_called_at": timezone.now()}
            AgentHealth.objects.filter(pk=agent.pk).update(**measured)


def text(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def plan(olga, problem, **more):
    return olga.post("/allocations/plan/", {"problem": json.dumps(problem), **more})


def test_without_anything_it_says_what_to_do_first(olga):
    shown = text(olga.get("/allocations/"))

    assert "No step waits for an agent" in shown
    assert "No plan was carried out yet" in shown


def test_what_waits_is_shown_with_both_plans_and_who_would_move(olga, two):
    for need in ("draft", "law"):
        tasks.create([need], {}, by=SYSTEM)
    shown = text(olga.get("/allocations/"))

    assert "Best for all 1.96 for 2 steps Best in turn 1.00 for 1 step Gain 96.0 %" in shown
    assert "anna 0.96 moves" in shown
    assert Run.objects.filter(status="queued").count() == 2


def test_what_waits_in_a_paused_queue_is_left_out(olga, two):
    tasks.create(["draft"], {}, by=SYSTEM, queue="night")
    queues.pause("night", by=SYSTEM, reason="noon")

    assert "No step waits for an agent" in text(olga.get("/allocations/"))


def test_what_waits_costs_the_same_for_many_steps(olga, two):
    def count():
        with CaptureQueriesContext(connection) as captured:
            olga.get("/allocations/")
        return len(captured)

    tasks.create(["draft"], {}, by=SYSTEM)
    few = count()
    for _ in range(20):
        tasks.create(["draft"], {}, by=SYSTEM)
    assert count() == few


@pytest.mark.parametrize("example", ["tasks", "numbers"])
def test_an_example_can_be_planned(olga, two, example):
    page = olga.get("/allocations/plan/", {"example": example})
    problem = page.context["form"].initial["problem"]

    assert json.loads(problem)
    shown = text(olga.post("/allocations/plan/", {"problem": problem}))
    assert "optimal" in shown


def test_a_plan_is_shown_beside_greed_with_what_differs(olga):
    shown = text(plan(olga, NUMBERS))

    assert "Total, the less the better 4" in shown and "Best in turn 10" in shown
    assert "y 2 in turn: b" in shown
    assert "Run this plan" not in shown


def test_what_cannot_be_planned_is_told_in_words(olga):
    shown = text(plan(olga, NUMBERS | {"cost": [[1, None], [2, None]]}))

    assert "There is no plan for all tasks. No agent can do task y." in shown


@pytest.mark.parametrize(
    ("posted", "message"),
    [
        ({"problem": ""}, "Paste a problem, choose a file, or begin with an example."),
        ({"problem": "{nonsense"}, "This is not JSON"),
        ({"problem": "[1]"}, "Give a table"),
        ({"problem": json.dumps(NUMBERS | {"cost": [[1, 2], [3]]})}, "cost[1]: Give 2 entries"),
        ({"file": SimpleUploadedFile("p.json", b"\xff\xfe")}, "The file is not UTF-8"),
        ({"file": SimpleUploadedFile("p.json", b"[" * 3_000_000)}, "larger than 2 MB"),
        ({"file": SimpleUploadedFile("p.json", b'{"tasks": []}')}, "agents: Give a list of at least one"),
    ],
)
def test_a_fault_stands_beside_its_field(olga, posted, message):
    answer = olga.post("/allocations/plan/", posted)

    assert answer.status_code == 200
    (field,) = posted
    assert message in " ".join(answer.context["form"].errors[field])


def test_a_file_is_planned_and_kept_as_text(olga):
    answer = olga.post("/allocations/plan/", {"file": SimpleUploadedFile("p.json", json.dumps(NUMBERS).encode())})

    assert "optimal" in text(answer)
    assert json.loads(answer.context["form"]["problem"].value()) == NUMBERS


def test_the_plan_that_is_shown_is_the_one_that_runs(olga, two, script):
    shown = plan(olga, TASKS)
    assert "Run this plan" in text(shown)
    posted = {name: shown.context[key] for name, key in (("problem", "problem_text"), ("assignments", "assignments"))}
    answer = olga.post("/allocations/run/", posted | {"reason": "month's end"}, follow=True)

    assert "2 tasks have begun." in text(answer)
    allocation = Allocation.objects.get()
    assert answer.redirect_chain[-1][0] == f"/allocations/{allocation.pk}/"
    assert "0 of 2 tasks have ended no success to tell yet" in text(answer)
    script.finish()
    done = text(olga.get(f"/allocations/{allocation.pk}/"))
    assert "2 of 2 tasks have ended 100 % succeeded" in done
    assert f"#{allocation.pk} month's end succeeded 2 of 2 100 %" in text(olga.get("/allocations/")).replace(
        "&#x27;", "'"
    )


def test_a_plan_that_does_not_hold_any_more_is_planned_anew(olga, two):
    posted = {"problem": json.dumps(TASKS), "assignments": json.dumps({"draft-1": "lars", "law-1": "lars"})}
    answer = olga.post("/allocations/run/", posted)

    assert "The fleet has changed since this plan was made" in text(answer)
    assert "lars would be used 2 of 1." in text(answer)
    assert json.loads(answer.context["assignments"]) == {"draft-1": "anna", "law-1": "lars"}
    assert not Allocation.objects.exists()


def test_a_run_without_its_plan_is_refused(olga, two):
    assert olga.post("/allocations/run/", {"problem": json.dumps(TASKS)}).status_code == 400


def test_what_waits_for_its_agent_can_be_released(olga, two, script):
    body = {"problem": json.dumps(TASKS), "assignments": json.dumps({"draft-1": "anna", "law-1": "lars"})}
    olga.post("/allocations/run/", body)
    address = f"/allocations/{Allocation.objects.get().pk}/"
    assert "Let others help" in text(olga.get(address))

    answer = olga.post(f"{address}release/", {"reason": "anna is ill"}, follow=True)
    assert "released: anna is ill" in text(answer)
    assert "Let others help…" not in text(answer)


def test_an_allocation_that_is_not_there_says_so(olga):
    assert olga.get("/allocations/404/").status_code == 404


def test_the_page_of_an_allocation_costs_the_same_for_many_tasks(olga, two):
    def count(tasks_wanted):
        many = {"agents": [{"id": "anna", "capacity": tasks_wanted}]}
        many["tasks"] = [{"id": number, "capabilities": ["draft"]} for number in range(tasks_wanted)]
        chosen = {str(number): "anna" for number in range(tasks_wanted)}
        olga.post("/allocations/run/", {"problem": json.dumps(many), "assignments": json.dumps(chosen)})
        with CaptureQueriesContext(connection) as captured:
            olga.get(f"/allocations/{Allocation.objects.latest('pk').pk}/")
        return len(captured)

    assert count(2) == count(30)


@pytest.mark.parametrize(("terms", "path"), [({"queue": 5}, "queue"), ({"priority": "high"}, "priority")])
def test_terms_of_another_kind_are_told_beside_the_problem(olga, two, terms, path):
    posted = {"problem": json.dumps(TASKS | terms), "assignments": json.dumps({"draft-1": "anna", "law-1": "lars"})}
    answer = olga.post("/allocations/run/", posted)

    assert answer.status_code == 200
    assert f"{path}: Give" in text(answer)
    assert not Run.objects.exists()


def test_a_viewer_sees_plans_and_makes_none(as_, viewer, two):
    eye = as_(viewer)

    assert "Plan tasks" not in text(eye.get("/allocations/"))
    assert eye.get("/allocations/plan/").status_code == 403
    assert plan(eye, NUMBERS).status_code == 403
    posted = {"problem": json.dumps(TASKS), "assignments": "{}"}
    assert eye.post("/allocations/run/", posted).status_code == 403


def test_while_the_host_works_on_others_what_was_typed_stays(olga):
    with slots.take("solvers", 2), slots.take("solvers", 2):
        answer = plan(olga, NUMBERS)

    assert "2 plans are being worked out already; try again in 10 seconds." in text(answer)
    assert "&quot;cost&quot;" in answer.content.decode()


def test_the_admin_shows_plans_and_their_tasks_and_changes_none(as_, admin_user, olga, two):
    posted = {"problem": json.dumps(TASKS), "assignments": json.dumps({"draft-1": "anna", "law-1": "lars"})}
    olga.post("/allocations/run/", posted)
    plan_of, first = Allocation.objects.get().pk, Allocation.objects.get().tasks.first().pk
    admin = as_(admin_user)

    assert "olga" in text(admin.get("/admin/workflows/allocation/"))
    assert admin.get(f"/admin/workflows/allocation/{plan_of}/change/").status_code == 200
    assert "draft-1" in text(admin.get("/admin/workflows/allocationtask/", {"q": str(plan_of)}))
    assert "anna" in text(admin.get(f"/admin/workflows/allocationtask/{first}/change/"))
    assert admin.post(f"/admin/workflows/allocation/{plan_of}/delete/", {"post": "yes"}).status_code == 403
