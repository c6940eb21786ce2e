"""A bad day: agents slow down, fail, come back and flap, a queue floods, and the collector is away for a while.

Five hours at a simulated clock, with the usual thresholds, route and inhibition, and a real mail server. The right
alerts fire and resolve, each message says why it was sent or not, nobody is flooded, and the advice names the causes.
"""

from collections import Counter
from datetime import timedelta

import pytest

from agents import fleet, pools
from agents.models import Agent, AgentHealth, Circuit
from agents.outcomes import Fault
from monitoring.advice import recommendations
from monitoring.alerting import alerts, evaluator, thresholds
from monitoring.alerting.held import Held
from monitoring.metrics import gaps
from monitoring.models import (
    AdviceStatus,
    AlertStatus,
    Notification,
    NotificationStatus,
    Recommendation,
    Route,
)  # fmt: skip
from monitoring.notification import channels, defaults, routes
from orchestra.kernel.access import Actor
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Event, Role
from tests.agents import functions  # noqa: F401  registers the functions
from tests.monitoring.simulated_day import Clock, Day, Manner, mail_server
from workflows import definitions, engine

pytestmark = pytest.mark.django_db
ADMIN = Actor("person", "1", "Ada", role=Role.ADMIN)
OLGA = Actor("person", "7", "Olga", role=Role.OPERATOR)
MONDAY = 1_790_586_000
"""09:00 of a Monday, a while ago."""
OWN = (
    {"name": "Some errors", "metric": "error_rate", "value": 0.02, "recovery_value": 0.01},
    {"name": "Packers nervous", "metric": "response_time", "value": 1.0, "scope_kind": "capability",
     "scope_value": "pack", "for_s": 0, "keep_firing_s": 0},
    {"name": "Queue waits long", "metric": "queue_oldest_wait", "value": 300.0, "recovery_value": 60.0},
    {"name": "Pool waits long", "metric": "pool_oldest_wait", "value": 300.0, "recovery_value": 60.0},
)  # fmt: skip


@pytest.fixture
def day(monkeypatch, settings):
    """A fleet of three pools and five single agents, watched by the usual thresholds and some of its people's own."""
    settings.MONITORING, settings.LEASE_S = True, 300
    monkeypatch.setattr(evaluator, "_held", Held())
    clock = Clock(MONDAY)
    clock.replace_all(monkeypatch)
    with mail_server(settings) as mailbox:
        day = Day(clock, mailbox)
        for name, capability, size in (("billing", "bill", 3), ("support", "answer", 2), ("orders", "order", 2)):
            template = {"config": {"function": "test.echo"}, "capabilities": [capability], "max_concurrency": 2}
            sizes = {"min_size": size, "max_size": size, "autoscales": False}
            pools.create("python", {"name": name, "template": template, **sizes}, by=ADMIN)
        for name, capability in (
            ("mailer-1", "mail"), ("mailer-2", "mail"), ("packer-1", "pack"), ("packer-2", "pack"), ("clerk", "file"),
        ):  # fmt: skip
            fleet.create("python", {"name": name, "config": {"function": "test.echo"}}, [capability], by=ADMIN)
        day.manners = {agent: Manner() for agent in Agent.objects.exclude(pool__name="orders").order_by("pk")}
        steps = [{"name": "order", "capabilities": ["order"]}]
        definitions.publish("orders", {"steps": steps, "queue": "orders"}, by=ADMIN, allow_unknown=True)
        _watch_everything()
        yield day


def _watch_everything():
    thresholds.install_usual(by=ADMIN)
    for values in OWN:
        thresholds.create(values, by=ADMIN)
    defaults.install(ADMIN)
    mail = channels.create("email", {"name": "Ops mail", "config": {"recipients": "ops@example.org"}}, by=ADMIN)
    route = Route.objects.get()
    routes.change(route.pk, {"channels": [*route.channels.values_list("pk", flat=True), mail.pk]}, by=ADMIN)


def behave(day, manner, *names):
    for agent in day.manners:
        if agent.name in names:
            day.manners[agent] = manner


