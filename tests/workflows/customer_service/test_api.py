"""Inquiries and knowledge over the API: the contract's shapes, and every refusal in the contract's form."""

import pytest

from orchestra.kernel.access import actor_of
from orchestra.kernel.models import Event, Role
from tests.workflows.customer_service.test_desk import let_lapse
from workflows.customer_service import desk
from workflows.customer_service.models import Article, Customer, Inquiry, Message

pytestmark = pytest.mark.django_db
INQUIRY = {
    "subject": "Charged twice",
    "body": "Hi, I was charged twice.",
    "customer": {"email": "maya@example.com", "name": "Maya", "tier": "gold"},
}
ARTICLE = {"title": "Double charges", "body": "A second charge is returned.", "category": "billing_question"}


@pytest.fixture
def client(api, operator):
    return api(operator)


def paths(answer):
    return [fault["path"] for fault in answer.json()["errors"]]


def test_an_inquiry_is_taken_in_and_answered_with_all_its_fields(client, service):
    answer = client.post("/api/v1/inquiries/", INQUIRY | {"external_id": "mail-1"})
    said = answer.json()

    assert answer.status_code == 201
    assert (said["status"], said["channel"], said["external_id"]) == ("new", "api", "mail-1")
    assert said["customer"]["tier"] == "gold"
    assert said["sla"]["hours"] == 4
    assert said["messages"][0] | {"at": ""} == {
        "direction": "in",
        "who": "Maya",
        "at": "",
        "text": "Hi, I was charged twice.",
        "status": "",
        "message_id": "",
    }
    assert said["run"]["workflow"] == "customer_inquiry"
    assert {
        "category",
        "confidence",
        "specialist",
        "draft",
        "reply",
        "qa",
        "escalation",
        "assignee",
        "lease",
    } <= said.keys()


def test_a_body_alone_is_enough(client, service):
    answer = client.post("/api/v1/inquiries/", {"body": "Where is my card?"})

    assert (answer.status_code, answer.json()["customer"]) == (201, None)


def test_the_same_external_id_gives_the_same_inquiry_and_another_content_a_conflict(client, service):
    first = client.post("/api/v1/inquiries/", INQUIRY | {"external_id": "mail-1"})
    again = client.post("/api/v1/inquiries/", INQUIRY | {"external_id": "mail-1"})
    other = client.post("/api/v1/inquiries/", INQUIRY | {"external_id": "mail-1", "body": "Something else"})

    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert (other.status_code, other.json()["code"]) == (409, "duplicate_external_id")
    assert other.json()["inquiry"] == first.json()["id"]
    assert Inquiry.objects.count() == 1


def test_an_idempotency_key_creates_once(client, service):
    key = {"Idempotency-Key": "k-1"}
    first = client.post("/api/v1/inquiries/", INQUIRY, headers=key)
    again = client.post("/api/v1/inquiries/", INQUIRY, headers=key)
    other = client.post("/api/v1/inquiries/", INQUIRY | {"body": "else"}, headers=key)

    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert first.json()["id"] == again.json()["id"]


@pytest.mark.parametrize(
    ("change", "status", "path"),
    [
        ({"body": ""}, 422, "body"),
        ({"body": "x" * 1024 * 1024}, 413, "body"),
        ({"body": 7}, 422, "body"),
        ({"body": None}, 422, "body"),
        ({"subject": "x" * 201}, 422, "subject"),
        ({"customer": {"email": "nobody"}}, 422, "customer.email"),
        ({"customer": {"tier": "lead"}}, 422, "customer.tier"),
        ({"customer": {"phone": "1"}}, 422, "customer.phone"),
        ({"customer": "Maya"}, 422, "customer"),
        ({"channel": "pigeon"}, 422, "channel"),
        ({"priority": 3}, 422, "priority"),
    ],
)
def test_a_field_that_does_not_fit_is_named_and_nothing_is_taken_in(client, service, change, status, path):
    answer = client.post("/api/v1/inquiries/", INQUIRY | change)

    assert (answer.status_code, paths(answer)) == (status, [path])
    assert set(answer.json()) >= {"code", "detail", "errors"}
    assert not Inquiry.objects.exists()
    assert not Customer.objects.exists()


