"""The pools' verbs: adding, changing, scaling, removing, and what becomes of the members."""

import pytest
from django.utils import timezone

from agents import fleet, health, pools, ports
from agents.models import Agent, AgentHealth, AgentStatus, Capability, Pool, PoolDecision
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from orchestra.kernel.models import Role
from tests.agents import functions  # noqa: F401  registers the functions
from tests.audit import events_of, last_event
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("test")
OLGA = Actor("person", "7", "Olga", role=Role.OPERATOR)
TEMPLATE = {"config": {"function": "test.echo"}, "capabilities": ["draft"], "max_concurrency": 2}


@pytest.fixture
def make_pool():
    """``make_pool("billing", min_size=2)``: a pool of echoing functions that can draft, two calls at a time each."""

    def make(name="billing", kind="python", **values):
        return pools.create(kind, {"name": name, "template": TEMPLATE, **values}, by=SYSTEM)

    return make


def statuses(pool):
    return dict(pool.members.order_by("name").values_list("name", "status"))


def worked(agent):
    with arranged():
        health.merge([health.Result(agent.pk, 0.1, None)], timezone.now())


def test_a_pool_begins_with_as_many_members_as_its_minimum(make_pool):
    pool = make_pool(min_size=2, secrets={"key": "s3cret"})

    members = list(pool.members.order_by("name"))
    assert [member.name for member in members] == ["billing-1", "billing-2"]
    assert {(member.kind, member.status, member.max_concurrency) for member in members} == {("python", "online", 2)}
    assert members[0].config == {"function": "test.echo"} and members[0].secrets == {"key": "s3cret"}
    assert Capability.objects.filter(agent__pool=pool, name="draft").count() == 2
    assert AgentHealth.objects.filter(agent__pool=pool).count() == 2
    assert pool.decisions.get().reason == "It begins with 2."


def test_members_have_names_that_nobody_else_has(make_agent, make_pool):
    make_agent("billing-1")

    assert list(statuses(make_pool(min_size=2))) == ["billing-2", "billing-3"]


