"""The audit trail over the API."""

import pytest

from monitoring.audit import seal
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Event
from tests.monitoring.happenings import TRIAGE, happened
from tests.silent_writes import watching

pytestmark = pytest.mark.django_db


def test_an_event_in_all_its_parts(api, viewer):
    client = api(viewer)
    event = happened(
        "StepSucceeded",
        by=TRIAGE,
        target=Ref("step", 71, "triage"),
        parent=Ref("run", 7, "customer_inquiry"),
        before={"status": "running"},
        after={"status": "succeeded", "api_key": "sk-1"},
        reason="It was sure",
        correlation="one",
    )

    found = client.get("/api/v1/audit/?target=run:7").json()["results"]

    assert [row["number"] for row in found] == [event.number]
    assert found[0]["actor"] == {
        "kind": "agent",
        "id": "5",
        "label": "triage-1",
        "on_behalf_of": "",
        "model": "python",
        "version": "2",
    }
    assert found[0]["parent"] == {"kind": "run", "id": "7", "label": "customer_inquiry"}
    assert found[0]["after"] == {"status": "succeeded", "api_key": "••••"}
    assert found[0]["sentence"] == "triage-1 did triage of run #7"
    assert (found[0]["reason"], found[0]["hash"]) == ("It was sure", event.hash)


def test_pages_follow_one_another(api, viewer):
    client = api(viewer)
    numbers = [happened().number for _ in range(3)][::-1]

    first = client.get("/api/v1/audit/?limit=2&action=InquiryClaimed").json()
    second = client.get(first["next"]).json()

    assert [row["number"] for row in first["results"] + second["results"]] == numbers
    assert (first["previous"], second["next"]) == (None, None)


def test_a_filter_it_does_not_have_is_refused(api, viewer):
    answer = api(viewer).get("/api/v1/audit/?colour=red")

    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "colour")


@pytest.mark.parametrize(("name", "text"), [("since", "0001-01-01"), ("until", "9999-12-31T23:59:59Z")])
def test_an_instant_beyond_all_reckoning_is_refused(api, viewer, name, text):
    answer = api(viewer).get("/api/v1/audit/", {name: text})

    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, name)


def test_strangers_see_nothing(client):
    assert client.get("/api/v1/audit/").status_code == 401


def test_a_whole_chain_is_valid(api, viewer):
    client = api(viewer)
    happened()

    answer = client.get("/api/v1/audit/verify/").json()

    assert (answer["valid"], answer["events"], answer["anchored_to"], answer["first_bad"]) == (True, 3, None, None)
    assert answer["head"] == 3


def test_the_first_bad_number_is_named(api, viewer):
    client = api(viewer)
    event = happened()
    with watching(on=False):
        Event.objects.filter(number=event.number).update(target_label="another")

    answer = client.get("/api/v1/audit/verify/").json()

    assert (answer["valid"], answer["first_bad"]) == (False, event.number)


def test_an_operator_can_have_it_verified_by_the_workers(api, operator):
    answer = api(operator).post("/api/v1/audit/verify/")

    assert answer.status_code == 202
    assert seal.seal().running is not None


def test_a_viewer_may_not(api, viewer):
    assert api(viewer).post("/api/v1/audit/verify/").status_code == 403


def test_the_list_takes_the_same_queries_however_long_it_is(api, viewer, django_assert_max_num_queries):
    client = api(viewer)
    for _ in range(20):
        happened(after={"n": 1})

    with django_assert_max_num_queries(8):
        assert len(client.get("/api/v1/audit/").json()["results"]) > 20
