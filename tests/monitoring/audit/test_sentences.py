"""Events as sentences."""

import ast
from pathlib import Path

import pytest

from monitoring.audit import sentences
from monitoring.audit.differences import Change
from monitoring.audit.entries import entry
from orchestra.kernel import registry
from orchestra.kernel.access import ANONYMOUS, Actor
from orchestra.kernel.events import Ref
from tests.monitoring.happenings import ADA, ENGINE, TRIAGE, happened

pytestmark = pytest.mark.django_db
OMAR = Ref("user", 2, "Omar Haddad")


@pytest.mark.parametrize(
    ("action", "said", "told"),
    [
        ("UserCreated", {"target": OMAR}, "Ada Moreau added Omar Haddad"),
        ("UserRoleChanged", {"target": OMAR, "after": {"role": "operator"}}, "Ada Moreau made Omar Haddad operator"),
        ("PasswordChanged", {"target": OMAR}, "Ada Moreau changed the password of Omar Haddad"),
        ("PasswordChanged", {"target": Ref("user", 1, "Ada Moreau")}, "Ada Moreau changed their own password"),
        ("UserLoggedIn", {"target": OMAR}, "Ada Moreau signed in"),
        ("AgentChanged", {"target": Ref("agent", 3, "billing-1")}, "Ada Moreau changed the agent billing-1"),
        ("AuditVerified", {"by": ENGINE, "after": {"events": 12_345}}, "The audit trail was verified to #12,345"),
        ("AuditExportFinished", {"after": {"rows": 1_200}}, "Ada Moreau exported 1,200 events"),
        ("AuditExportAborted", {"after": {"rows": 7}}, "The export by Ada Moreau broke off after 7 events"),
    ],
)
def test_known_actions_have_their_own_words(action, said, told):
    assert sentences.sentence(happened(action, **said)) == told


@pytest.mark.parametrize(
    ("action", "target", "told"),
    [
        ("ParcelPacked", Ref("parcel", 9), "Ada Moreau packed parcel 9"),
        ("ParcelPacked", Ref("order", 9, "A-17"), "Ada Moreau packed parcel of order A-17"),
        ("StockLevelRaised", Ref("stock_level", 9, "mugs"), "Ada Moreau raised stock level mugs"),
        ("ParcelExpired", Ref("parcel", 9), "parcel 9 expired"),
        ("ParcelTimedOut", Ref("parcel", 9), "parcel 9 timed out"),
        ("Renamed", Ref("parcel", 9), "Ada Moreau renamed parcel 9"),
    ],
)
def test_unknown_actions_are_told_by_their_names(action, target, told):
    assert sentences.sentence(happened(action, target=target)) == told


def test_a_refusal_says_what_was_asked_for_and_how_often():
    after = {"attempted": "POST /desk/42/claim/", "count": 3}

    told = sentences.sentence(happened("RequestRefused", after=after, outcome="denied"))

    assert told == "Ada Moreau was refused at inquiry #42 Charged twice: POST /desk/42/claim/, 3 times"


def test_a_stranger_who_fails_to_sign_in_is_told_with_the_name_tried():
    event = happened("LoginFailed", by=ANONYMOUS, target=Ref("user", "", "root"), outcome="denied")

    assert sentences.sentence(event) == "someone not signed in failed to sign in as root"


def test_the_doer_stands_out_and_the_object_is_a_link():
    marked = sentences.marked_up(happened("AgentChanged", target=Ref("agent", 3, "billing-1")))

    assert marked == '<strong>Ada Moreau</strong> changed the agent <a href="/agents/3/">billing-1</a>'


def test_a_step_and_its_run_are_both_links():
    event = happened(
        "StepSucceeded", by=TRIAGE, target=Ref("step", 71, "triage"), parent=Ref("run", 7, "customer_inquiry")
    )

    assert sentences.marked_up(event) == (
        '<strong>triage-1</strong> did <a href="/steps/71/">triage</a> of <a href="/runs/7/">run #7</a>'
    )


def test_what_people_write_is_text_not_markup():
    doer = Actor("person", "6", "<i>Eve</i>")
    event = happened("AgentChanged", by=doer, target=Ref("agent", 3, "<script>"))

    marked = sentences.marked_up(event)

    assert "&lt;i&gt;Eve&lt;/i&gt;" in marked
    assert "&lt;script&gt;" in marked
    assert "<script>" not in marked


def test_secrets_are_masked_in_differences():
    shown = entry(happened("AgentChanged", before={"api_key": "old"}, after={"api_key": "new", "slots": 4}))

    assert shown.changes == [Change("api_key", "••••", "••••"), Change("slots", None, "4")]


def test_every_action_in_the_code_has_words_of_its_own():
    used = {
        call.args[0].value
        for folder in ("orchestra", "agents", "workflows", "monitoring")
        for path in Path(folder).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "events.record"
        if call.args and isinstance(call.args[0], ast.Constant)
    }

    assert sorted(action for action in used if registry.phrases.get(action) is None) == []


def test_an_anonymous_event_by_the_system_reads_well():
    assert sentences.sentence(happened("RunFailed", by=ENGINE, target=Ref("run", 7, "customer_inquiry"))) == (
        "Run #7 of customer_inquiry failed"
    )


def test_the_doer_is_named_even_where_labels_are_equal():
    assert sentences.marked_up(happened("UserActivated", by=ADA, target=OMAR)).startswith(
        "<strong>Ada Moreau</strong> "
    )
