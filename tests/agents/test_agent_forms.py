"""The form of each kind of agent: made of the kind's schema, with a password field for each secret."""

import json

import pytest

from agents import fleet
from agents.forms import AgentForm
from agents.kinds import KINDS
from agents.models import Agent, Pool
from orchestra.kernel.access import Actor
from tests.agents import functions  # noqa: F401  registers the functions
from tests.audit import last_event
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("test")
COMMON = {"name": "geo", "capabilities": "locate", "max_concurrency": "4", "failure_threshold": "5", "recovery_s": "60"}
ADDRESS = "https://agent.example/call"
SERVICE = COMMON | {
    "config.url": ADDRESS,
    "config.headers": '{"X-Team": "a"}',
    "config.options": '{"language": "en"}',
    "secrets.signing_key": "t0p",
}


def text(response):
    return response.content.decode()


@pytest.fixture
def service():
    values = {"name": "geo", "config": {"url": ADDRESS}, "secrets": {"signing_key": "t0p", "authorization": "Bearer b"}}
    return fleet.create("http", values, ["locate"], by=SYSTEM)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_page_with_its_fields_and_what_it_is(as_, admin_user, kind):
    shown = as_(admin_user).get(f"/agents/add/?kind={kind}")
    form = shown.context["form"]

    fields = {name.removeprefix("config.") for name in form.of_config if name != "config"}
    assert fields == set(KINDS[kind].schema["properties"])
    assert {name.removeprefix("secrets.") for name in form.of_secrets} == set(KINDS[kind].secrets)
    assert 'id="about-title"' in text(shown)
    assert all(f'?kind={other}"' in text(shown) for other in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_shown_once_and_under_a_heading(kind):
    form = AgentForm(kind=kind)

    shown = [field.name for group in form.groups for field in group.fields]
    assert shown == list(form.fields)
    assert [group.title for group in form.groups if not group.title] == [""]


def test_a_service_is_added_with_all_that_was_typed(as_, admin_user):
    as_(admin_user).post("/agents/add/?kind=http", SERVICE)

    made = Agent.objects.get()
    assert made.kind == "http"
    assert made.config == {"url": ADDRESS, "headers": {"X-Team": "a"}, "options": {"language": "en"}}
    assert made.secrets == {"signing_key": "t0p"}
    assert "t0p" not in last_event().detail.after


def test_what_is_left_empty_is_left_out(as_, admin_user):
    as_(admin_user).post("/agents/add/?kind=http", COMMON | {"config.url": ADDRESS, "config.headers": " "})

    assert (Agent.objects.get().config, Agent.objects.get().secrets) == ({"url": ADDRESS}, None)


def test_the_form_shows_a_configuration_and_never_a_secret(as_, admin_user, service):
    shown = text(as_(admin_user).get(f"/agents/{service.pk}/edit/"))

    assert ADDRESS in shown
    assert "One is stored; leave this empty to keep it." in shown
    assert "t0p" not in shown
    assert "Bearer b" not in shown


def test_a_secret_that_is_left_empty_stays_one_that_is_given_changes_one_that_is_ticked_goes(as_, admin_user, service):
    browser = as_(admin_user)
    address, typed = f"/agents/{service.pk}/edit/", COMMON | {"config.url": ADDRESS}

    browser.post(address, typed)
    assert Agent.objects.get().secrets == {"signing_key": "t0p", "authorization": "Bearer b"}
    browser.post(address, typed | {"secrets.signing_key": "new"})
    assert Agent.objects.get().secrets == {"signing_key": "new", "authorization": "Bearer b"}
    browser.post(address, typed | {"secrets.signing_key.remove": "on"})
    assert Agent.objects.get().secrets == {"authorization": "Bearer b"}
    browser.post(address, typed | {"secrets.authorization.remove": "on"})
    assert Agent.objects.get().secrets is None


def test_a_secret_that_is_typed_is_not_shown_again_with_the_faults(as_, admin_user):
    shown = text(as_(admin_user).post("/agents/add/?kind=http", SERVICE | {"name": ""}))

    assert "This field is required." in shown
    assert "t0p" not in shown


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("config.url", "", "This field is required."),
        ("config.url", "http://127.0.0.1/", "127.0.0.1 is not a public address"),
        ("config.url", "file:///etc/passwd", "begins with http:// or https://"),
        ("config.headers", "{", "This is not JSON"),
        ("config.headers", '{"Host": "a"}', "Host: It is set by each call itself"),
        ("config.headers", '["X"]', "Give a table."),
        ("config.options", "7", "Give a table."),
        ("secrets.signing_key", "x" * 8193, "A secret has at most 8,192 characters"),
    ],
)
def test_a_fault_stands_beside_the_field_it_is_about(as_, admin_user, field, value, message):
    form = as_(admin_user).post("/agents/add/?kind=http", SERVICE | {field: value}).context["form"]

    assert list(form.errors) == [field]
    assert message in " ".join(form.errors[field])
    assert not Agent.objects.exists()


