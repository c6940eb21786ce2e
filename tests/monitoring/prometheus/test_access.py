"""Who may read /metrics: listed addresses that are proven, and tokens."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestra import env
from orchestra.kernel import accounts
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Role

pytestmark = pytest.mark.django_db
ELSEWHERE = {"REMOTE_ADDR": "203.0.113.7"}


def test_this_machine_needs_no_token(client):
    response = client.get("/metrics", REMOTE_ADDR="127.0.0.1")

    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    assert {"orchestra_events", "orchestra_executors"} <= {
        family.name for family in text_string_to_metric_families(response.content.decode())
    }


@pytest.mark.parametrize("address", ["::1", "::ffff:127.0.0.1"])
def test_this_machine_is_known_by_its_other_addresses(client, address):
    assert client.get("/metrics", REMOTE_ADDR=address).status_code == 200


def test_it_answers_in_text_whatever_is_asked_for(client):
    for accept in ("application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1", "image/png"):
        response = client.get("/metrics", headers={"Accept": accept})

        assert (response.status_code, response["Content-Type"][:10]) == (200, "text/plain")


def test_strangers_need_a_token(client):
    response = client.get("/metrics", **ELSEWHERE)

    assert (response.status_code, response["WWW-Authenticate"]) == (401, "Token")
    assert response.json()["code"] == "not_authenticated"


@pytest.mark.parametrize("scheme", ["Bearer", "Token", "bearer"])
def test_a_viewer_s_token_opens_it_from_anywhere(client, viewer, scheme):
    _, key = accounts.create_token(Actor.system("test"), viewer, name="prometheus", role=Role.VIEWER)

    assert client.get("/metrics", HTTP_AUTHORIZATION=f"{scheme} {key}", **ELSEWHERE).status_code == 200
    assert client.get("/metrics", HTTP_AUTHORIZATION=f"{scheme} {key}x", **ELSEWHERE).status_code == 401


def test_a_wrong_token_is_told_so_even_where_none_is_needed(client):
    assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer nothing").status_code == 401


def test_a_person_who_is_signed_in_may_look(as_, viewer):
    assert as_(viewer).get("/metrics", **ELSEWHERE).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_X_FORWARDED_FOR": "203.0.113.7"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},  # anyone can say so
        {"HTTP_X_FORWARDED_FOR": ""},
        {"HTTP_X_REAL_IP": "127.0.0.1"},
        {"HTTP_FORWARDED": "for=127.0.0.1"},
        {"HTTP_X_FORWARDED_PROTO": "https"},
        {"HTTP_VIA": "1.1 proxy"},
    ],
)
def test_what_comes_through_a_proxy_nobody_counts_is_not_this_machine(client, headers):
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1", **headers).status_code == 401


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("203.0.113.7", 401),
        ("127.0.0.1, 203.0.113.7", 401),  # the client wrote the first
        ("203.0.113.7, 127.0.0.1", 200),  # the proxy saw this machine
        ("nonsense", 401),
        (None, 200),  # past the proxy
    ],
)
def test_behind_a_proxy_its_word_counts(client, settings, forwarded, status):
    settings.PROXY_COUNT = 1
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}

    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1", **headers).status_code == status


def test_a_setting_lists_who_needs_no_token(client, settings):
    settings.METRICS_OPEN_TO = ["203.0.113.0/24"]

    assert client.get("/metrics", **ELSEWHERE).status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 401


def test_an_address_nobody_knows_is_not_listed(client, settings):
    settings.METRICS_OPEN_TO = ["0.0.0.0/0", "::/0"]

    assert client.get("/metrics", REMOTE_ADDR="").status_code == 401


def test_a_range_that_is_none_stops_the_start():
    with pytest.raises(ValueError, match=r"not 'everyone'"):
        env.SETTINGS["METRICS_OPEN_TO"].parse("10.0.0.0/8, everyone")
    assert env.SETTINGS["METRICS_OPEN_TO"].parse("") == []


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_it_is_only_read(client, method):
    assert getattr(client, method)("/metrics").status_code == 405
