"""The pages of workflows, through a browser without JavaScript: list, versions, comparison."""

import html
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestra.kernel import registry
from orchestra.kernel.access import actor_of
from orchestra.kernel.models import EventDetail
from tests.silent_writes import arranged
from tests.workflows.conftest import SYSTEM
from workflows import definitions, schedules, workflow_list
from workflows.models import Run, WorkflowVersion

pytestmark = pytest.mark.django_db
STEP = {"capabilities": ["work"]}
HOSTILE = '"><script>alert(1)</script>'
LIST_QUERIES = 11
"""Session, person, newest event; versions, definitions; newest run, the day's, counts; schedules; last runs (2)."""
VERSIONS_QUERIES = 8
"""Session, person, newest event; the version, its definition; versions, their runs, their events."""


def text(response):
    return response.content.decode()


@pytest.fixture
def visitor(worker, as_, viewer):
    return as_(viewer)


@pytest.fixture
def flow(publish):
    return publish("flow", STEP | {"name": "only"}, title="The flow")


def made(version, count=1, status="succeeded", age=timedelta(0), **more):
    with arranged():
        moment = timezone.now() - age
        runs = [
            Run(version=version, status=status, correlation="c", created_at=moment, finished_at=moment, **more)
            for _ in range(count)
        ]
        return Run.objects.bulk_create(runs)


def rows(visitor, query=""):
    return {row.version.workflow.name: row for row in visitor.get(f"/workflows/{query}").context["rows"]}


def test_an_empty_list_says_what_to_do_first(visitor, as_, admin_user):
    assert "An administrator can write one" in text(visitor.get("/workflows/"))
    assert 'href="/workflows/new/">Write the first workflow' in text(as_(admin_user).get("/workflows/"))


def test_only_who_may_publish_is_offered_a_new_workflow(visitor, flow, as_, admin_user, operator):
    assert "/workflows/new/" in text(as_(admin_user).get("/workflows/"))
    assert "/workflows/new/" not in text(as_(operator).get("/workflows/"))


def test_a_workflow_is_listed_once_with_its_newest_version_title_and_steps(visitor, flow, publish):
    publish("flow", STEP | {"name": "only"}, STEP | {"name": "more"}, title="The longer flow")
    publish("another", STEP | {"name": "only"})

    found = rows(visitor)

    assert list(found) == ["another", "flow"]
    assert found["flow"].version.number == 2
    assert len(found["flow"].definition.steps) == 2
    assert "The longer flow" in text(visitor.get("/workflows/"))


def test_a_row_tells_the_runs_of_the_last_day_how_many_failed_and_the_last_one(visitor, flow, publish):
    made(flow, age=timedelta(days=2), status="failed")
    made(flow, 2)
    newer = publish("flow", STEP | {"name": "other"})
    (last,) = made(newer, 1, "failed")
    publish("quiet", STEP | {"name": "only"})

    found = rows(visitor)

    assert (found["flow"].recent, found["flow"].failed) == (3, 1)
    assert found["flow"].failing == pytest.approx(1 / 3)
    assert found["flow"].last_run == last
    assert (found["quiet"].recent, found["quiet"].failing, found["quiet"].last_run) == (0, None, None)
    assert "33 %" in text(visitor.get("/workflows/"))


def test_an_old_run_is_the_last_one_but_none_of_the_last_day(visitor, flow):
    (old,) = made(flow, age=timedelta(days=9))

    row = rows(visitor)["flow"]

    assert (row.last_run, row.recent) == (old, 0)


def test_no_more_than_so_many_runs_are_counted_and_the_list_says_since_when(visitor, flow, monkeypatch):
    monkeypatch.setattr(workflow_list, "MOST_RECENT", 3)
    made(flow, 2, "failed", age=timedelta(hours=3))
    made(flow, 3, age=timedelta(hours=2))

    row = rows(visitor)["flow"]

    assert (row.recent, row.failed) == (3, 0)
    assert "Runs since" in text(visitor.get("/workflows/"))
    assert "Runs, last day" not in text(visitor.get("/workflows/"))