def test_adding_is_recorded_with_the_members(make_pool):
    pool = make_pool(min_size=1)

    assert [event.action for event in events_of("pool", pool.pk)] == ["PoolCreated"]
    made = last_event("AgentCreated")
    assert (made.target_label, made.parent_kind, made.parent_label) == ("billing-1", "pool", "billing")


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "--kubeconfig=x"}, "name"),
        ({"name": "-x"}, "name"),
        ({"name": "a;b"}, "name"),
        ({"name": "a "}, "name"),
        ({"description": "x" * 301}, "description"),
        ({"min_size": 6}, "min_size"),
        ({"min_size": -1}, "min_size"),
        ({"max_size": 0}, "max_size"),
        ({"max_size": 1001}, "max_size"),
        ({"launcher": "rm -rf /"}, "launcher"),
        ({"policy": {"step_up": 0}}, "policy.step_up"),
        ({"policy": {"minimums": [{"from": "08:00", "to": "18:00", "min": 6}]}}, "policy.minimums[0].min"),
        ({"template": {"config": {"function": "nothing"}}}, "template.config.function"),
        ({"template": {**TEMPLATE, "max_concurrency": 0}}, "template.max_concurrency"),
        ({"template": {**TEMPLATE, "capabilities": ["two words"]}}, "template.capabilities[0]"),
        ({"template": {**TEMPLATE, "capabilities": ["c"] * 10_000}}, "template.capabilities"),
        ({"template": {**TEMPLATE, "status": "online"}}, "template.status"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_made(make_pool, values, path):
    with pytest.raises(Invalid) as refused:
        make_pool(**values)

    assert path in [fault["path"] for fault in refused.value.errors]
    assert not Pool.objects.exists() and not Agent.objects.exists()


def test_people_are_no_pool(make_pool):
    with pytest.raises(Invalid) as refused:
        make_pool(kind="human", template={})

    assert refused.value.errors[0]["path"] == "kind"


def test_a_name_is_given_once(make_pool):
    make_pool()

    with pytest.raises(Conflict, match="There is a pool named billing already"):
        make_pool()


def test_members_follow_the_template_and_the_secrets(make_pool):
    pool = make_pool(min_size=2)

    pools.change(
        pool.pk,
        {"template": {**TEMPLATE, "capabilities": ["send"], "version": "2"}, "secrets": {"key": "new"}},
        by=SYSTEM,
    )

    members = list(pool.members.prefetch_related("capabilities"))
    assert {(member.version, member.secrets["key"]) for member in members} == {("2", "new")}
    assert [[each.name for each in member.capabilities.all()] for member in members] == [["send"], ["send"]]
    assert len(events_of("agent", members[0].pk)) == 2
    assert "new" not in str([event.detail.after for event in events_of("agent", members[0].pk)])


def test_a_change_that_changes_nothing_is_not_recorded(make_pool):
    pool = make_pool()

    pools.change(pool.pk, {"template": dict(TEMPLATE), "description": ""}, by=SYSTEM)

    assert [event.action for event in events_of("pool", pool.pk)] == ["PoolCreated"]


def test_masked_values_of_the_template_stay_as_they_are(make_pool):
    options = {"function": "test.echo", "greeting": "hi"}
    pool = make_pool(template={**TEMPLATE, "config": options})

    pools.change(pool.pk, {"template": {**TEMPLATE, "config": {**options, "greeting": "ho"}}}, by=SYSTEM)

    assert pool.members.get().config["greeting"] == "ho"


def test_a_lower_maximum_shrinks_the_pool_at_once(make_pool):
    pool = make_pool(min_size=3)

    pools.change(pool.pk, {"min_size": 1, "max_size": 2}, by=SYSTEM)

    assert Pool.objects.get().target == 2
    assert list(statuses(pool).values()) == ["online", "online", "draining"]
    assert last_event("PoolScaled").detail.reason == "It may have at most 2: 1 fewer, down to 2."


def test_scaling_by_hand_keeps_who_and_why(make_pool):
    pool = make_pool(policy={"step_up": 1})

    pools.scale(pool.pk, 4, by=OLGA, reason="Black Friday")

    decision = pool.decisions.first()
    assert (decision.by, decision.code, decision.size_before, decision.target) == ("Olga", "manual", 1, 4)
    assert decision.reason == "Olga asked for 4: Black Friday."
    assert list(statuses(pool).values()) == ["online"] * 4
    assert last_event("PoolScaled").actor_label == "Olga"


@pytest.mark.parametrize("target", [0, 6, -1])
def test_scaling_by_hand_stays_within_the_limits(make_pool, target):
    pool = make_pool()

    with pytest.raises(Invalid, match="valid") as refused:
        pools.scale(pool.pk, target, by=OLGA)

    assert refused.value.errors == [{"path": "target", "message": "Give a whole number from 1 to 5, its limits."}]


def test_without_autoscaling_a_person_may_go_below_the_minimum(make_pool):
    pool = make_pool()
    pools.switch(pool.pk, False, by=OLGA, reason="Maintenance")

    pools.scale(pool.pk, 0, by=OLGA)

    assert statuses(pool) == {"billing-1": "draining"}
    assert last_event("PoolChanged").detail.reason == "Maintenance"


def test_the_least_active_go_first_and_no_call_is_cut(make_pool, monkeypatch):
    pool = make_pool(min_size=3)
    one, two, three = pool.members.order_by("pk")
    monkeypatch.setattr(ports, "in_flight", [lambda agents: {one.pk: 1, three.pk: 2}])
    worked(two)

    pools.change(pool.pk, {"min_size": 1}, by=SYSTEM)
    pools.scale(pool.pk, 1, by=OLGA)

    assert statuses(pool) == {"billing-1": "draining", "billing-2": "draining", "billing-3": "online"}


def test_members_are_not_edited_or_removed_apart_from_their_pool(make_pool):
    member = make_pool().members.get()

    with pytest.raises(Conflict, match="billing-1 belongs to the pool billing; change the pool's template instead"):
        fleet.change(member.pk, {"max_concurrency": 9}, by=SYSTEM)
    with pytest.raises(Conflict, match="scale the pool down instead"):
        fleet.remove(member.pk, by=SYSTEM)


def test_a_pool_that_never_worked_is_removed_with_its_members(make_pool):
    pool = make_pool(min_size=2)

    assert pools.remove(pool.pk, by=SYSTEM, reason="A mistake")

    assert not Pool.objects.exists() and not Agent.objects.exists() and not PoolDecision.objects.exists()
    assert last_event("PoolRemoved").detail.reason == "A mistake"


def test_a_pool_that_worked_is_retired_and_its_history_stays(make_pool):
    pool = make_pool(min_size=2)
    worked(pool.members.first())

    assert not pools.remove(pool.pk, by=SYSTEM, reason="No longer needed")

    pool.refresh_from_db()
    assert (pool.target, pool.min_size, pool.autoscales) == (0, 0, False)
    assert set(statuses(pool).values()) == {"draining"}
    assert pool.decisions.first().reason == "It is retired: No longer needed."


@pytest.mark.parametrize(
    "verb",
    [
        lambda pool: pools.create("python", {"name": "x", "template": TEMPLATE}, by=OLGA),
        lambda pool: pools.change(pool.pk, {"max_size": 9}, by=OLGA),
        lambda pool: pools.remove(pool.pk, by=OLGA),
        lambda pool: pools.scale(pool.pk, 2, by=Actor("person", "8", "Vera", role=Role.VIEWER)),
    ],
    ids=["create", "change", "remove", "scale"],
)
def test_operators_scale_and_administrators_configure(make_pool, verb):
    with pytest.raises(Forbidden):
        verb(make_pool())


def test_a_pool_that_is_gone_is_said_to_be(make_pool):
    with pytest.raises(NotFound, match="There is no such pool"):
        pools.scale(99, 2, by=OLGA)


def test_what_a_person_sets_aside_is_remembered(make_pool):
    member = make_pool().members.get()

    fleet.set_status(member.pk, AgentStatus.DISABLED, by=OLGA)
    member.refresh_from_db()
    assert member.set_aside
    fleet.set_status(member.pk, AgentStatus.ONLINE, by=OLGA)
    member.refresh_from_db()
    assert not member.set_aside
