"""Recommendations over the API."""

import pytest

from agents.models import AgentStatus
from monitoring.advice import recommendations
from monitoring.models import Recommendation
from tests.monitoring.advice.conftest import called, sampled

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/recommendations/"


@pytest.fixture
def failing(make_agent):
    make_agent("well", "draft")
    agent = make_agent("bad", "draft")
    called(agent, well=12, badly=18)
    recommendations.refresh()
    return agent


def only():
    return Recommendation.objects.get()


def test_the_list_filters_by_status_rule_and_subject(api, viewer, failing):
    client = api(viewer)

    (found,) = client.get(ADDRESS).json()["results"]

    assert (found["rule"], found["status"], found["subject"]) == ("failing_agent", "open", f"agent:{failing.pk}")
    assert found["evidence"][0] == {
        "label": "Failed in the last day",
        "value": 0.6,
        "unit": "share",
        "url": f"/agents/{failing.pk}/",
    }
    assert found["action"] == {
        "verb": "move_agent",
        "label": "Drain it",
        "arguments": {"agent": failing.pk, "before": {"status": "online"}, "after": {"status": "draining"}},
    }
    assert found["can_be_applied"] is True
    for query, count in (
        ("status=open", 1),
        ("status=applied,dismissed", 0),
        ("rule=unused_agent", 0),
        (f"subject=agent:{failing.pk}", 1),
        ("subject=pool", 0),
        ("search=bad", 1),
    ):
        assert len(client.get(f"{ADDRESS}?{query}").json()["results"]) == count, query
    assert client.get(f"{ADDRESS}?rule=moon").status_code == 422
    assert client.get(f"{ADDRESS}?colour=red").status_code == 422


def test_applying_answers_with_what_became_of_it(api, operator, failing):
    answer = api(operator).post(f"{ADDRESS}{only().pk}/apply/", {"reason": "Before the rush."})

    assert (answer.status_code, answer.json()["status"]) == (200, "applied")
    assert answer.json()["reason"] == "Before the rush."
    failing.refresh_from_db()
    assert failing.status == AgentStatus.DRAINING
    again = api(operator).post(f"{ADDRESS}{only().pk}/apply/", {})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    undone = api(operator).post(f"{ADDRESS}{only().pk}/undo/", {"reason": "Mended."})
    assert (undone.status_code, undone.json()["status"]) == (200, "dismissed")


def test_a_dismissal_needs_a_reason(api, operator, failing):
    refused = api(operator).post(f"{ADDRESS}{only().pk}/dismiss/", {})

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["path"] == "reason"
    answer = api(operator).post(f"{ADDRESS}{only().pk}/dismiss/", {"reason": "A drill."})
    assert answer.json()["status"] == "dismissed"
    assert api(operator).get(f"{ADDRESS}{only().pk}/").json()["decided_by"] == operator.label


def test_what_is_not_so_any_more_answers_409_and_is_withdrawn(api, operator, failing):
    called(failing, well=200)

    answer = api(operator).post(f"{ADDRESS}{only().pk}/apply/", {})

    assert (answer.status_code, answer.json()["code"]) == (409, "no_longer_true")
    assert only().status == "withdrawn"


def test_roles_are_those_of_the_verb_and_of_what_it_does(api, viewer, operator, make_pool):
    sampled(make_pool("billing", max_size=1), in_use=2, slots=2, waiting=3, oldest_s=40.0)
    recommendations.refresh()
    pk = only().pk

    for client in (api(viewer), api(operator)):
        assert client.post(f"{ADDRESS}{pk}/apply/", {}).status_code == 403
    assert api(viewer).post(f"{ADDRESS}{pk}/dismiss/", {"reason": "No."}).status_code == 403
    assert api(operator).get(f"{ADDRESS}{pk + 1}/").status_code == 404
    assert only().status == "open"