def test_the_figures_of_a_row_lead_to_what_they_count(visitor, flow, publish):
    other = publish("other", STEP | {"name": "only"})
    made(flow, age=timedelta(days=2), status="failed")
    (succeeded, failed) = [*made(flow), *made(flow, status="failed")]
    made(other)
    shown = text(visitor.get("/workflows/"))
    addresses = [html.unescape(address) for address in re.findall(r'href="(/runs/\?workflow=flow[^"]*)"', shown)]

    found = [[row.run.pk for row in visitor.get(address).context["rows"]()] for address in addresses]

    assert found == [[failed.pk, succeeded.pk], [failed.pk]]


def test_counts_of_a_versions_runs_are_bounded(visitor, flow, monkeypatch):
    monkeypatch.setattr(workflow_list, "COUNT_LIMIT", 3)
    made(flow, 6)

    assert workflow_list.run_counts([flow.pk]) == {flow.pk: 4}


def test_schedules_are_counted(visitor, flow):
    values = {"workflow": "flow", "cron": "@daily"}
    for name in ("nightly", "again"):
        schedules.create(values | {"name": name}, by=SYSTEM)

    assert rows(visitor)["flow"].schedules == 2


@pytest.mark.parametrize(("query", "names"), [("flo", ["flow"]), ("longer", ["flow"]), ("none", [])])
def test_workflows_are_found_by_name_and_by_title(visitor, publish, query, names):
    publish("flow", STEP | {"name": "only"}, title="The longer one")
    publish("another", STEP | {"name": "only"})

    assert list(rows(visitor, f"?search={query}")) == names
    assert ("No workflow matches" in text(visitor.get(f"/workflows/?search={query}"))) == (not names)


def test_the_list_is_paged(visitor, publish):
    for name in ("a", "b", "c"):
        publish(name, STEP | {"name": "only"})

    first = visitor.get("/workflows/?limit=2")

    assert [row.version.workflow.name for row in first.context["rows"]] == ["a", "b"]
    assert list(rows(visitor, first.context["next_url"])) == ["c"]


def queries_of(visitor, address, *regions):
    """How many queries a page costs, or some regions of it, which leave out what other floors add to the frame."""
    definitions.forget()
    with CaptureQueriesContext(connection) as queries:
        visitor.get(address, headers={"X-Regions": " ".join(regions)} if regions else {})
    return len(queries)


def test_more_workflows_cost_no_more_queries(visitor, publish):
    made(publish("a", STEP | {"name": "only"}))
    few = queries_of(visitor, "/workflows/", "workflows")
    for name in ("b", "c", "d"):
        for number in range(3):
            made(publish(name, STEP | {"name": f"step_{number}"}), 2)

    assert few == LIST_QUERIES
    assert queries_of(visitor, "/workflows/", "workflows") == LIST_QUERIES


def test_a_live_refresh_answers_the_list_alone(visitor, flow):
    part = text(visitor.get("/workflows/", headers={"X-Regions": "workflows"}))

    assert part.startswith('<section id="workflows"')
    assert "<html" not in part