def members(pool):
    return list(Agent.objects.filter(pool__name=pool).order_by("name").values_list("name", flat=True))


def told(name):
    """What became of messages by mail about the alerts of a threshold, by kind and status."""
    rows = Notification.objects.filter(channel_name="Ops mail", alerts__name=name).distinct()
    return Counter(f"{one.kind} {one.status}" for one in rows)


def test_a_bad_day(day):
    a_calm_hour(day)
    two_agents_slow_down_and_one_person_takes_it(day)
    an_agent_fails_and_comes_back_while_nobody_watches(day)
    an_agent_flaps_for_an_hour(day)
    a_queue_floods(day)
    everything_is_quiet_again(day)
    every_message_says_why(day)
    the_advice_names_the_causes(day)


def a_calm_hour(day):
    day.pass_by(minutes=60)

    assert day.alerts() == []
    assert (Notification.objects.count(), day.mailbox.mails) == (0, [])
    assert Recommendation.objects.count() == 0


def two_agents_slow_down_and_one_person_takes_it(day):
    slow = members("billing")[:2]
    behave(day, Manner(seconds=9.0), *slow)
    mails = day.new_mails()
    day.pass_by(minutes=0.5)
    assert day.states("Slow agent") == dict.fromkeys(slow, "pending")

    day.pass_by(minutes=1)
    assert day.states("Slow agent") == dict.fromkeys(slow, "firing")
    assert mails() == []

    day.pass_by(minutes=0.5)
    assert mails() == ["[warning] 2 alerts fire: Slow agent"]

    first = day.alerts(name="Slow agent")[0]
    everything = Route.objects.get()
    routes.change(everything.pk, {"repeat_s": 600}, by=ADMIN)
    alerts.acknowledge(first.pk, by=OLGA, until=day.clock.now() + timedelta(hours=6), note="The bank is slow.")
    day.pass_by(minutes=25)
    assert mails()[1:] == [f"[warning] Still firing: Slow agent, {slow[1]}"] * 2
    routes.change(everything.pk, {"repeat_s": everything.repeat_s}, by=ADMIN)

    behave(day, Manner(), *slow)
    day.pass_by(minutes=0.5)
    assert day.states("Slow agent") == dict.fromkeys(slow, "recovering")
    day.pass_by(minutes=10)
    assert day.states("Slow agent") == dict.fromkeys(slow, "resolved")
    assert mails()[3:] == ["[warning] 2 alerts are resolved: Slow agent"]
    repeats = {"repeat sent": 2, "repeat suppressed": 1}
    assert told("Slow agent") == {"firing sent": 1, "resolved sent": 1, **repeats}
    first.refresh_from_db()
    assert (first.acknowledged_by, first.note, first.worst) == ("Olga", "The bank is slow.", 9.0)


def an_agent_fails_and_comes_back_while_nobody_watches(day):
    mailer, mails = Agent.objects.get(name="mailer-1"), day.new_mails()
    behave(day, Manner(fault=Fault.AGENT), "mailer-1")
    day.pass_by(minutes=15)
    assert AgentHealth.objects.get(agent=mailer).circuit == Circuit.OPEN
    assert day.states("Failing agent") == {"mailer-1": "firing"}
    assert day.states("Some errors") == {"mailer-1": "firing"}
    assert mails() == ["[critical] Firing: Failing agent, mailer-1"]
    assert told("Some errors") == {"firing suppressed": 1}

    behave(day, Manner(), "mailer-1")
    day.pass_by(minutes=2)
    assert AgentHealth.objects.get(agent=mailer).circuit == Circuit.CLOSED
    assert day.states("Failing agent") == {"mailer-1": "recovering"}
    the_collector_is_away(day)

    day.pass_by(minutes=12)
    assert day.states("Failing agent") == {"mailer-1": "resolved"}
    assert mails()[1:] == ["[critical] Resolved: Failing agent, mailer-1"]


