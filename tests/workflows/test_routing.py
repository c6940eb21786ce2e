"""Which queue a run goes to, and why."""

import pytest

from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Forbidden, Invalid, NotFound
from orchestra.kernel.models import Event, Role
from workflows import routing
from workflows.definition import Definition, StepSpec
from workflows.models import RoutingRule, TaskQueue
from workflows.routing import Facts, Route

ADMIN = Actor("person", "1", "Ada", role=Role.ADMIN)
OPERATOR = Actor("person", "2", "Olga", role=Role.OPERATOR)
ORDERS = Definition("orders", (StepSpec("pay", capabilities=("payment",)), StepSpec("pack", capabilities=("pack",))))


def rule(position, queue, **conditions):
    return RoutingRule(position=position, queue=queue, **conditions)


def decide(*rules, workflow="orders", tier="", capabilities=("payment",)):
    return routing.decide(rules, Facts(workflow, tier, capabilities), "default")


def test_without_a_rule_that_matches_the_definition_s_queue_stays():
    assert decide(rule(1, "vip", tier="premium")) == Route("default", "the definition")


def test_the_first_rule_that_matches_decides_and_is_named():
    rules = rule(1, "vip", tier="enterprise"), rule(2, "billing", tier="premium"), rule(3, "late", tier="premium")

    assert decide(*rules, tier="premium") == Route("billing", "rule 2: tier premium")


@pytest.mark.parametrize(
    ("conditions", "matches"),
    [
        ({}, True),
        ({"workflow": "orders"}, True),
        ({"workflow": "inquiries"}, False),
        ({"capability": "payment"}, True),
        ({"capability": "refund"}, False),
        ({"tier": "premium"}, True),
        ({"tier": "standard"}, False),
        ({"workflow": "orders", "tier": "premium", "capability": "payment"}, True),
        ({"workflow": "orders", "tier": "premium", "capability": "refund"}, False),
    ],
)
def test_a_rule_matches_if_all_that_it_names_do(conditions, matches):
    assert (decide(rule(1, "other", **conditions), tier="premium").queue == "other") is matches


def test_a_rule_that_is_switched_off_is_passed_over():
    assert decide(rule(1, "other", enabled=False)).queue == "default"


def test_a_rule_says_its_conditions_in_words():
    assert str(rule(1, "vip", tier="premium", capability="payment")) == "capability payment and tier premium → vip"
    assert rule(1, "vip").conditions == "any run"


@pytest.mark.django_db
def test_a_queue_that_the_caller_names_wins_and_costs_no_query(django_assert_num_queries):
    routing.create({"queue": "all"}, by=ADMIN)

    with django_assert_num_queries(0):
        assert routing.route(ORDERS, given="mine") == Route("mine", "the caller")


@pytest.mark.django_db
def test_a_capability_is_one_that_any_step_of_the_workflow_needs():
    routing.create({"capability": "pack", "queue": "warehouse"}, by=ADMIN)

    assert routing.route(ORDERS) == Route("warehouse", "rule 1: capability pack")


@pytest.mark.django_db
def test_a_new_rule_comes_last_and_its_queue_gets_a_row():
    first = routing.create({"tier": "premium", "queue": "vip"}, by=ADMIN)
    second = routing.create({"queue": "rest"}, by=ADMIN, reason="tidy")

    assert (first.position, second.position) == (1, 2)
    assert set(TaskQueue.objects.values_list("name", flat=True)) == {"vip", "rest"}
    assert Event.objects.filter(action="RoutingRuleCreated", target_id=str(second.pk)).exists()


@pytest.mark.django_db
def test_a_rule_moves_and_the_others_close_up():
    rules = [routing.create({"queue": name}, by=ADMIN) for name in ("a", "b", "c")]

    routing.change(rules[2].pk, {"position": 1}, by=ADMIN)
    assert list(RoutingRule.objects.values_list("queue", "position")) == [("c", 1), ("a", 2), ("b", 3)]

    routing.change(rules[2].pk, {"position": 99}, by=ADMIN)
    assert list(RoutingRule.objects.values_list("queue", "position")) == [("a", 1), ("b", 2), ("c", 3)]


@pytest.mark.django_db
def test_removing_a_rule_closes_the_gap():
    rules = [routing.create({"queue": name}, by=ADMIN) for name in ("a", "b", "c")]

    routing.remove(rules[0].pk, by=ADMIN, reason="gone")

    assert list(RoutingRule.objects.values_list("queue", "position")) == [("b", 1), ("c", 2)]
    with pytest.raises(NotFound):
        routing.remove(rules[0].pk, by=ADMIN)


@pytest.mark.django_db
def test_what_changes_nothing_is_not_told():
    made = routing.create({"queue": "a", "tier": "premium"}, by=ADMIN)

    routing.change(made.pk, {"tier": "premium"}, by=ADMIN)
    assert not Event.objects.filter(action="RoutingRuleChanged").exists()

    routing.change(made.pk, {"enabled": False}, by=ADMIN)
    assert Event.objects.filter(action="RoutingRuleChanged").count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("values", [{}, {"queue": ""}, {"queue": "a b"}, {"queue": "a", "tier": "x" * 21}])
def test_a_rule_that_cannot_be_is_refused(values):
    with pytest.raises(Invalid):
        routing.create(values, by=ADMIN)


@pytest.mark.django_db
def test_only_administrators_change_rules():
    with pytest.raises(Forbidden):
        routing.create({"queue": "a"}, by=OPERATOR)