def test_a_workflows_page_shows_any_of_its_versions(visitor, flow, publish):
    publish("flow", STEP | {"name": "only"}, STEP | {"name": "more"})

    assert 'id="step-more"' in text(visitor.get("/workflows/flow/"))
    assert 'id="step-more"' not in text(visitor.get("/workflows/flow/1/"))


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (STEP | {"title": "Do it", "timeout": "2m", "retry": {"attempts": 4}}, ["Do it", ">work<", "2 m", ">4<"]),
        (STEP | {"prefers": ["fast"], "critical": False}, ["rather fast", "the run goes on"]),
        (STEP | {"on_failure": "escalate"}, ["a person takes over"]),
        (STEP | {"on_failure": "skip"}, ["it counts as skipped"]),
        (STEP | {"when": "a > 1"}, ["a &gt; 1"]),
        (STEP | {"effects": True}, ["changes the outside world"]),
        (STEP | {"effects": True, "compensate": {"capabilities": ["undo"]}}, ["undone by undo"]),
        (STEP | {"for_each": "lines", "as": "line"}, ["for each", "10 at a time"]),
        (STEP | {"repeat": {"until": "done", "max": 7}}, ["at most 7 times"]),
        (STEP | {"concurrency": {"key": "customer"}}, ["1 at a time of the same"]),
        (STEP | {"resources": [{"type": "printer", "units": 2}]}, ["holds 2 × printer"]),
        ({"human": {"role": "admin", "timeout": "4h"}}, ["a person (admin)", "4 h"]),
        ({"wait": "15m"}, ["waits 15 m"]),
        ({"signal": "scanned", "timeout": "1d"}, ["waits for the signal", "scanned", "1 d"]),
        ({"workflow": "flow"}, ['runs <a href="/workflows/flow/">']),
        ({"first_of": [{"signal": "came"}, {"name": "late", "wait": 5}]}, ["the first of", ">came<", ">late<"]),
        ({"end": "failed"}, ["ends the run: failed"]),
        ({"human": {}, "cancels": ["first"]}, ["withdraws first"]),
        ({"human": {}, "needs": ["first"], "join": 1}, ['href="#step-first"', "1 of them"]),
    ],
)
def test_a_step_says_what_it_is_and_what_becomes_of_failures(visitor, publish, step, words):
    publish("flow", STEP | {"name": "first"}, {"name": "second", **step})

    shown = text(visitor.get("/workflows/flow/"))
    row = shown[shown.index('<tr id="step-second"') :].partition("</tr>")[0]

    assert [word for word in words if word not in row] == []


def test_a_workflow_says_how_its_runs_are(visitor, publish):
    schema = {"type": "object", "required": ["colour"]}
    terms = {"queue": "slow", "deadline": "5d", "input_schema": schema, "output": {"items": "steps.only.output.x"}}
    publish("flow", STEP | {"name": "only"}, resources=[{"type": "bench"}], **terms)

    shown = text(visitor.get("/workflows/flow/"))

    assert [word for word in ("slow", "5 d", "colour", ">items<", "1 × bench") if word not in shown] == []


def test_the_definition_is_shown_as_it_is_written(visitor, publish):
    publish("flow", STEP | {"name": "only", "timeout": "10s"})

    assert "steps:\n  - name: only\n    capabilities: [work]\n    timeout: 10s\n" in text(
        visitor.get("/workflows/flow/")
    )


def test_versions_say_who_published_them_why_and_how_many_runs_they_have(visitor, flow, admin_user):
    made(flow, 2)
    source = {"steps": [STEP | {"name": "other"}]}
    definitions.publish("flow", source, by=actor_of(admin_user), reason="Faster this way")

    shown = visitor.get("/workflows/flow/")

    assert [(row.version.number, row.by, row.reason, row.runs) for row in shown.context["history"]] == [
        (2, admin_user.label, "Faster this way", 0),
        (1, "test", "", 2),
    ]
    assert "Faster this way" in text(shown)


def test_a_version_whose_event_was_erased_is_listed_all_the_same(visitor, flow):
    with arranged():
        EventDetail.objects.update(after="", before="", reason="")

    assert [(row.version.number, row.by) for row in visitor.get("/workflows/flow/").context["history"]] == [(1, "")]


def test_versions_are_paged(visitor, flow):
    with arranged():
        WorkflowVersion.objects.bulk_create(
            WorkflowVersion(workflow=flow.workflow, number=number, definition=flow.definition, digest="x")
            for number in range(2, 26)
        )

    first = visitor.get("/workflows/flow/")
    second = visitor.get(f"/workflows/flow/{first.context['next_url']}")

    assert [row.version.number for row in first.context["history"]] == list(range(25, 5, -1))
    assert [row.version.number for row in second.context["history"]] == [5, 4, 3, 2, 1]


def test_more_versions_cost_no_more_queries(visitor, flow, publish):
    for number in range(5):
        made(publish("flow", STEP | {"name": f"step_{number}"}))

    assert queries_of(visitor, "/workflows/flow/", "workflow-versions") == VERSIONS_QUERIES


