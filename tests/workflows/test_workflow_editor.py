"""The editor of definitions without JavaScript, and what its check answers to scripts."""

import pytest

from orchestra.kernel.access import actor_of
from tests.audit import last_event
from tests.workflows.conftest import SYSTEM
from workflows import definitions, editing
from workflows.models import Workflow, WorkflowVersion

pytestmark = pytest.mark.django_db
GOOD = "name: flow\nsteps:\n  - {name: only, capabilities: [work]}\n"
BETTER = "name: flow\nsteps:\n  - {name: only, capabilities: [work]}\n  - {name: more, capabilities: [work]}\n"
BROKEN = "name: flow\nsteps:\n  - name: only\n    capabilities: [work]\n    needs: [nobody]\n"
HOSTILE = '"><script>alert(1)</script>'


def text(response):
    return response.content.decode()


@pytest.fixture
def ada(worker, as_, admin_user):
    return as_(admin_user)


@pytest.fixture
def flow(worker):
    return definitions.publish("flow", GOOD, by=SYSTEM)


def published(name="flow"):
    return list(WorkflowVersion.objects.filter(workflow__name=name).values_list("number", flat=True))


@pytest.mark.parametrize("address", ["/workflows/new/", "/workflows/flow/edit/"])
def test_who_may_not_publish_is_told_what_it_takes(flow, as_, operator, address):
    answer = as_(operator).get(address)

    assert answer.status_code == 403
    assert "This needs the role administrator; ask an administrator for it." in text(answer)
    assert as_(operator).post(address, {"source": GOOD, "upon": 1}).status_code == 403
    assert as_(operator).post("/workflows/validate/", {"source": GOOD}).status_code == 403
    assert published() == [1]


def test_a_new_workflow_begins_with_a_template_that_can_be_published_at_once(ada):
    shown = ada.get("/workflows/new/")

    assert shown.context["words"] == "No fault, 1 step"
    answer = ada.post("/workflows/new/", {"source": shown.context["form"]["source"].value(), "upon": 0})
    assert answer.url == "/workflows/my_workflow/#published"
    assert published("my_workflow") == [1]


def test_editing_begins_with_the_newest_version_as_it_is_written(ada, flow):
    shown = ada.get("/workflows/flow/edit/")

    assert "steps:\n  - name: only\n    capabilities: [work]\n" in text(shown)
    assert shown.context["upon"] == 1


def test_publishing_makes_the_next_version_and_records_who_and_why(ada, flow, admin_user):
    answer = ada.post("/workflows/flow/edit/", {"source": BETTER, "upon": 1, "reason": "Two are better"}, follow=True)

    assert answer.redirect_chain == [("/workflows/flow/#published", 303)]
    assert "Version 2 of flow is published" in text(answer)
    event = last_event()
    assert (event.actor_id, event.detail.reason) == (str(admin_user.pk), "Two are better")


def test_line_ends_of_browsers_are_those_of_yaml(ada, flow):
    ada.post("/workflows/flow/edit/", {"source": BETTER.replace("\n", "\r\n"), "upon": 1})

    assert published() == [2, 1]


def test_the_same_definition_makes_no_new_version_and_says_so(ada, flow):
    answer = ada.post("/workflows/flow/edit/", {"source": f"# a comment\n{GOOD}", "upon": 1}, follow=True)

    assert "This is what version 1 says already" in text(answer)
    assert published() == [1]


def test_faults_are_shown_with_their_lines_and_the_text_stays(ada, flow):
    answer = ada.post("/workflows/flow/edit/", {"source": BROKEN, "upon": 1})

    assert answer.status_code == 422
    assert [(fault.line, fault.path) for fault in answer.context["findings"]] == [(5, "steps[0].needs")]
    assert 'data-line="5">Line 5</a>' in text(answer)
    assert "There is no step named nobody." in text(answer)
    assert "needs: [nobody]" in text(answer)
    assert published() == [1]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"source": "", "upon": 1}, "A definition is a table"),
        ({"source": "steps: [", "upon": 1}, "not YAML"),
        ({"source": GOOD, "upon": "x"}, "Enter a whole number."),
        ({"source": GOOD}, "This field is required."),
        ({"source": GOOD + "#" * 300_000, "upon": 1}, "at most 256 KB"),
        ({"source": GOOD, "upon": 1, "reason": "x" * 1001}, "at most 1000 characters"),
    ],
)
def test_what_cannot_be_read_is_named(ada, flow, fields, words):
    answer = ada.post("/workflows/flow/edit/", fields)

    assert answer.status_code == 422
    assert words in text(answer)


def test_the_name_of_a_workflow_stays(ada, flow):
    answer = ada.post("/workflows/flow/edit/", {"source": BETTER.replace("name: flow", "name: other"), "upon": 1})

    assert "Here it stays flow" in text(answer)
    assert not Workflow.objects.filter(name="other").exists()


