"""The pages of runs and workflows, through a browser without JavaScript."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.outcomes import Done, Failed
from orchestra.kernel.events import Ref
from tests.silent_writes import arranged
from tests.workflows.conftest import OPERATOR
from workflows import engine
from workflows.models import Run

pytestmark = pytest.mark.django_db
STEP = {"capabilities": ["work"]}
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
QUERIES = 24
"""Session, person, newest event; saved filters, badges; 8 bounded counts for chips; workflows, runs, steps; executors,
queues, places in them, the fleet, its load, and where the database has a clock of its own, twice that."""


def text(response):
    return response.content.decode()


@pytest.fixture
def flow(worker, publish):
    """Two workflows: ``flow`` of one step, ``reviewed`` of one step and a person."""
    publish("flow", STEP | {"name": "only"})
    publish("reviewed", STEP | {"name": "draft"}, {"name": "review", "human": {}})


@pytest.fixture
def visitor(flow, as_, viewer):
    return as_(viewer)


def start(workflow="flow", payload=None, **more):
    return engine.start(workflow, payload or {}, by=OPERATOR, **more)


def listed(visitor, query=""):
    return [row.run.pk for row in visitor.get(f"/runs/{query}").context["rows"]()]


def test_an_empty_list_says_when_the_first_run_will_come(visitor):
    assert "Nothing has run yet" in text(visitor.get("/runs/"))


def test_the_newest_run_comes_first_with_its_steps_and_why_it_waits(visitor, script):
    first = start("reviewed", serves=Ref("parcel", 7))
    script.finish()
    second = start()

    shown = text(visitor.get("/runs/"))

    assert shown.index(f"#{second.pk}</a>") < shown.index(f"#{first.pk}</a>")
    assert "parcel 7" in shown
    assert "1 of 2 done" in shown
    assert "It waits for a person to decide at parcel 7." in shown


def test_the_list_is_filtered(visitor, script):
    waiting = start("reviewed", serves=Ref("parcel", 7)).pk
    script.finish()
    queued = start().pk
    with arranged():
        Run.objects.filter(pk=waiting).update(created_at=NOON)
        Run.objects.filter(pk=queued).update(created_at=NOON + timedelta(hours=1), queue="night")

    assert listed(visitor, "?status=waiting") == [waiting]
    assert listed(visitor, "?workflow=flow") == [queued]
    assert listed(visitor, "?queue=night") == [queued]
    assert listed(visitor, "?created_after=2026-03-01T12:30:00Z") == [queued]
    assert listed(visitor, "?created_before=2026-03-01T12:30:00Z") == [waiting]


def test_runs_are_found_by_number_by_what_they_serve_and_by_workflow(visitor):
    parcel, other = start("reviewed", serves=Ref("parcel", 7)).pk, start().pk

    assert listed(visitor, f"?search=%23{other}") == [other]
    assert listed(visitor, f"?search={parcel}") == [parcel]
    assert listed(visitor, "?search=parcel+7") == [parcel]
    assert listed(visitor, "?search=review") == [parcel]
    assert listed(visitor, "?search=nothing") == []
    assert listed(visitor, "?search=²") == []


def test_a_list_without_a_match_offers_to_take_the_filters_away(visitor):
    start()

    assert "No run matches" in text(visitor.get("/runs/?status=failed"))


def test_a_bad_filter_is_named(visitor):
    assert "created_after" in text(visitor.get("/runs/?created_after=yesterday"))


def test_a_long_list_is_paged(visitor):
    runs = [start().pk for _ in range(5)]

    first = visitor.get("/runs/?limit=2")
    assert listed(visitor, first.context["next_url"]) == [runs[2], runs[1]]


def test_the_list_costs_the_same_few_queries_however_many_runs_there_are(visitor, script):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            visitor.get("/runs/", headers={"X-Regions": "runs"})
        return len(captured)

    start()
    start("reviewed")
    queries()  # the definitions are parsed once
    few = queries()
    engine.start_many("flow", [({}, Ref("parcel", number)) for number in range(40)], by=OPERATOR)

    assert queries() == few <= QUERIES


def test_a_runs_page_shows_its_steps_and_why_this_agent(visitor, script):
    run = start("reviewed", {"token": "t0p", "text": "hello"}, serves=Ref("parcel", 7))
    script.finish()

    shown = text(visitor.get(f"/runs/{run.pk}/?step=draft"))

    assert "It waits for a person to decide at parcel 7." in shown
    assert "Why" in shown
    assert "It was the only one that could take the step." in shown
    assert "worker-1" in shown
    assert "attempt 1, succeeded" in shown
    assert "t0p" not in shown


def test_without_a_choice_the_step_that_tells_most_is_shown(visitor, script):
    run = start("reviewed")
    script.finish()

    assert visitor.get(f"/runs/{run.pk}/").context["chosen"].step.name == "review"
    assert visitor.get(f"/runs/{run.pk}/?step=draft").context["chosen"].step.name == "draft"
    assert visitor.get(f"/runs/{run.pk}/?step=nonsense").context["chosen"].step.name == "review"


def test_a_failed_run_says_why(visitor, script):
    run = start()
    script.finish(Failed("The shop is closed.", retryable=False))

    shown = text(visitor.get(f"/runs/{run.pk}/"))

    assert "The critical step only failed." in shown
    assert "The shop is closed." in shown


@pytest.mark.parametrize(
    "region",
    ["run-head", "run-graph", "run-steps", "run-items", "run-side", "run-signals", "run-payloads", "run-panels"],
)
def test_each_region_is_answered_alone(visitor, region):
    run = start()

    part = text(visitor.get(f"/runs/{run.pk}/", headers={"X-Regions": region}))

    assert f'id="{region}"' in part
    assert part.count("data-region") == 1


def test_markup_in_inputs_and_errors_is_only_text(visitor, script):
    run = start(payload={"text": "<script>alert(1)</script>"})
    script.finish(Failed("<b>no</b>", retryable=False))

    shown = text(visitor.get(f"/runs/{run.pk}/"))

    assert "<script>alert" not in shown
    assert "<b>no</b>" not in shown


def test_a_steps_own_address_leads_to_its_run(visitor, script):
    run = start()

    answer = visitor.get(f"/steps/{run.steps.get().pk}/")

    assert answer.url == f"/runs/{run.pk}/?step=only"


@pytest.mark.parametrize("address", ["/runs/404/", "/steps/404/", "/workflows/none/", "/workflows/flow/9/"])
def test_what_does_not_exist_is_not_found(visitor, address):
    assert visitor.get(address).status_code == 404


def test_an_agents_page_shows_its_recent_calls(visitor, worker, script):
    run = start()
    script.finish(Done({"secret": 1}))

    shown = text(visitor.get(f"/agents/{worker.pk}/"))

    assert "Recent calls" in shown
    assert f"/runs/{run.pk}/?step=only" in shown


def test_an_agents_load_is_its_calls_in_flight(visitor, worker, script):
    start()
    script.turn()

    assert visitor.get("/agents/").context["agents"][0].in_flight == 1
