"""The edge of every page: sign-in, errors, control characters, the region protocol."""

import json

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.test import Client
from django.urls import include, path

from orchestra.kernel import events, pulses
from orchestra.kernel.errors import Held, Invalid
from orchestra.kernel.models import Event, Pulse
from orchestra.kernel.pages import page
from orchestra.urls import handler400, handler403, handler404, handler500  # noqa: F401  as in production
from tests.audit import actions, last_event

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.kernel.test_web")]


@page()
def calm(request):
    with events.recording(request.actor):
        events.record("TeaServed", target=events.Ref("tea", 1))
    return HttpResponse("calm")


@page("POST")
def take(request):
    raise Held("grace holds this until 14:05.", target=events.Ref("tea", 7, "the last cup"), holder="grace")


@page("POST", permission="people.manage")
def manage(request):
    return HttpResponse("managed")


def missing(request):
    raise Http404


def denied(request):
    raise PermissionDenied("Not this one.")


def broken(request):
    raise ZeroDivisionError("the secret inside")


def half_done(request):
    with events.recording(request.actor):
        events.record("TeaSpilled", target=events.Ref("tea", 1))
        raise Invalid(errors=[{"path": "cup", "message": "It is full."}])


urlpatterns = [
    path("calm/", calm),
    path("take/", take),
    path("manage/", manage),
    path("missing/", missing),
    path("denied/", denied),
    path("broken/", broken),
    path("half-done/", half_done),
    path("word/<str:word>/", lambda request, word: HttpResponse(word)),
    path("", include("orchestra.urls")),
]


def test_a_page_needs_somebody_signed_in(client):
    answer = client.get("/calm/?tab=2")

    assert (answer.status_code, answer.url) == (302, "/login/?next=/calm/%3Ftab%3D2")
    assert actions() == []


def test_after_signing_in_a_form_of_an_ended_session_leads_back_to_its_page(client):
    answer = client.post("/take/", HTTP_REFERER="http://testserver/calm/")

    assert answer.url == "/login/?next=http%3A//testserver/calm/"


@pytest.mark.parametrize("header", ["HTTP_X_REGIONS", "HTTP_HX_REQUEST"])
def test_a_script_of_a_signed_out_page_is_told_so_instead_of_given_the_login_page(client, header):
    answer = client.get("/calm/", **{header: "true"})

    assert answer.status_code == 401
    assert answer["HX-Redirect"] == "/login/?next=/calm/"


def test_events_say_which_request_they_came_from(viewer, as_):
    answer = as_(viewer).get("/calm/", REMOTE_ADDR="192.0.2.7")

    event = last_event()
    assert (event.actor_label, event.request, event.address) == ("vera", answer["X-Request-ID"], "192.0.2.7")


def test_a_lost_race_is_a_page_that_names_the_winner_and_a_refusal_in_the_trail(operator, as_):
    answer = as_(operator).post("/take/")

    assert answer.status_code == 409
    assert "grace holds this until 14:05." in answer.content.decode()
    event = last_event()
    assert (event.action, event.outcome, event.target_kind, event.target_id) == ("RequestRefused", "denied", "tea", "7")
    assert json.loads(event.detail.after) == {"attempted": "POST /take/", "count": 1}


def test_a_script_that_reads_json_gets_the_error_as_json(operator, as_):
    answer = as_(operator).post("/take/", HTTP_X_REQUESTED_WITH="fetch")

    expected = {"code": "held", "detail": "grace holds this until 14:05.", "errors": [], "holder": "grace"}
    assert answer.json() == expected


def test_a_script_that_reads_html_gets_a_part_of_a_page(operator, as_):
    answer = as_(operator).post("/take/", HTTP_HX_REQUEST="true")

    assert (answer.status_code, "<html" in answer.content.decode()) == (409, False)


def test_the_wrong_role_is_refused_and_recorded_with_what_it_lacked(operator, as_):
    answer = as_(operator).post("/manage/")

    assert answer.status_code == 403
    assert (last_event().action, last_event().permission) == ("RequestRefused", "people.manage")


