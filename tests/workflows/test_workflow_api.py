"""Workflows over the API: publishing, versions, comparison, the form of definitions, and whether one is valid."""

import pytest

from tests.audit import last_event
from workflows.definition_schema import SCHEMA
from workflows.models import Workflow, WorkflowVersion

pytestmark = pytest.mark.django_db
WORKFLOWS = "/api/v1/workflows/"
STEPS = [{"name": "draft", "capabilities": ["work"]}, {"name": "review", "human": {}}]
TEXT = "steps:\n  - {name: draft, capabilities: [work]}\n  - {name: review, human: {}}\n"


def faults(answer):
    return [fault["path"] for fault in answer.json()["errors"]]


def test_an_administrator_publishes_a_version_and_the_same_again_is_no_new_one(worker, api, admin_user):
    client, body = api(admin_user), {"name": "flow", "definition": {"steps": STEPS}, "reason": "at last"}

    first, again = client.post(WORKFLOWS, body), client.post(WORKFLOWS, body)

    assert first.status_code == 201
    assert (first.json()["version"], again.json()["version"], WorkflowVersion.objects.count()) == (1, 1, 1)
    assert last_event().detail.reason == "at last"


def test_the_text_of_a_definition_is_the_same_version_as_its_data(worker, api, admin_user):
    client = api(admin_user)

    texts = client.post(WORKFLOWS, {"name": "flow", "definition": TEXT})
    data = client.post(WORKFLOWS, {"name": "flow", "definition": {"steps": STEPS}})

    assert (texts.status_code, texts.json()["definition"]) == (201, {"name": "flow", "steps": STEPS})
    assert texts.json()["digest"] == data.json()["digest"]


def test_nobody_but_an_administrator_publishes(worker, api, operator):
    answer = api(operator).post(WORKFLOWS, {"name": "flow", "definition": {"steps": STEPS}})

    assert (answer.status_code, last_event().action) == (403, "RequestRefused")


@pytest.mark.parametrize(
    ("definition", "paths"),
    [
        (
            {"steps": [{"name": "a", "capabilities": ["work"], "needs": ["b"]}, {"name": "b"}]},
            ["steps[1].capabilities", "steps"],
        ),
        ({"steps": [{"name": "a", "capabilities": ["wrok"]}]}, ["steps[0].capabilities[0]"]),
        ({"steps": [{"name": "a", "workflow": "nobody"}]}, ["steps[0].workflow"]),
        ("steps: ]", ["line 1, column 8"]),
        ("- a", [""]),
        (7, ["definition"]),
    ],
)
def test_a_definition_with_faults_is_refused_with_the_path_of_each(worker, api, admin_user, definition, paths):
    answer = api(admin_user).post(WORKFLOWS, {"name": "flow", "definition": definition})

    assert (answer.status_code, faults(answer)) == (422, paths)
    assert not Workflow.objects.exists()


def test_a_workflow_may_call_itself_and_others_that_exist(publish, worker, api, admin_user):
    publish("other", *STEPS)
    steps = [{"name": "again", "workflow": "flow"}, {"name": "else", "workflow": "other"}]

    assert api(admin_user).post(WORKFLOWS, {"name": "flow", "definition": {"steps": steps}}).status_code == 201


def test_workflows_are_read_by_name_and_version(publish, api, viewer):
    publish("reviewed", *STEPS)
    publish("reviewed", *STEPS[:1])
    client = api(viewer)

    assert [(w["name"], w["version"]) for w in client.get(WORKFLOWS).json()["results"]] == [("reviewed", 2)]
    assert client.get(f"{WORKFLOWS}reviewed/").json()["definition"]["steps"] == STEPS[:1]
    versions = client.get(f"{WORKFLOWS}reviewed/versions/").json()["results"]
    assert [version["version"] for version in versions] == [2, 1]


def test_two_versions_are_compared(publish, api, viewer):
    publish("reviewed", *STEPS)
    publish("reviewed", {**STEPS[0], "timeout": 5}, STEPS[1])
    publish("reviewed", {**STEPS[0], "timeout": 5})
    client = api(viewer)

    first = client.get(f"{WORKFLOWS}reviewed/compare/?from=1&to=2").json()
    newest = client.get(f"{WORKFLOWS}reviewed/compare/").json()

    added = {"path": "steps.draft.timeout", "kind": "added", "before": None, "after": 5}
    assert first == {"name": "reviewed", "from": 1, "to": 2, "changes": [added]}
    assert (newest["from"], newest["to"]) == (2, 3)
    assert [(change["path"], change["kind"]) for change in newest["changes"]] == [("steps.review", "removed")]


@pytest.mark.parametrize(
    ("query", "status", "paths"),
    [("from=one", 422, ["from"]), ("to=0", 422, ["to"]), ("to=99999999999", 422, ["to"]), ("from=3", 404, [])],
)
def test_versions_that_do_not_exist_cannot_be_compared(publish, api, viewer, query, status, paths):
    publish("reviewed", *STEPS)

    answer = api(viewer).get(f"{WORKFLOWS}reviewed/compare/?{query}")

    assert (answer.status_code, faults(answer)) == (status, paths)


def test_the_form_of_definitions_is_published(api, viewer):
    answer = api(viewer).get(f"{WORKFLOWS}schema/")

    assert answer.json() == SCHEMA
    assert "max-age" in answer["Cache-Control"]


@pytest.mark.parametrize("body", [{"definition": {"name": "flow", "steps": STEPS}}, {"text": "name: flow\n" + TEXT}])
def test_a_viewer_learns_that_a_definition_is_valid_and_nothing_is_published(worker, api, viewer, body):
    answer = api(viewer).post(f"{WORKFLOWS}validate/", body)

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "valid": True,
            "errors": [],
            "steps": [
                {"name": "draft", "title": "", "kind": "agent", "needs": []},
                {"name": "review", "title": "", "kind": "human", "needs": ["draft"]},
            ],
        },
    )
    assert not Workflow.objects.exists()


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({"definition": {"steps": []}}, ["name", "steps"]),
        (
            {"definition": {"name": "flow", "steps": [{"name": "a", "capabilities": ["nobody"]}]}},
            ["steps[0].capabilities[0]"],
        ),
        ({"text": "name: flow\nsteps: ]"}, ["line 2, column 8"]),
        ({"text": ""}, [""]),
        ({"text": '{"name": "flow"}'}, ["steps"]),
    ],
)
def test_validation_names_every_fault(worker, api, viewer, body, paths):
    answer = api(viewer).post(f"{WORKFLOWS}validate/", body)

    assert (answer.status_code, answer.json()["valid"], faults(answer)) == (200, False, paths)
    assert "steps" not in answer.json()


@pytest.mark.parametrize("body", [{}, {"definition": {}, "text": ""}])
def test_one_thing_is_validated_at_a_time(api, viewer, body):
    answer = api(viewer).post(f"{WORKFLOWS}validate/", body)

    assert (answer.status_code, faults(answer)) == (422, ["definition"])