def test_a_field_is_checked_as_it_is_left(as_, admin_user):
    typed = SERVICE | {"config.url": "http://10.0.0.1/"}

    answer = as_(admin_user).post("/agents/add/?kind=http", typed, headers={"X-Validate": "config.url"})

    assert [fault["path"] for fault in answer.json()["errors"]] == ["config.url"]


def test_a_function_keeps_its_options_beside_its_name(make_agent, as_, admin_user):
    agent = make_agent("geo", config={"function": "test.echo", "greeting": "hello"})
    browser = as_(admin_user)
    initial = browser.get(f"/agents/{agent.pk}/edit/").context["form"].initial
    assert (initial["config.function"], initial["config"]) == ("test.echo", {"greeting": "hello"})

    typed = {"config.function": "test.keeper", "config": json.dumps({"function": "test.echo", "api_key": "a"})}
    browser.post(f"/agents/{agent.pk}/edit/", COMMON | typed)

    assert Agent.objects.get().config == {"function": "test.keeper", "api_key": "a"}


class TestTheApi:
    NEW = {"name": "geo", "kind": "http", "config": {"url": ADDRESS}}

    def test_secrets_change_one_by_one_and_are_never_answered(self, api, admin_user, service):
        client, address = api(admin_user), f"/api/v1/agents/{service.pk}/"

        changed = client.patch(address, {"secrets": {"authorization": "Bearer n3w"}})
        assert changed.json()["secret_names"] == ["authorization", "signing_key"]
        assert "n3w" not in text(changed)
        assert Agent.objects.get().secrets == {"signing_key": "t0p", "authorization": "Bearer n3w"}
        client.patch(address, {"secrets": {"authorization": ""}})
        assert Agent.objects.get().secrets == {"signing_key": "t0p"}

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"kind": "robot"}, "kind"),
            ({"config": {}}, "config.url"),
            ({"config": {"url": "http://169.254.169.254/"}}, "config.url"),
            ({"config": {"url": ADDRESS, "method": "GET"}}, "config.method"),
            ({"config": {"url": ADDRESS, "headers": {"Host": "a"}}}, "config.headers.Host"),
            ({"secrets": {"password": "a"}}, "secrets.password"),
            ({"secrets": {"signing_key": "x" * 8193}}, "secrets.signing_key"),
            ({"capabilities": [f"c{number}" for number in range(10_000)]}, "capabilities"),
        ],
    )
    def test_a_fault_names_its_field_and_nothing_is_added(self, api, admin_user, change, path):
        answer = api(admin_user).post("/api/v1/agents/", self.NEW | change)

        assert (answer.status_code, [fault["path"] for fault in answer.json()["errors"]]) == (422, [path])
        assert not Agent.objects.exists()

    def test_too_many_capabilities_are_counted(self, api, admin_user):
        many = [f"c{number}" for number in range(10_000)]

        [fault] = api(admin_user).post("/api/v1/agents/", self.NEW | {"capabilities": many}).json()["errors"]

        assert fault["message"] == "Name at most 100 capabilities; these are 10,000."


class TestThePoolOfAnAgent:
    @pytest.fixture
    def pool(self, make_agent):
        """The pool ``billing`` with one member, beside an agent that is in none."""
        with arranged():
            made = Pool.objects.create(name="billing", kind="python")
            make_agent("alone")
            Agent.objects.filter(pk=make_agent("member").pk).update(pool=made)
        return made

    def test_agents_are_listed_by_the_name_or_the_number_of_their_pool(self, api, viewer, pool):
        client = api(viewer)

        for asked in ("billing", pool.pk):
            found = client.get(f"/api/v1/agents/?pool={asked}").json()["results"]
            assert [(agent["name"], agent["pool"]) for agent in found] == [("member", "billing")]
        assert client.get("/api/v1/agents/?pool=nobody").json()["results"] == []
        assert client.get("/api/v1/agents/?search=alone").json()["results"][0]["pool"] is None

    def test_a_new_agent_may_join_a_pool_of_its_kind(self, api, admin_user, pool):
        client, new = api(admin_user), {"name": "new", "kind": "python", "config": {"function": "test.echo"}}

        assert client.post("/api/v1/agents/", new | {"pool": "billing"}).json()["pool"] == "billing"
        assert (last_event().action, last_event().parent_label) == ("AgentCreated", "billing")
        again = new | {"name": "newer", "pool": str(pool.pk)}
        assert client.post("/api/v1/agents/", again).json()["pool"] == "billing"

    @pytest.mark.parametrize(
        "change", [{"pool": "nobody"}, {"pool": "billing", "kind": "http", "config": {"url": ADDRESS}}]
    )
    def test_a_pool_that_does_not_fit_is_told(self, api, admin_user, pool, change):
        new = {"name": "new", "kind": "python", "config": {"function": "test.echo"}}

        answer = api(admin_user).post("/api/v1/agents/", new | change)

        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "pool")

    def test_a_pool_that_is_asked_for_can_be_taken_away_again(self, as_, viewer, pool):
        [chip] = as_(viewer).get("/agents/?pool=billing&status=online").context["listing"].taken

        assert (chip.label, chip.url) == ("in the pool billing", "?status=online")