def test_a_text_without_a_name_is_of_the_workflow_that_is_edited(ada, flow):
    ada.post("/workflows/flow/edit/", {"source": BETTER.removeprefix("name: flow\n"), "upon": 1})

    assert published() == [2, 1]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (GOOD, "There is a workflow flow already"),
        (GOOD.replace("name: flow", "name: new"), "No workflow can be named new"),
        (GOOD.replace("name: flow\n", ""), "Give a name"),
    ],
)
def test_a_new_workflow_needs_a_name_of_its_own(ada, flow, source, words):
    answer = ada.post("/workflows/new/", {"source": source, "upon": 0})

    assert answer.status_code in (409, 422)
    assert words in text(answer)
    assert published() == [1]


def test_what_somebody_else_published_meanwhile_is_shown_and_not_overwritten(ada, flow, make_user):
    other = make_user("bea", "admin", first_name="Bea")
    theirs = GOOD.replace("[work]}", "[work], timeout: 5s}")
    definitions.publish("flow", theirs, by=actor_of(other))

    answer = ada.post("/workflows/flow/edit/", {"source": BETTER, "upon": 1})

    assert answer.status_code == 409
    assert "Version 2 was published meanwhile by Bea" in text(answer)
    assert "In step only, timeout was added: 5s." in text(answer)
    assert "name: more" in text(answer)
    assert published() == [2, 1]

    ada.post("/workflows/flow/edit/", {"source": BETTER, "upon": answer.context["upon"]})

    assert published() == [3, 2, 1]


def test_a_version_that_never_was_cannot_be_built_upon(ada, flow):
    answer = ada.post("/workflows/flow/edit/", {"source": BETTER, "upon": 7})

    assert answer.status_code == 409
    assert published() == [1]


def check(browser, source, **more):
    return browser.post("/workflows/validate/", {"source": source, **more}).json()


def test_the_check_answers_what_is_drawn_and_publishes_nothing(ada, flow):
    said = check(ada, BETTER, name="flow")

    assert (said["words"], said["lines"]) == ("No fault, 2 steps", [])
    assert 'id="node-more"' in said["graph"]
    assert "It can be published." in said["findings"]
    assert published() == [1]


def test_the_check_names_every_fault_with_its_line(ada, flow):
    said = check(ada, BROKEN.replace("flow", "other") + "    timeout: soon\n", name="flow")

    assert (said["words"], said["lines"]) == ("1 fault", [1])
    assert check(ada, BROKEN + "    timeout: soon\n")["lines"] == [5, 6]
    assert check(ada, "name: a\nsteps: ]")["lines"] == [2]


def test_steps_are_drawn_while_only_a_capability_is_missing(ada, worker):
    said = check(ada, GOOD.replace("work", "fly"))

    assert "No agent has the capability fly." in said["findings"]
    assert 'id="node-only"' in said["graph"]
    assert check(ada, BROKEN)["graph"] == ""


def test_faults_come_in_the_order_of_their_lines():
    source = "name: 1\nzeal: 2\nsteps:\n  - {name: a, wait: x}\n  - {name: a, wait: 5}\n"

    lines = [finding.line for finding in editing.read(source).findings]

    assert lines == sorted(lines)
    assert len(lines) >= 4


def test_hostile_texts_are_shown_as_text(ada, worker):
    source = (
        f"name: flow\ntitle: '{HOSTILE}'\nsteps:\n  - {{name: only, capabilities: ['{HOSTILE}']}}\n'{HOSTILE}': 1\n"
    )

    page = text(ada.post("/workflows/new/", {"source": source, "upon": 0, "reason": HOSTILE}))
    said = check(ada, source)

    assert "<script>alert" not in page + said["findings"] + said["graph"]
    assert "&lt;script&gt;alert" in page
    assert "&lt;script&gt;alert" in said["findings"]


def test_a_closing_textarea_in_a_definition_stays_in_the_textarea(ada, flow):
    source = GOOD + "title: '</textarea><b>'\n"

    assert "</textarea><b>" not in text(ada.post("/workflows/flow/edit/", {"source": source + "x: 1", "upon": 1}))


def test_help_says_what_the_schema_says(ada):
    shown = text(ada.get("/workflows/new/"))

    assert "An agent does it: what the agent must be able to do, all of it." in shown
    assert "How much longer each further wait is than the one before." in shown
    assert "if not given: 30" in shown
    assert "What a step is, one of these" in shown


def test_the_newest_version_is_no_conflict_for_the_verb(flow):
    version = definitions.revise("flow", definitions.newest("flow").definition, upon=1, by=SYSTEM)

    assert version.number == 1
    with pytest.raises(definitions.Conflict, match="Another version of flow was published meanwhile"):
        definitions.revise("flow", version.definition, upon=0, by=SYSTEM)


def test_the_palette_offers_a_new_workflow_to_those_who_may(as_, admin_user, operator):
    assert "New workflow" in text(as_(admin_user).get("/runs/"))
    assert "New workflow" not in text(as_(operator).get("/runs/"))
