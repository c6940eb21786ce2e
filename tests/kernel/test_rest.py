"""The API's edge: who may call, how errors are answered, pages of lists, requests sent twice."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import include, path
from django.utils import timezone
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.test import APIClient

from orchestra.kernel import access, accounts, events, rest
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import StaleLease, field_error
from orchestra.kernel.lists import Choice, ListFilter
from orchestra.kernel.models import ApiToken, Event, IdempotencyRecord, Role, User
from orchestra.urls import handler400, handler403, handler404, handler500  # noqa: F401  as in production
from tests.audit import actions, last_event

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.kernel.test_rest")]
access.grant({"teas.make": Role.OPERATOR})


class Teas(ListFilter):
    filters = {"role": Choice(Role.choices, "role")}
    order = ("id",)

    def base(self):
        return User.objects.all()


class TeaIn(rest.Serializer):
    name = serializers.CharField(max_length=30)


class TeaOut(rest.Serializer):
    id = serializers.IntegerField()
    username = serializers.CharField()


class TeaList(rest.View):
    permissions = {"POST": "teas.make"}

    def get(self, request):
        return rest.page_of(request, Teas, TeaOut)

    def post(self, request):
        name = self.valid(TeaIn)["name"]
        return rest.create_once(request, lambda: self.brew(request.actor, name))

    def brew(self, actor, name):
        access.check(actor, "teas.make")
        with events.recording(actor):
            if name == "cold":
                raise field_error("name", "Nobody wants that.")
            user = accounts.create_user(Actor.system("kettle"), username=name, role=Role.VIEWER)
        return {"id": user.pk, "username": user.username}


class TeaPage(rest.View):
    permissions = {"POST": "teas.make"}

    def get(self, request, pk):
        return Response(TeaOut(rest.found(User.objects, pk=pk)).data)

    def post(self, request, pk):
        raise StaleLease(target=events.Ref("tea", pk))

    def put(self, request, pk):
        return Response("no permission is named for this")


class WriteOnly(rest.View):
    permissions = {"POST": "teas.make"}

    def post(self, request):
        return Response("written")


class Broken(rest.View):
    def get(self, request):
        raise ZeroDivisionError("the secret inside")


urlpatterns = [
    path("api/v1/teas/", TeaList.as_view()),
    path("api/v1/teas/<int:pk>/", TeaPage.as_view()),
    path("api/v1/write-only/", WriteOnly.as_view()),
    path("api/v1/broken/", Broken.as_view()),
    path("", include("orchestra.urls")),
]

TEAS = "/api/v1/teas/"


def test_a_token_reads_and_is_marked_as_used(viewer, api):
    assert api(viewer).get(TEAS).status_code == 200
    assert ApiToken.objects.get().last_used_at is not None


def test_a_use_is_noted_at_most_once_a_minute(viewer, api, django_assert_num_queries):
    client = api(viewer)
    client.get(TEAS)

    with django_assert_num_queries(2):  # the token with its owner, the page; no UPDATE
        client.get(TEAS)

    long_ago = timezone.now() - timedelta(minutes=2)
    ApiToken.objects.update(last_used_at=long_ago)
    client.get(TEAS)
    assert ApiToken.objects.get().last_used_at > long_ago


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_request_without_a_token_is_asked_for_one(db, method):
    answer = getattr(APIClient(), method)(TEAS)

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Token")
    assert answer.json()["code"] == "not_authenticated"


def test_reading_without_a_token_is_no_event_but_trying_to_write_is(db):
    APIClient().get(TEAS)
    assert actions() == []

    APIClient().post(TEAS)
    assert (last_event().action, last_event().actor_id) == ("RequestRefused", "")


def test_a_wrong_token_is_refused_and_recorded_without_its_key(db):
    client = APIClient(headers={"authorization": "Token guessed-key"})

    assert client.get(TEAS).status_code == 401
    assert last_event().action == "RequestRefused"
    assert "guessed-key" not in str(list(Event.objects.values())) + last_event().detail.after


def test_a_wrong_token_beside_a_good_session_is_still_wrong(viewer, as_):
    assert as_(viewer).get(TEAS, headers={"authorization": "Token guessed-key"}).status_code == 401


def test_tokens_end_by_expiry_revocation_and_deactivation(viewer, operator, api):
    system = Actor.system("test")
    expired, revoked, left = api(viewer, expires_at=timezone.now() + timedelta(hours=1)), api(viewer), api(operator)
    first, second = ApiToken.objects.filter(user=viewer).order_by("pk")
    with events.recording(system):
        ApiToken.objects.filter(pk=first.pk).update(expires_at=timezone.now())
    accounts.revoke_token(system, second)
    accounts.change_user(system, operator, is_active=False)

    assert [client.get(TEAS).status_code for client in (expired, revoked, left)] == [401, 401, 401]


def test_a_token_of_a_lower_role_than_its_owner_may_do_less(operator, api):
    answer = api(operator, role=Role.VIEWER).post(TEAS, {"name": "green"})

    assert answer.status_code == 403
    assert answer.json()["permission"] == "teas.make"
    assert (last_event().action, last_event().permission, last_event().actor_label) == (
        "RequestRefused",
        "teas.make",
        "olga",
    )


def test_the_role_is_asked_before_the_body_is_read(viewer, api):
    assert api(viewer).post(TEAS, {"wrong": 1}).status_code == 403


def test_a_write_that_names_no_permission_is_refused_even_to_administrators(admin_user, api):
    assert api(admin_user).put(f"{TEAS}1/").status_code == 403


def test_a_session_reads_and_writes_only_with_the_token_against_forgery(operator, as_):
    browser = Client(enforce_csrf_checks=True)
    browser.cookies = as_(operator).cookies
    send = {"data": {"name": "green"}, "content_type": "application/json"}

    assert browser.get(TEAS).status_code == 200
    assert browser.post(TEAS, **send).status_code == 403
    browser.get("/settings/tokens/")
    token = browser.cookies["csrftoken"].value
    assert browser.post(TEAS, **send, headers={"x-csrftoken": token}).status_code == 201


REFUSED = {
    "an object that is not there": (lambda client: client.get(f"{TEAS}99/"), 404, "not_found"),
    "a path that is not there": (lambda client: client.get("/api/v1/nowhere/"), 404, "not_found"),
    "a method without a permission": (lambda client: client.put(f"{TEAS}1/"), 403, "forbidden"),
    "a method that is not there": (lambda client: client.delete(TEAS), 405, "method_not_allowed"),
    "an answer in HTML": (lambda client: client.get(TEAS, HTTP_ACCEPT="text/html"), 406, "not_acceptable"),
    "a body in plain text": (
        lambda client: client.post(TEAS, "green", content_type="text/plain"),
        415,
        "unsupported_media_type",
    ),
    "half an object": (lambda client: client.post(TEAS, "{", content_type="application/json"), 400, "bad_request"),
    "a list": (lambda client: client.post(TEAS, "[]", content_type="application/json"), 400, "bad_request"),
    "NUL in a filter": (lambda client: client.get(f"{TEAS}?role=a%00b"), 400, "bad_request"),
    "an invented cursor": (lambda client: client.get(f"{TEAS}?cursor=nonsense"), 400, "bad_request"),
    "an unknown value of a filter": (lambda client: client.get(f"{TEAS}?role=king"), 422, "invalid"),
    "an unknown filter": (lambda client: client.get(f"{TEAS}?colour=red"), 422, "invalid"),
    "a page of no rows": (lambda client: client.get(f"{TEAS}?limit=0"), 422, "invalid"),
    "a field of another type": (lambda client: client.post(TEAS, {"name": 5}), 422, "invalid"),
    "a lease that ended": (lambda client: client.post(f"{TEAS}7/", {}), 409, "stale_lease"),
    "a fault of ours": (lambda client: client.get("/api/v1/broken/"), 500, "internal_error"),
}


@pytest.mark.parametrize(("send", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_every_error_has_the_one_form(operator, api, send, status, code):
    answer = send(api(operator))

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["detail"].endswith((".", "}."))
    assert isinstance(answer.json()["errors"], list)


def test_a_method_that_a_path_does_not_have_is_said_so(admin_user, api):
    assert api(admin_user).get("/api/v1/write-only/").json()["code"] == "method_not_allowed"


def test_a_method_that_a_path_does_not_have_is_no_refusal(viewer, api):
    client = api(viewer)
    before = actions()

    assert client.delete(TEAS)["Allow"] == "GET, POST, HEAD, OPTIONS"
    assert actions() == before


def test_errors_are_json_even_where_answers_are_yaml(client):
    answer = client.get("/api/schema/")

    assert (answer.status_code, answer["Content-Type"]) == (401, "application/json")
    assert answer.json()["code"] == "not_authenticated"


def test_a_body_that_is_too_large_is_refused_before_it_is_parsed(operator, api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000

    answer = api(operator).post(TEAS, {"name": "a" * 2000})

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_an_unforeseen_error_gives_the_number_of_the_request_and_nothing_of_its_inside(viewer, api):
    answer = api(viewer).get("/api/v1/broken/")

    assert answer.json()["request_id"] == answer["X-Request-ID"]
    assert "secret" not in answer.content.decode()


def test_a_stale_lease_is_a_refusal_about_its_object(operator, api):
    api(operator).post(f"{TEAS}7/", {})

    event = last_event()
    assert (event.target_kind, event.target_id) == ("tea", "7")
    assert json.loads(event.detail.after)["attempted"] == "POST /api/v1/teas/7/"


def test_lists_are_paged_forwards_and_backwards_by_the_addresses_they_give(viewer, make_user, api):
    for name in "abcd":
        make_user(name)
    client = api(viewer)

    def names(page):
        return [row["username"] for row in page["results"]]

    first = client.get(f"{TEAS}?limit=2").json()
    second = client.get(first["next"]).json()
    third = client.get(second["next"]).json()

    assert [names(page) for page in (first, second, third)] == [["vera", "a"], ["b", "c"], ["d"]]
    assert (first["previous"], third["next"]) == (None, None)
    assert names(client.get(third["previous"]).json()) == names(second)


def test_a_request_sent_again_creates_nothing_and_is_answered_alike(operator, api):
    client, key = api(operator), {"HTTP_IDEMPOTENCY_KEY": "order-7"}

    first, second = (client.post(TEAS, {"name": "green"}, **key) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert User.objects.filter(username="green").count() == 1


def test_the_same_key_for_another_body_is_refused(operator, api):
    client, key = api(operator), {"HTTP_IDEMPOTENCY_KEY": "order-7"}
    client.post(TEAS, {"name": "green"}, **key)

    answer = client.post(TEAS, {"name": "black"}, **key)

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_mismatch")
    assert not User.objects.filter(username="black").exists()


def test_keys_of_different_people_do_not_meet(operator, admin_user, api):
    key = {"HTTP_IDEMPOTENCY_KEY": "order-7"}

    assert api(operator).post(TEAS, {"name": "green"}, **key).status_code == 201
    assert api(admin_user).post(TEAS, {"name": "black"}, **key).status_code == 201


def test_a_creation_that_failed_leaves_its_key_free(operator, api):
    client, key = api(operator), {"HTTP_IDEMPOTENCY_KEY": "order-7"}

    assert client.post(TEAS, {"name": "cold"}, **key).status_code == 422
    assert IdempotencyRecord.objects.count() == 0
    assert client.post(TEAS, {"name": "green"}, **key).status_code == 201


@pytest.mark.parametrize("key", ["", "two words", "ü", "a" * 256])
def test_a_key_that_no_program_would_send_is_refused(operator, api, key):
    answer = api(operator).post(TEAS, {"name": "green"}, HTTP_IDEMPOTENCY_KEY=key)

    assert answer.status_code == 400


@pytest.mark.django_db(transaction=True)
def test_of_two_requests_at_a_time_with_one_key_one_creates(operator, api):
    client = api(operator)

    def send(_):
        try:
            return client.post(TEAS, {"name": "green"}, HTTP_IDEMPOTENCY_KEY="order-7")
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(send, range(4)))

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.content for answer in answers}) == 1
    assert User.objects.filter(username="green").count() == 1
