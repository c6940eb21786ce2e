"""The pages of queues, routing rules and dead letters."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from orchestra.kernel.access import Actor
from orchestra.kernel.models import Event
from tests.silent_writes import arranged
from tests.workflows import lines
from workflows import queues, routing
from workflows.models import RoutingRule, Run, RunStatus, StepStatus, TaskQueue

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("test")


def text(answer):
    return answer.content.decode()


def dead(queue="billing", **columns):
    columns = {"status": StepStatus.DEAD, "error": "The worker died.", "finished_at": timezone.now()} | columns
    return lines.put(queue, **columns)


def test_the_list_shows_what_is_set_and_how_each_queue_stands(as_, viewer):
    queues.change("billing", {"weight": 3, "max_concurrency": 5, "rate_per_s": 2.5}, by=SYSTEM)
    lines.put("billing", 4)
    lines.put(
        "billing",
        2,
        status=StepStatus.RUNNING,
        executor="e",
        lease_expires_at=timezone.now() + timedelta(minutes=1),
    )
    dead()

    shown = text(as_(viewer).get("/queues/"))

    assert "2 / 5" in shown
    assert "2.5/s" in shown
    assert "flowing" in shown
    assert f'href="{reverse("dead-letters")}?queue=billing"' in shown


def test_the_list_costs_the_same_however_many_queues_there_are(as_, viewer, django_assert_max_num_queries):
    client = as_(viewer)
    client.get("/queues/")
    for number in range(20):
        queues.change(f"q{number}", {"max_concurrency": 3}, by=SYSTEM)
        lines.put(f"q{number}", 2)

    with django_assert_max_num_queries(16):
        client.get("/queues/")


def test_without_queues_and_rules_the_page_says_what_brings_them(as_, viewer):
    shown = text(as_(viewer).get("/queues/"))

    assert "There are no queues yet" in shown
    assert "Every run goes where its definition says" in shown


def test_an_administrator_sets_limits_in_the_form(as_, admin_user):
    queues.change("billing", {"weight": 2, "burst": 4}, by=SYSTEM)
    fields = {"weight": "7", "max_concurrency": "3", "rate_per_s": "0.5", "burst": "", "key_limit": "", "reason": "x"}

    answer = as_(admin_user).post(reverse("queue", args=["billing"]), fields)

    assert (answer.status_code, answer["Location"]) == (303, reverse("queue", args=["billing"]))
    row = TaskQueue.objects.get(name="billing")
    assert (row.weight, row.max_concurrency, row.rate_per_s, row.burst) == (7, 3, 0.5, None)


def test_a_value_out_of_bounds_is_said_beside_its_field(as_, admin_user):
    queues.change("billing", {"weight": 2}, by=SYSTEM)

    answer = as_(admin_user).post(reverse("queue", args=["billing"]), {"weight": "5000"})

    assert answer.status_code == 200
    assert "Give a whole number from 1 to 1,000." in text(answer)


def test_operators_see_what_is_set_but_no_form(as_, operator):
    queues.change("billing", {"weight": 2}, by=SYSTEM)
    client = as_(operator)

    assert "Settings of the queue" not in text(client.get(reverse("queue", args=["billing"])))
    assert client.post(reverse("queue", args=["billing"]), {"weight": "3"}).status_code == 403


def test_an_operator_pauses_and_resumes_with_a_reason(as_, operator):
    queues.change("billing", {"weight": 2}, by=SYSTEM)
    client = as_(operator)

    client.post(reverse("queue-pause", args=["billing"]), {"reason": "The bank is down."})
    assert "The bank is down." in text(client.get("/queues/"))
    assert "paused" in text(client.get(reverse("queue", args=["billing"])))

    client.post(reverse("queue-resume", args=["billing"]))
    assert not TaskQueue.objects.get(name="billing").paused


def test_a_queue_that_nothing_names_is_not_found(as_, viewer):
    assert as_(viewer).get(reverse("queue", args=["nowhere"])).status_code == 404


def test_an_administrator_adds_a_queue_and_not_twice(as_, admin_user):
    client, fields = as_(admin_user), {"name": "vip", "weight": "9"}

    assert client.post(reverse("queue-add"), fields).status_code == 303
    assert "There is a queue named vip already" in text(client.post(reverse("queue-add"), fields))
    assert Event.objects.filter(action="QueueCreated").count() == 1


def test_the_audit_trail_links_to_a_queue_by_its_number(as_, viewer):
    queues.change("billing", {"weight": 2}, by=SYSTEM)
    number = TaskQueue.objects.get().pk

    answer = as_(viewer).get(reverse("queue-by-number", args=[number]))

    assert answer["Location"] == reverse("queue", args=["billing"])


def test_rules_are_added_moved_changed_and_removed(as_, admin_user):
    client = as_(admin_user)
    client.post(reverse("rule-add"), {"tier": "premium", "queue": "vip", "enabled": "on"})
    client.post(reverse("rule-add"), {"workflow": "orders", "queue": "shop", "enabled": "on"})
    first, second = RoutingRule.objects.all()

    client.post(reverse("rule-up", args=[second.pk]))
    assert [rule.queue for rule in RoutingRule.objects.all()] == ["shop", "vip"]

    client.post(reverse("rule-edit", args=[first.pk]), {"tier": "enterprise", "queue": "vip"})
    first.refresh_from_db()
    assert (first.tier, first.enabled) == ("enterprise", False)
    shown = text(client.get("/queues/"))
    assert "tier enterprise" in shown and "workflow orders" in shown

    client.post(reverse("rule-remove", args=[first.pk]), {"reason": "gone"})
    assert [rule.position for rule in RoutingRule.objects.all()] == [1]


def test_viewers_see_rules_and_cannot_change_them(as_, viewer):
    rule = routing.create({"queue": "vip"}, by=SYSTEM)
    client = as_(viewer)

    assert "any run" in text(client.get("/queues/"))
    assert client.post(reverse("rule-up", args=[rule.pk])).status_code == 403
    assert client.get(reverse("rule-edit", args=[rule.pk])).status_code == 403


def test_the_trial_says_which_rule_and_queue(as_, viewer):
    lines.version("orders")
    routing.create({"tier": "premium", "queue": "vip"}, by=SYSTEM)
    client = as_(viewer)

    by_rule = text(client.get("/queues/?try_workflow=orders&try_tier=premium"))
    assert "Queue <strong>vip</strong>, by rule 1: tier premium." in by_rule
    by_definition = text(client.get("/queues/?try_workflow=orders"))
    assert "Queue <strong>default</strong>, by the definition." in by_definition
    assert "There is no workflow nothing" in text(client.get("/queues/?try_workflow=nothing"))


def test_dead_letters_are_listed_with_their_cause_and_counted_in_the_bar(as_, viewer):
    (step,) = dead(error="Out of memory")

    shown = text(as_(viewer).get(reverse("dead-letters")))

    assert "Out of memory" in shown
    assert f"#{step.run_id}" in shown
    assert "dead letters" in text(as_(viewer).get("/queues/")).partition("</nav>")[0]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("queue=billing", {"a bank error"}),
        ("capability=fly", {"no wings"}),
        ("capability=swim", set()),
        ("cause=bank", {"a bank error"}),
        ("workflow=line", {"a bank error", "no wings"}),
        ("workflow=other", set()),
        ("since=2020-01-01", {"a bank error", "no wings"}),
        ("since=2100-01-01", set()),
        ("search=wings", {"no wings"}),
    ],
)
def test_dead_letters_are_filtered(as_, viewer, query, found):
    dead("billing", error="a bank error")
    dead("air", error="no wings", demand='[["fly"],["swim"]]')

    shown = text(as_(viewer).get(f"{reverse('dead-letters')}?{query}"))

    assert {cause for cause in ("a bank error", "no wings") if f'title="{cause}"' in shown} == found


def test_the_list_of_dead_letters_costs_the_same_however_long_it_is(as_, viewer, django_assert_max_num_queries):
    dead()
    client = as_(viewer)
    client.get(reverse("dead-letters"))
    for _ in range(10):
        dead()

    with django_assert_max_num_queries(12):
        client.get(reverse("dead-letters"))


def test_dead_letters_are_put_back_by_filter_with_a_reason(as_, operator):
    ended("billing", "bulk")

    answer = as_(operator).post(
        reverse("dead-requeue"), {"all": "1", "query": "queue=billing", "action": "requeue", "reason": "mended"}
    )

    assert answer["Location"] == f"{reverse('dead-letters')}?queue=billing"
    assert {run.queue: run.status for run in Run.objects.all()} == {"billing": "running", "bulk": "failed"}


def test_putting_back_needs_a_reason_and_an_operator(as_, viewer, operator):
    ended("billing")
    fields = {"all": "1", "query": ""}

    assert as_(operator).post(reverse("dead-requeue"), fields).status_code == 422
    assert as_(viewer).post(reverse("dead-requeue"), fields | {"reason": "mended"}).status_code == 403
    assert Run.objects.get().status == RunStatus.FAILED


def ended(*names):
    """A failed run with a dead step in each queue."""
    for name in names:
        dead(name)
    with arranged():
        Run.objects.update(status=RunStatus.FAILED, finished_at=timezone.now())