def test_equal_refusals_of_a_minute_are_one_event(operator, as_):
    browser = as_(operator)
    for _ in range(5):
        browser.post("/manage/")

    assert actions().count("RequestRefused") == 1


def test_another_method_is_not_allowed(operator, as_):
    answer = as_(operator).get("/take/")

    assert (answer.status_code, answer["Allow"]) == (405, "POST")


@pytest.mark.parametrize(("address", "status"), [("/missing/", 404), ("/denied/", 403), ("/nowhere/", 404)])
def test_djangos_own_refusals_look_like_ours(operator, as_, address, status):
    answer = as_(operator).get(address)

    assert (answer.status_code, "bare-card" in answer.content.decode()) == (status, True)


def test_an_unforeseen_error_gives_its_number_and_nothing_of_its_inside(operator, as_):
    browser = as_(operator)
    browser.raise_request_exception = False

    answer = browser.get("/broken/")

    assert answer.status_code == 500
    assert answer["X-Request-ID"] in answer.content.decode()
    assert "secret inside" not in answer.content.decode()


def test_a_failed_unit_leaves_neither_write_nor_event(operator, as_):
    answer = as_(operator).get("/half-done/")

    assert (answer.status_code, "It is full." in answer.content.decode()) == (422, True)
    assert "TeaSpilled" not in actions()


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f"])
def test_control_characters_are_refused_by_name_of_their_field(operator, as_, character):
    browser = as_(operator)

    in_form = browser.post("/take/", {"reply": f"a{character}b"})
    in_query = browser.get("/calm/", {"search": f"a{character}b"})

    assert (in_form.status_code, in_query.status_code) == (400, 400)
    assert "<code>reply</code>" in in_form.content.decode()
    assert "<code>search</code>" in in_query.content.decode()


def test_control_characters_in_an_address_are_refused(operator, as_):
    assert as_(operator).get("/word/a%00b/").status_code == 400


def test_lines_and_tabs_are_text(operator, as_):
    assert as_(operator).get("/calm/", {"search": "a\tb\r\nc"}).status_code == 200


def test_a_form_larger_than_the_limit_is_too_large(operator, as_, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000

    assert as_(operator).post("/take/", {"reply": "a" * 2000}).status_code == 413


def test_a_form_without_the_token_against_forgery_is_refused_kindly(operator, as_):
    browser = Client(enforce_csrf_checks=True)
    browser.cookies = as_(operator).cookies

    answer = browser.post("/take/")

    assert (answer.status_code, "too old" in answer.content.decode()) == (403, True)


def test_an_answer_of_regions_says_up_to_which_event_it_is_true(operator, as_):
    browser = as_(operator)
    before = Event.objects.latest("number").number

    answer = browser.get("/calm/", HTTP_X_REGIONS="tea")

    assert answer["X-Live-Number"] == str(before)
    assert Event.objects.latest("number").number == before + 1


def test_pages_are_never_kept_by_shared_caches(operator, as_):
    assert as_(operator).get("/calm/")["Cache-Control"] == "private, no-cache"


def test_the_policy_allows_nothing_inline_and_nothing_foreign(client):
    policy = client.get("/login/")["Content-Security-Policy"]

    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_a_probe_needs_nobody_and_asks_nothing(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/healthz").json() == {"ok": True}


def test_readiness_names_what_is_missing(client):
    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert {check["name"]: check["ok"] for check in answer.json()["checks"]} == {
        "database": True,
        "executors": False,
        "main": False,
    }


def test_readiness_follows_the_signs_of_life(client):
    pulses.beat(pulses.of_process(pulses.EXECUTOR))
    pulses.beat(pulses.MAIN)
    assert client.get("/readyz").json()["ready"] is True

    Pulse.objects.filter(name=pulses.MAIN).delete()
    assert client.get("/readyz").json()["ready"] is False