def the_collector_is_away(day):
    """For ten minutes, longer than the alert had to recover still: what nobody saw is not taken for recovered."""
    since = day.clock.now()
    day.pass_by(minutes=10, is_watched=False)
    [gap] = gaps.between(since, day.clock.now(), day.clock.now())
    assert gap.ticks >= 19

    day.pass_by(minutes=0.5)
    assert day.states("Failing agent") == {"mailer-1": "recovering"}
    [gap] = gaps.between(since, day.clock.now(), day.clock.now())
    assert gap.ticks == 20
    day.pass_by(minutes=4)
    assert day.states("Failing agent") == {"mailer-1": "recovering"}


def an_agent_flaps_for_an_hour(day):
    """Slow for two and a half minutes in every five: it fires and resolves twelve times."""
    mails, begin = day.new_mails(), day.ticks
    packer = next(agent for agent in day.manners if agent.name == "packer-1")

    def flap(number):
        day.manners[packer] = Manner(seconds=2.0 if (number - begin - 1) % 10 < 5 else 0.4)

    day.before_tick = flap
    day.pass_by(minutes=60)
    day.before_tick = lambda number: None
    behave(day, Manner(), "packer-1")

    [alert] = day.alerts(name="Packers nervous")
    assert alert.flapping
    assert Event.objects.filter(action="AlertFired", target_id=str(alert.pk)).count() == 12
    before = ["[warning] Firing: Packers nervous, packer-1", "[warning] Resolved: Packers nervous, packer-1"]
    assert mails() == [*before, before[0], "[warning] Flapping: Packers nervous, packer-1"]


def a_queue_floods(day):
    mails = day.new_mails()
    engine.start_many("orders", [({"number": number}, Ref("order", number)) for number in range(560)], by=OLGA)
    day.looks_at_pools = 2
    day.pass_by(minutes=60)
    assert day.states("Queue waits long") == {"orders": "firing"}
    assert day.states("Pool waits long") == {"orders": "firing"}
    assert day.states("Busy agent") == dict.fromkeys(members("orders"), "firing")
    [alert] = day.alerts(name="Queue waits long")
    assert alert.value == pytest.approx(3_600, abs=60)
    assert sorted(subject for subject in mails() if "Packers" not in subject) == [
        "[warning] 2 alerts fire: Busy agent",
        "[warning] Firing: Pool waits long, orders",
        "[warning] Firing: Queue waits long, orders",
    ]

    [advice] = Recommendation.objects.filter(rule="pool_too_small")
    assert advice.subject_label == "orders"
    recommendations.apply(advice.pk, by=ADMIN)
    day.executor.turns, day.looks_at_pools = 4, 1 / 4
    day.pass_by(minutes=12)
    assert set(day.states("Queue waits long").values()) == {"resolved"}
    assert set(day.states("Pool waits long").values()) == {"resolved"}


def everything_is_quiet_again(day):
    day.pass_by(minutes=20)
    assert day.alerts(status__in=[AlertStatus.FIRING, AlertStatus.PENDING, AlertStatus.RECOVERING]) == []
    assert not Notification.objects.exclude(status__in=[NotificationStatus.SENT, NotificationStatus.SUPPRESSED])
    assert told("Packers nervous") == {"firing sent": 2, "digest sent": 1, "resolved sent": 2}
    for name in ("Failing agent", "Busy agent", "Queue waits long", "Pool waits long"):
        assert told(name) == {"firing sent": 1, "resolved sent": 1}
    assert len(day.mailbox.mails) == 17


def every_message_says_why(day):
    for one in Notification.objects.all():
        assert one.why, one
        assert "Route “Everything” takes it" in " ".join(one.why), one.why
        if one.status == NotificationStatus.SUPPRESSED:
            assert "hides it" in one.why[-1] or "acknowledged it" in one.why[-1] or "before" in one.why[-1], one.why


def the_advice_names_the_causes(day):
    found = {(row.rule, row.subject_label) for row in Recommendation.objects.exclude(status=AdviceStatus.DISMISSED)}
    assert found == {
        ("failing_agent", "mailer-1"), ("flapping_threshold", "Packers nervous"), ("pool_too_small", "orders"),
    }  # fmt: skip
