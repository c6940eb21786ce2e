"""The thresholds' verbs: each change makes a version and an event, a stale edit is refused."""

import threading

import pytest
from django.db import connection
from django.utils import timezone

from agents import pools
from monitoring.alerting import thresholds, versions
from monitoring.alerting.usual import USUAL
from monitoring.alerting.versions import Difference
from monitoring.audit import sentences
from monitoring.models import Alert, AlertStatus, Threshold, ThresholdVersion
from orchestra.kernel import access
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from orchestra.kernel.models import Event
from tests.agents import functions  # noqa: F401  registers the functions
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("test")
SLOW = {"name": "Slow", "metric": "response_time", "value": 5.0, "recovery_value": 4.0}


@pytest.fixture
def by(operator):
    return access.actor_of(operator)


@pytest.fixture
def slow(by):
    return thresholds.create(SLOW, by=by, reason="Customers wait")


@pytest.fixture
def pool(db):
    template = {"config": {"function": "test.echo"}, "capabilities": ["draft"]}
    return pools.create("python", {"name": "billing", "template": template, "min_size": 2}, by=SYSTEM)


def alert(threshold, status=AlertStatus.FIRING, subject="1"):
    now = timezone.now()
    with arranged():
        return Alert.objects.create(
            threshold=threshold,
            name=threshold.name,
            metric=threshold.metric,
            severity=threshold.severity,
            subject_kind="agent",
            subject_id=subject,
            status=status,
            since=now,
            began_at=now,
            seen_at=now,
            limit=threshold.value,
            resolved_at=now if status == AlertStatus.RESOLVED else None,
        )


def told(action):
    return Event.objects.filter(action=action).prefetch_related("detail").latest("number")


def test_a_new_threshold_has_its_first_version_with_who_when_and_why(slow, operator):
    version = slow.versions.get()

    assert (version.number, version.made_by, version.maker, version.reason) == (
        1,
        operator.label,
        operator,
        "Customers wait",
    )
    assert version.values["value"] == 5.0 and version.values["for_s"] == 60
    event = told("ThresholdAdded")
    assert (event.actor_id, event.target_id, event.permission) == (str(operator.pk), str(slow.pk), "thresholds.create")
    assert '"limit":"above 5 s for 1 m"' in event.detail.after


def test_without_a_name_it_is_named_after_its_limit(by, pool):
    named = thresholds.create({"metric": "error_rate", "value": 0.05, "scope": {"pool": "billing"}}, by=by)

    assert named.name == "Errors of agents of the pool billing above 5 %"
    assert (named.scope_kind, named.scope_value) == ("pool", str(pool.pk))


def test_agents_and_pools_are_found_by_name_or_number_and_kept_by_number(by, pool):
    member = pool.members.order_by("pk").first()

    by_name = thresholds.create({**SLOW, "name": "a", "scope": {"agent": member.name}}, by=by)
    by_number = thresholds.create({**SLOW, "name": "b", "scope": {"agent": member.pk}}, by=by)

    assert by_name.scope_value == by_number.scope_value == str(member.pk)


@pytest.mark.parametrize(
    ("metric", "scope", "said"),
    [
        ("response_time", {"agent": "nobody"}, "There is no agent nobody"),
        ("response_time", {"agent": 99}, "There is no agent 99"),
        ("pool_size", {"pool": "none"}, "There is no pool none"),
        ("response_time", {"capability": "fly"}, "No agent has the capability fly"),
        ("queue_waiting", {"queue": "mail"}, "There is no queue mail"),
        ("workflow_duration", {"workflow": "ship"}, "There is no workflow ship"),
    ],
)
def test_what_its_scope_names_must_be_there(by, metric, scope, said):
    with pytest.raises(Invalid) as refused:
        thresholds.create({"metric": metric, "value": 5, "scope": scope}, by=by)

    assert [(fault["path"], said in fault["message"]) for fault in refused.value.errors] == [("scope", True)]
    assert not Threshold.objects.exists()