def test_control_characters_are_refused(client, service):
    assert client.post("/api/v1/inquiries/", INQUIRY | {"body": "bell \x07"}).status_code == 400


def test_html_in_a_name_is_kept_as_text(client, service):
    answer = client.post("/api/v1/inquiries/", INQUIRY | {"customer": {"name": "<b>Maya</b>"}})

    assert answer.json()["customer"]["name"] == "<b>Maya</b>"


def test_a_viewers_token_reads_and_may_not_write(api, viewer, escalated):
    inquiry = escalated()
    client = api(viewer)

    assert client.get(f"/api/v1/inquiries/{inquiry.pk}/").status_code == 200
    for path in ("", f"{inquiry.pk}/claim/", f"{inquiry.pk}/review/", f"{inquiry.pk}/reassign/"):
        answer = client.post(f"/api/v1/inquiries/{path}", INQUIRY)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert Event.objects.filter(action="RequestRefused").exists()


def test_an_operators_token_of_the_role_viewer_may_not_write(api, operator, service):
    assert api(operator, role=Role.VIEWER).post("/api/v1/inquiries/", INQUIRY).status_code == 403


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=escalated", {"weak"}),
        ("status=escalated,resolved", {"weak", "good"}),
        ("category=billing_question", {"weak", "good"}),
        ("category=general", set()),
        ("cause=weak", {"weak"}),
        ("due_before=2001-01-01", set()),
        ("search=WEAK", {"weak"}),
        ("search=maya", {"weak", "good", "fresh"}),
    ],
)
def test_the_list_filters(client, receive, escalated, play, query, found):
    receive(subject="good")
    play()
    escalated(subject="weak")
    receive(subject="fresh")

    answer = client.get(f"/api/v1/inquiries/?{query}")
    assert {row["subject"] for row in answer.json()["results"]} == found


def test_the_list_filters_by_assignee(client, operator, claimed):
    assert len(client.get(f"/api/v1/inquiries/?assignee={operator.pk}").json()["results"]) == 1
    assert client.get("/api/v1/inquiries/?assignee=somebody").status_code == 422


def test_the_list_is_paged_by_key_in_both_directions(client, receive):
    for number in range(5):
        receive(subject=f"question {number}")
    first = client.get("/api/v1/inquiries/?limit=2").json()
    second = client.get(first["next"]).json()

    assert [row["subject"] for row in second["results"]] == ["question 2", "question 1"]
    assert client.get(second["previous"]).json()["results"] == first["results"]


def test_the_list_takes_a_constant_number_of_queries(client, receive, django_assert_max_num_queries):
    for number in range(10):
        receive(email=f"c{number}@example.com")

    with django_assert_max_num_queries(4):
        client.get("/api/v1/inquiries/")


def test_an_unknown_filter_or_inquiry_is_an_error_in_the_form(client, db):
    assert paths(client.get("/api/v1/inquiries/?colour=red")) == ["colour"]
    assert client.get("/api/v1/inquiries/7/").json()["code"] == "not_found"


def test_an_inquiry_is_claimed_edited_and_sent(client, escalated, play):
    inquiry = escalated()
    lease = client.post(f"/api/v1/inquiries/{inquiry.pk}/claim/").json()["lease"]
    answer = client.post(
        f"/api/v1/inquiries/{inquiry.pk}/review/",
        {"lease": lease["token"], "decision": "edit", "reply": "Better words.", "reason": "friendlier"},
    )
    play()
    said = client.get(f"/api/v1/inquiries/{inquiry.pk}/").json()

    assert (answer.status_code, answer.json()["status"]) == (200, "in_progress")
    assert (said["status"], said["reply"], said["lease"]) == ("resolved", "Better words.", None)
    assert said["messages"][1]["direction"] == "out"
    assert said["reviews"][0]["verdict"] == "edited"
    assert said["reviews"][0]["word_difference"] == {"kept": 0, "inserted": 2, "deleted": 5}