@pytest.mark.parametrize(
    ("role", "edit", "start"), [("viewer", False, False), ("operator", False, True), ("admin_user", True, True)]
)
def test_the_page_offers_what_the_role_allows(request, flow, worker, as_, role, edit, start):
    shown = text(as_(request.getfixturevalue(role)).get("/workflows/flow/"))

    assert ("/workflows/flow/edit/" in shown) == edit
    assert ("/runs/add/flow/" in shown) == start


def test_a_workflow_whose_runs_serve_objects_says_that_their_pages_start_them(as_, admin_user, worker, publish):
    publish("flow", STEP | {"name": "only"}, serves="parcel")

    shown = text(as_(admin_user).get("/workflows/flow/"))

    assert "belong to an object of kind parcel" in shown
    assert "/runs/add/flow/" not in shown


def test_an_event_of_a_workflow_leads_to_its_page(visitor, flow):
    address = registry.link("workflow", str(flow.workflow_id))

    assert visitor.get(address).url == "/workflows/flow/"
    assert visitor.get("/workflow/999999/").status_code == 404


def test_two_versions_are_compared_in_sentences_and_side_by_side(visitor, flow, publish):
    publish("flow", STEP | {"name": "only", "timeout": "10s"}, STEP | {"name": "more"}, title="The flow")

    shown = visitor.get("/workflows/flow/compare/")

    assert shown.context["changes"] == ["In step only, timeout was added: 10s.", "Step more was added."]
    assert "<ins>    timeout: 10s</ins>" in text(shown)
    assert text(shown).count('<svg class="graph"') == 2


def test_what_is_compared_can_be_chosen(visitor, flow, publish):
    publish("flow", STEP | {"name": "second"})
    publish("flow", STEP | {"name": "third"})

    shown = visitor.get("/workflows/flow/compare/?from=3&to=1")

    assert (shown.context["before"].number, shown.context["after"].number) == (3, 1)
    assert sorted(shown.context["changes"]) == [
        "Step only was added.",
        "Step third was removed.",
        "Title was added: The flow.",
    ]


@pytest.mark.parametrize(("query", "words"), [("", "one version only"), ("?from=1&to=1", "one version only")])
def test_a_single_version_has_nothing_to_be_compared_with(visitor, flow, query, words):
    assert words in text(visitor.get(f"/workflows/flow/compare/{query}"))


def test_equal_versions_say_so(visitor, flow, publish):
    publish("flow", STEP | {"name": "other"}, title="The flow")
    publish("flow", STEP | {"name": "only"}, title="The flow")

    assert "Both versions say the same" in text(visitor.get("/workflows/flow/compare/?from=1&to=3"))
    assert "This is one version twice" in text(visitor.get("/workflows/flow/compare/?from=2&to=2"))


def test_a_comparison_costs_as_much_for_any_number_of_versions(visitor, flow, publish):
    publish("flow", STEP | {"name": "other"})
    few = queries_of(visitor, "/workflows/flow/compare/")
    for number in range(5):
        publish("flow", STEP | {"name": f"step_{number}"}, STEP | {"name": "more"})

    assert queries_of(visitor, "/workflows/flow/compare/") == few


@pytest.mark.parametrize(
    "address",
    [
        "none/", "flow/9/", "none/compare/", "flow/compare/?to=9", "flow/compare/?from=x", "flow/compare/?to=0",
        "flow/compare/?to=-1", "flow/compare/?from=99999999999999999999", "flow/compare/?to=²",
    ],
)  # fmt: skip
def test_what_does_not_exist_is_not_found(visitor, flow, address):
    assert visitor.get(f"/workflows/{address}").status_code == 404


def test_hostile_texts_are_shown_as_text(visitor, publish, admin_user):
    publish("flow", STEP | {"name": "only"})
    step = STEP | {"name": "only", "title": HOSTILE, "input": {HOSTILE: "x"}}
    hostile = {"title": HOSTILE, "queue": HOSTILE, "steps": [step], "output": {HOSTILE: "x"}}
    definitions.publish("flow", hostile, by=actor_of(admin_user), reason=HOSTILE)

    for address in ("", "flow/", "flow/compare/"):
        assert "<script>alert" not in text(visitor.get(f"/workflows/{address}"))
    assert "&lt;script&gt;alert(1)" in text(visitor.get("/workflows/flow/compare/"))