def test_a_name_that_is_taken_is_said_beside_the_name(slow, by):
    with pytest.raises(Conflict) as refused:
        thresholds.create(SLOW, by=by)

    assert refused.value.errors[0]["path"] == "name"


def test_a_change_makes_a_version_and_tells_the_limit_before_and_after(slow, by, operator):
    thresholds.change(slow.pk, {"value": 7, "recovery_value": 6}, by=by, reason="Models are slower")

    slow.refresh_from_db()
    assert (slow.version, slow.value) == (2, 7)
    assert [(row.number, row.values["value"], row.reason) for row in slow.versions.all()] == [
        (2, 7.0, "Models are slower"),
        (1, 5.0, "Customers wait"),
    ]
    said = sentences.sentence(told("ThresholdChanged"))
    assert said == f"{operator.label} changed the threshold Slow: above 5 s for 1 m → above 7 s for 1 m"


def test_a_change_of_nothing_makes_no_version_and_no_event(slow, by):
    thresholds.change(slow.pk, {"value": 5, "operator": "gt", "for_s": "1m"}, by=by)

    slow.refresh_from_db()
    assert slow.version == 1
    assert not Event.objects.filter(action="ThresholdChanged").exists()


def test_a_recovery_value_at_the_limit_follows_the_limit(by):
    made = thresholds.create({"metric": "response_time", "value": 5}, by=by)

    assert thresholds.change(made.pk, {"value": 3}, by=by).recovery_value == 3


def test_a_recovery_value_below_the_limit_stays_and_may_come_to_lie_beyond_it(slow, by):
    with pytest.raises(Invalid) as refused:
        thresholds.change(slow.pk, {"value": 3}, by=by)

    assert refused.value.errors[0]["path"] == "recovery_value"


def test_an_edit_of_an_older_version_is_refused_with_who_was_faster(slow, by, make_user):
    ada = access.actor_of(make_user("ada", "operator"))
    thresholds.change(slow.pk, {"value": 7}, by=ada, seen=1)

    with pytest.raises(thresholds.Overtaken) as refused:
        thresholds.change(slow.pk, {"value": 9}, by=by, seen=1)

    assert "ada has changed Slow meanwhile: it is at version 2" in refused.value.detail
    assert refused.value.data == {"version": 2}
    slow.refresh_from_db()
    assert versions.since(slow, 1) == [Difference("Breaches", "above 5 s", "above 7 s")]


def test_switching_off_and_on_is_told_as_such_and_once(slow, by):
    assert thresholds.switch(slow.pk, False, by=by, reason="Move") is True
    assert thresholds.switch(slow.pk, False, by=by) is False
    assert thresholds.switch(slow.pk, True, by=by) is True

    actions = Event.objects.filter(target_kind="threshold").order_by("number").values_list("action", flat=True)
    assert list(actions) == ["ThresholdAdded", "ThresholdDisabled", "ThresholdEnabled"]
    assert slow.versions.count() == 3


def test_a_version_is_restored_as_a_new_one(slow, by):
    thresholds.change(slow.pk, {"value": 9, "severity": "critical"}, by=by)

    restored = thresholds.restore(slow.pk, 1, by=by, reason="Too late")

    assert (restored.version, restored.value, restored.severity) == (3, 5.0, "warning")
    assert restored.versions.first().restores == 1
    assert told("ThresholdRestored").detail.reason == "Too late"


def test_restoring_what_is_so_already_or_never_was_changes_nothing(slow, by):
    with pytest.raises(Conflict, match="as it was in version 1 already"):
        thresholds.restore(slow.pk, 1, by=by)
    with pytest.raises(NotFound, match="no version 7"):
        thresholds.restore(slow.pk, 7, by=by)


def test_a_threshold_can_be_changed_while_what_it_looks_at_is_gone(by, pool):
    made = thresholds.create({"metric": "pool_size", "value": 5, "scope": {"pool": "billing"}}, by=by)
    with arranged():
        pool.members.all().delete()
        pool.delete()

    assert thresholds.change(made.pk, {"value": 6}, by=by).value == 6
    with pytest.raises(Invalid, match="not valid"):
        thresholds.change(made.pk, {"scope": {"pool": "other"}}, by=by)