def test_the_lease_may_be_given_back_as_it_was_answered(client, escalated):
    inquiry = escalated()
    lease = client.post(f"/api/v1/inquiries/{inquiry.pk}/claim/").json()["lease"]
    answer = client.post(f"/api/v1/inquiries/{inquiry.pk}/review/", {"lease": lease, "decision": "approve"})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"lease": "mine"}, "lease"),
        ({"lease": {}}, "lease"),
        ({"lease": None}, "lease"),
        ({"decision": "send"}, "decision"),
        ({"decision": "edit"}, "reply"),
        ({"decision": "reject"}, "reason"),
        ({"category": "weather"}, "category"),
    ],
)
def test_a_review_that_does_not_fit_names_the_field(client, claimed, change, path):
    body = {"lease": claimed.lease_token, "decision": "approve"} | change
    answer = client.post(f"/api/v1/inquiries/{claimed.pk}/review/", body)

    assert (answer.status_code, paths(answer)) == (422, [path])


def test_a_claim_on_what_another_holds_names_the_holder(api, other_operator, operator, claimed):
    answer = api(other_operator).post(f"/api/v1/inquiries/{claimed.pk}/claim/")

    assert (answer.status_code, answer.json()["code"]) == (409, "held")
    assert answer.json()["holder"]["name"] == operator.label


def test_a_stale_lease_sends_nothing_and_shows_holder_and_difference(client, claimed, other_operator):
    let_lapse(claimed)
    desk.claim(claimed.pk, by=actor_of(other_operator))
    body = {"lease": claimed.lease_token, "decision": "edit", "reply": "You will get 98 € back."}
    answer = client.post(f"/api/v1/inquiries/{claimed.pk}/review/", body)

    assert (answer.status_code, answer.json()["code"]) == (409, "stale_lease")
    assert answer.json()["holder"]["name"] == "Omar"
    assert ["insert", "98"] in answer.json()["difference"]
    assert not Message.objects.exists()


def test_release_reassign_and_reopen(client, claimed, other_operator, receive, play):
    assert client.post(f"/api/v1/inquiries/{claimed.pk}/release/").json()["status"] == "escalated"
    answer = client.post(f"/api/v1/inquiries/{claimed.pk}/reassign/", {"assignee": other_operator.pk})
    assert answer.json()["assignee"] == {"id": other_operator.pk, "name": "Omar"}
    answer = client.post(f"/api/v1/inquiries/{claimed.pk}/reassign/", {"assignee": 999})
    assert (answer.status_code, paths(answer)) == (422, ["assignee"])

    done = receive()
    play()
    answer = client.post(f"/api/v1/inquiries/{done.pk}/reopen/", {"reason": "she wrote again"})
    assert answer.json()["escalation"]["cause"] == "reopened"


def test_articles_are_added_listed_changed_and_removed(client, db):
    made = client.post("/api/v1/knowledge/", ARTICLE)
    address = f"/api/v1/knowledge/{made.json()['id']}/"
    assert (made.status_code, made.json()["enabled"]) == (201, True)

    assert client.get("/api/v1/knowledge/?category=billing_question").json()["results"] == [made.json()]
    changed = client.patch(address, {"enabled": False, "reason": "outdated"})
    assert (changed.status_code, changed.json()["enabled"], changed.json()["title"]) == (200, False, ARTICLE["title"])
    assert client.delete(address).status_code == 204
    assert not Article.objects.exists()


@pytest.mark.parametrize(
    ("change", "path"), [({"title": ""}, "title"), ({"category": "x"}, "category"), ({"tags": []}, "tags")]
)
def test_an_article_that_does_not_fit_names_the_field(client, db, change, path):
    answer = client.post("/api/v1/knowledge/", ARTICLE | change)

    assert (answer.status_code, paths(answer)) == (422, [path])


def test_a_viewer_may_not_change_articles(api, viewer):
    assert api(viewer).post("/api/v1/knowledge/", ARTICLE).status_code == 403
