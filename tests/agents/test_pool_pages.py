"""The pages of pools, through a browser without JavaScript."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import fleet, pools, ports
from agents.models import AgentStatus, Pool, PoolSample
from agents.pool_forms import in_words
from agents.ports import Waiting
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Role
from tests.agents import functions  # noqa: F401  registers the functions
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("test")
OLGA = Actor("person", "7", "Olga", role=Role.OPERATOR)
TEMPLATE = {"config": {"function": "test.echo"}, "capabilities": ["draft"], "max_concurrency": 2}
ADD = {
    "name": "billing",
    "description": "Answers",
    "config.function": "test.echo",
    "config": "{}",
    "capabilities": "draft, send",
    "max_concurrency": "2",
    "failure_threshold": "5",
    "recovery_s": "60",
    "min_size": "1",
    "max_size": "4",
    "launcher": "",
}
POLICY = {
    "min_size": "1",
    "max_size": "5",
    "policy.minimums": "",
    "policy.target_utilisation": "70",
    "policy.queue_per_agent": "4",
    "policy.max_wait_s": "30",
    "policy.step_up": "2",
    "policy.cooldown_up_s": "30",
    "policy.down_utilisation": "35",
    "policy.step_down": "1",
    "policy.cooldown_down_s": "300",
    "reason": "",
}


@pytest.fixture
def pool(db):
    return pools.create("python", {"name": "billing", "template": TEMPLATE}, by=SYSTEM)


def text(response):
    return " ".join(response.content.decode().split())


def recorded(pool, many=200, **figures):
    now = timezone.now()
    row = {"size": 3, "slots": 6, "in_use": 1, "waiting": 0, **figures}
    with arranged():
        PoolSample.objects.bulk_create(
            [PoolSample(pool=pool, at=now - timedelta(seconds=10 * n), **row) for n in range(many)]
        )


def test_the_list_shows_size_load_queue_and_the_last_reason(as_, viewer, pool, monkeypatch):
    monkeypatch.setattr(ports, "demand", [lambda found, _now: {pool.pk: Waiting(14, 42.0)}])
    member = pool.members.get().pk
    monkeypatch.setattr(ports, "in_flight", [lambda agents: {member: 1}])
    pools.scale(pool.pk, 3, by=OLGA, reason="Noon")

    shown = text(as_(viewer).get("/pools/"))

    assert "Olga asked for 3: Noon." in shown
    assert "1 of 6 slots in use" in shown and "42 s" in shown and ">14<" in shown


def test_an_empty_list_says_what_to_do_first(as_, viewer, admin_user):
    assert "An administrator can add one" in text(as_(viewer).get("/pools/"))
    assert "Add the first pool" in text(as_(admin_user).get("/pools/"))
    assert "No pool matches" in text(as_(admin_user).get("/pools/?search=nothing"))


def test_the_list_takes_the_same_queries_however_long_it_is(as_, viewer, pool):
    browser = as_(viewer)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert browser.get("/pools/").status_code == 200
        return len(captured)

    queries()
    few = queries()
    for number in range(5):
        pools.create("python", {"name": f"p{number}", "template": TEMPLATE, "min_size": 3}, by=SYSTEM)

    assert queries() == few


def test_a_pool_is_added_by_its_form(as_, admin_user):
    answer = as_(admin_user).post("/pools/add/?kind=python", ADD)

    pool = Pool.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/pools/{pool.pk}/")
    assert (pool.name, pool.description, pool.max_size) == ("billing", "Answers", 4)
    assert pool.template["capabilities"] == ["draft", "send"]
    assert pool.template["config"] == {"function": "test.echo"}


@pytest.mark.parametrize("kind", ["python", "http", "llm", "process", "remote"])
def test_every_kind_has_a_form_made_of_its_schema(as_, admin_user, kind):
    shown = as_(admin_user).get(f"/pools/add/?kind={kind}")

    assert shown.status_code == 200
    assert "named NAME-1, NAME-2" in text(shown)


def test_people_have_no_pools(as_, admin_user):
    assert as_(admin_user).get("/pools/add/?kind=human").status_code == 404


def test_faults_stand_beside_their_fields(as_, admin_user):
    bad = ADD | {"min_size": "9", "max_concurrency": "0", "capabilities": "x" * 101}

    shown = as_(admin_user).post("/pools/add/?kind=python", bad)

    form = shown.context["form"]
    assert set(form.errors) == {"min_size", "max_concurrency", "capabilities"}
    assert not Pool.objects.exists()


def test_a_taken_name_is_said_beside_it(as_, admin_user, pool):
    form = as_(admin_user).post("/pools/add/?kind=python", ADD).context["form"]

    assert "There is a pool named billing already" in form.errors["name"][0]


def test_editing_shows_what_there_is_and_members_follow(as_, admin_user, pool):
    browser = as_(admin_user)
    form = browser.get(f"/pools/{pool.pk}/edit/").context["form"]
    assert form["config.function"].value() == "test.echo" and "min_size" not in form.fields

    browser.post(f"/pools/{pool.pk}/edit/", ADD | {"capabilities": "send"})

    assert [each.name for each in pool.members.get().capabilities.all()] == ["send"]


def test_the_page_tells_the_course_with_a_mark_for_every_change(as_, viewer, pool):
    recorded(pool)
    pools.scale(pool.pk, 3, by=OLGA, reason="Noon")

    shown = text(as_(viewer).get(f"/pools/{pool.pk}/?span=30m"))

    assert "1 → 3 by Olga. Olga asked for 3: Noon." in shown
    assert "pool-size-chart" in shown and "As a table" in shown
    assert "billing-3" in shown


@pytest.mark.parametrize("span", ["30m", "3h", "1d", "7d", "nonsense"])
def test_every_stretch_of_time_can_be_drawn(as_, viewer, pool, span):
    recorded(pool)

    members, demand = as_(viewer).get(f"/pools/{pool.pk}/?span={span}").context["charts"]

    assert members.lines[0].latest == 3 and len(members.times) <= 200
    assert [line.latest for line in demand.lines] == [6, 1, 0]


def test_a_page_without_samples_says_when_there_will_be_some(as_, viewer, pool):
    assert "Samples are taken every 10 s while an executor runs" in text(as_(viewer).get(f"/pools/{pool.pk}/"))


def test_what_a_person_set_aside_is_said(as_, viewer, pool):
    fleet.set_status(pool.members.get().pk, AgentStatus.DISABLED, by=OLGA)

    assert "1 set aside by a person" in text(as_(viewer).get(f"/pools/{pool.pk}/"))


def test_a_launcher_that_fails_is_shown_with_what_it_printed(as_, viewer, pool, settings):
    settings.COMMANDS = {"grow": ["true"]}
    pools.change(pool.pk, {"launcher": "grow"}, by=SYSTEM)
    taken = pools.take_launch(pool.pk, timezone.now(), until=timezone.now())
    pools.keep_launch(taken, exit_code=3, output="no such cluster", retry_at=timezone.now() + timedelta(seconds=9))

    shown = text(as_(viewer).get(f"/pools/{pool.pk}/"))

    assert "failed 1 time in a row" in shown
    assert "failed with exit code 3" in shown and "no such cluster" in shown


def test_a_policy_that_cannot_be_read_is_told_on_its_page_and_can_be_replaced_there(as_, admin_user, api, pool):
    with arranged():
        Pool.objects.update(policy={"magic": 1})
    browser = as_(admin_user)

    assert "policy.magic: There is no such setting" in text(browser.get(f"/pools/{pool.pk}/"))
    assert browser.get("/pools/").status_code == 200
    assert api(admin_user).get(f"/api/v1/pools/{pool.pk}/").json()["policy"] == {"magic": 1}
    assert browser.post(f"/pools/{pool.pk}/", POLICY).status_code == 303
    assert "cannot be read" not in text(browser.get(f"/pools/{pool.pk}/"))


def test_an_operator_scales_it_with_a_reason(as_, operator, pool):
    browser = as_(operator)

    answer = browser.post(f"/pools/{pool.pk}/scale/", {"target": "3", "reason": "Noon"})

    assert answer.status_code == 303
    assert Pool.objects.get().target == 3
    refused = browser.post(f"/pools/{pool.pk}/scale/", {"target": "9", "reason": "Noon"})
    assert "Give a whole number from 1 to 5" in text(refused) and "data-open" in text(refused)
    assert browser.post(f"/pools/{pool.pk}/scale/", {"target": "2"}).context["scale_form"].errors["reason"]
    assert browser.get(f"/pools/{pool.pk}/scale/").url == f"/pools/{pool.pk}/", "a refused dialog can be loaded again"


def test_autoscaling_is_switched_off_and_on(as_, operator, pool):
    browser = as_(operator)

    browser.post(f"/pools/{pool.pk}/by-hand/", {"reason": "Maintenance"})
    assert not Pool.objects.get().autoscales
    assert "by hand" in text(browser.get(f"/pools/{pool.pk}/"))
    browser.post(f"/pools/{pool.pk}/autoscale/")
    assert Pool.objects.get().autoscales


def test_a_policy_is_tried_before_it_is_saved(as_, admin_user, pool):
    recorded(pool)
    browser = as_(admin_user)

    tried = browser.post(f"/pools/{pool.pk}/", POLICY | {"policy.cooldown_down_s": "0", "try": "1"})
    part = browser.post(f"/pools/{pool.pk}/try/", POLICY | {"policy.cooldown_down_s": "0"})

    for shown in (text(tried), text(part)):
        assert "1.7 agent-hours" in shown and "with this" in shown
        assert "It would have decided 2 times" in shown
    assert Pool.objects.get().policy == {}

    saved = browser.post(f"/pools/{pool.pk}/", POLICY | {"policy.cooldown_down_s": "0"})
    assert saved.status_code == 303
    assert Pool.objects.get().policy["cooldown_down_s"] == 0
    assert Pool.objects.get().policy["target_utilisation"] == 0.7


def test_an_operator_tries_but_does_not_save(as_, operator, viewer, pool):
    recorded(pool)

    assert as_(operator).post(f"/pools/{pool.pk}/try/", POLICY).status_code == 200
    assert as_(operator).post(f"/pools/{pool.pk}/", POLICY).status_code == 403
    assert as_(viewer).post(f"/pools/{pool.pk}/try/", POLICY).status_code == 403
    assert "Grows when" in text(as_(viewer).get(f"/pools/{pool.pk}/"))


def test_nothing_recorded_is_said_in_the_try_out(as_, operator, pool):
    assert "Nothing was recorded yet to try it on" in text(as_(operator).post(f"/pools/{pool.pk}/try/", POLICY))


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"policy.target_utilisation": "150"}, "policy.target_utilisation", "Give a number"),
        ({"policy.down_utilisation": "80"}, "policy.down_utilisation", "less than the target"),
        ({"min_size": "7"}, "min_size", "Give at most 5"),
        ({"policy.minimums": "mon-fri 08:00-18:00 9"}, "policy.minimums", "Line 1: Give a whole number from 0 to 5"),
        ({"policy.minimums": "someday 08:00-18:00 2"}, "policy.minimums", "is no day"),
        ({"policy.minimums": "08:00 2"}, "policy.minimums", "Line 1: write days"),
        ({"policy.step_up": ""}, "policy.step_up", "required"),
    ],
)
def test_faults_of_a_policy_stand_beside_their_fields(as_, admin_user, pool, given, field, words):
    form = as_(admin_user).post(f"/pools/{pool.pk}/", POLICY | given).context["form"]

    assert words in form.errors[field][0]


def test_minimums_are_written_as_people_write_them(as_, admin_user, pool):
    lines = "mon-fri 8:00-18:00 2\nsat,sun 22:00 - 02:00 1\n00:00-06:00 1"

    as_(admin_user).post(f"/pools/{pool.pk}/", POLICY | {"policy.minimums": lines})

    assert Pool.objects.get().policy["minimums"] == [
        {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "18:00", "min": 2},
        {"days": ["sat", "sun"], "from": "22:00", "to": "02:00", "min": 1},
        {"days": [], "from": "00:00", "to": "06:00", "min": 1},
    ]
    shown = as_(admin_user).get(f"/pools/{pool.pk}/").context["form"]["policy.minimums"].value()
    assert shown == "mon-fri 08:00-18:00 2\nsat,sun 22:00-02:00 1\ndaily 00:00-06:00 1"


def test_days_in_words():
    assert in_words(["sat", "mon", "tue"]) == "mon,tue,sat"


def test_a_field_is_judged_as_it_is_left(as_, admin_user, pool):
    answer = as_(admin_user).post(
        f"/pools/{pool.pk}/", POLICY | {"policy.step_up": "0"}, headers={"X-Validate": "policy.step_up"}
    )

    assert answer.json()["errors"][0]["path"] == "policy.step_up"
    assert Pool.objects.get().policy == {}


def test_removing_says_what_became_of_it(as_, admin_user, pool):
    answer = as_(admin_user).post(f"/pools/{pool.pk}/remove/", {"reason": "A mistake"}, follow=True)

    assert "The pool billing was removed." in text(answer)
    assert as_(admin_user).get(f"/pools/{pool.pk}/").status_code == 404


def test_decisions_have_a_page_of_their_own(as_, viewer, pool):
    pools.scale(pool.pk, 3, by=OLGA, reason="Noon")

    shown = text(as_(viewer).get(f"/pools/{pool.pk}/decisions/"))
    only = as_(viewer).get(f"/pools/{pool.pk}/decisions/?decided=down").context["decisions"]

    assert "Olga asked for 3: Noon." in shown and "It begins with 1." in shown
    assert only == []


def test_regions_are_answered_alone(as_, viewer, pool):
    answer = as_(viewer).get(f"/pools/{pool.pk}/", headers={"X-Regions": "pool-figures"})

    assert text(answer).startswith('<section class="card" id="pool-figures"')


def test_pools_are_found_by_the_search(as_, viewer, pool):
    assert "Python function, 1 wanted" in text(as_(viewer).get("/search/?q=bill"))


def test_the_admin_shows_pools_without_their_secrets(as_, admin_user):
    made = pools.create("python", {"name": "x", "template": TEMPLATE, "secrets": {"key": "s3cret"}}, by=SYSTEM)
    browser = as_(admin_user)

    shown = text(browser.get(f"/admin/agents/pool/{made.pk}/change/"))

    assert "test.echo" in shown and "s3cret" not in shown
    assert "It begins with 1." in text(browser.get("/admin/agents/pooldecision/"))
    assert browser.get("/admin/agents/poolsample/").status_code == 200


def test_now_shows_the_pools_that_are_strained(as_, viewer, pool, monkeypatch):
    monkeypatch.setattr(ports, "demand", [lambda found, _now: {pool.pk: Waiting(14, 42.0)}])

    shown = text(as_(viewer).get("/", headers={"X-Regions": "now-strain"}))

    assert "billing" in shown and "42 s" in shown
    assert "billing-1" not in shown, "its members stand there as a whole"