def test_removing_says_how_many_alerts_end_and_keeps_them(slow, by):
    alert(slow)
    alert(slow, AlertStatus.RESOLVED, "2")

    assert thresholds.remove(slow.pk, by=by, reason="Noise") == 1

    assert not Threshold.objects.exists() and not ThresholdVersion.objects.exists()
    assert list(Alert.objects.values_list("name", "threshold")) == [("Slow", None)] * 2
    event = told("ThresholdRemoved")
    assert '"open_alerts":1' in event.detail.before and event.detail.reason == "Noise"


def test_a_change_leaves_its_alerts_as_they_are(slow, by):
    firing = alert(slow)
    before = Alert.objects.values().get(pk=firing.pk)

    thresholds.change(slow.pk, {"value": 9}, by=by)
    thresholds.switch(slow.pk, False, by=by)

    assert Alert.objects.values().get(pk=firing.pk) == before


def test_the_usual_ones_are_added_once(by):
    first = thresholds.install_usual(by=by)
    again = thresholds.install_usual(by=by)

    assert [row.name for row in first] == [values["name"] for values in USUAL]
    assert again == []


def test_the_usual_ones_have_the_limits_of_the_reference(by):
    thresholds.install_usual(by=by)

    limits = {row.metric: (row.operator, row.value) for row in Threshold.objects.all()}
    assert limits["response_time"] == (">", 5.0)
    assert limits["error_rate"] == (">", 0.05)
    assert limits["utilization"] == (">", 0.9)


def test_the_usual_ones_leave_alone_what_an_operator_has_set(by):
    thresholds.create({"name": "Mine", "metric": "response_time", "value": 8}, by=by)
    thresholds.create({"name": "Failing agent", "metric": "queue_running", "value": 8}, by=by)

    added = {row.name for row in thresholds.install_usual(by=by)}

    assert added == {values["name"] for values in USUAL} - {"Slow agent", "Failing agent"}


@pytest.mark.parametrize(
    "verb",
    [
        lambda pk, by: thresholds.create(SLOW, by=by),
        lambda pk, by: thresholds.change(pk, {"value": 1}, by=by),
        lambda pk, by: thresholds.switch(pk, False, by=by),
        lambda pk, by: thresholds.restore(pk, 1, by=by),
        lambda pk, by: thresholds.remove(pk, by=by),
        lambda pk, by: thresholds.install_usual(by=by),
    ],
    ids=["create", "change", "switch", "restore", "remove", "install"],
)
def test_a_viewer_changes_nothing(slow, viewer, verb):
    with pytest.raises(Forbidden):
        verb(slow.pk, access.actor_of(viewer))


@pytest.mark.django_db(transaction=True)
def test_of_two_who_save_the_same_version_at_once_one_is_refused(by):
    slow = thresholds.create(SLOW, by=by)
    start, outcomes = threading.Barrier(2), []

    def save(value):
        try:
            start.wait()
            thresholds.change(slow.pk, {"value": value}, by=by, seen=1)
            outcomes.append(value)
        except thresholds.Overtaken:
            outcomes.append("overtaken")
        finally:
            connection.close()

    savers = [threading.Thread(target=save, args=(value,)) for value in (8, 9)]
    for saver in savers:
        saver.start()
    for saver in savers:
        saver.join()

    slow.refresh_from_db()
    assert sorted(map(str, outcomes)) == [str(int(slow.value)), "overtaken"]
    assert slow.versions.count() == 2


def test_thresholds_without_a_name_of_the_same_limit_are_numbered(by):
    rule = {"metric": "response_time", "value": 5.0}

    made = [thresholds.create({**rule, "severity": severity}, by=by) for severity in ("info", "warning", "critical")]

    first = made[0].name
    assert [each.name for each in made] == [first, f"{first} (2)", f"{first} (3)"]
    with pytest.raises(Conflict, match="already"):
        thresholds.create({**rule, "name": first}, by=by)
