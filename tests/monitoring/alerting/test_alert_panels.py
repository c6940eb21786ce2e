"""Alerts on the pages of agents, pools, queues, workflows and runs."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents import pools
from orchestra.kernel.access import Actor
from tests.agents import functions  # noqa: F401  registers the functions
from tests.monitoring.alerts_made import alert
from tests.silent_writes import arranged
from tests.workflows.conftest import publish  # noqa: F401  used as a fixture
from workflows import queues
from workflows.models import Run, Step

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("test")
HOUR = timedelta(hours=1)


def text(response):
    return " ".join(response.content.decode().split())


def panel_of(browser, address):
    """What the panel says, nothing where there is none."""
    return text(browser.get(address)).partition('id="alerts-panel-title"')[2].partition("</section>")[0]


def test_an_agent_s_page_has_its_open_alerts_then_what_was_resolved_lately(as_, viewer, make_agent):
    agent, other = make_agent("writer"), make_agent("reader")
    alert("writer", subject_id=str(agent.pk), status="resolved", name="Errors", worst=9.1)
    alert("writer", subject_id=str(agent.pk))
    browser = as_(viewer)

    shown = panel_of(browser, f"/agents/{agent.pk}/")

    assert shown.index("Response over 5 s") < shown.index("Errors")
    assert "8.2 s" in shown and "worst 9.1 s" in shown
    assert f"?status=open%2Cresolved&amp;agent={agent.pk}" in shown
    assert panel_of(browser, f"/agents/{other.pk}/") == ""


def test_the_page_hears_of_alerts_even_while_there_are_none(as_, viewer, make_agent):
    agent = make_agent("writer")

    assert f'data-topics="agent:{agent.pk} step alert' in text(as_(viewer).get(f"/agents/{agent.pk}/"))


def test_a_pool_s_page_has_those_of_its_members_too(as_, viewer):
    template = {"config": {"function": "test.echo"}, "capabilities": ["draft"], "max_concurrency": 2}
    pool = pools.create("python", {"name": "billing", "template": template}, by=SYSTEM)
    member = pool.members.get()
    alert("billing", subject_kind="pool", subject_id=str(pool.pk), name="Busy pool")
    alert(member.name, subject_id=str(member.pk), name="Slow member")
    alert("elsewhere", subject_id="77", name="Not here")

    shown = panel_of(as_(viewer), f"/pools/{pool.pk}/")

    assert "Busy pool" in shown and "Slow member" in shown and member.name in shown and "Not here" not in shown


def test_queues_and_workflows_are_known_by_name(as_, viewer, publish):  # noqa: F811  the fixture
    queues.create("letters", {}, by=SYSTEM)
    publish("orders", {"name": "only", "capabilities": ["work"]})
    alert("letters", subject_kind="queue", subject_id="letters", name="Long queue", metric="queue_waiting")
    alert("orders", subject_kind="workflow", subject_id="orders", name="Failing", metric="workflow_failure_rate")
    browser = as_(viewer)

    assert "Long queue" in panel_of(browser, "/queues/letters/settings/")
    assert "Failing" in panel_of(browser, "/workflows/orders/")


def test_a_run_s_page_has_what_fired_about_its_work_while_it_ran(as_, viewer, publish, make_agent):  # noqa: F811
    agent, now = make_agent("writer"), timezone.now()
    version = publish("orders", {"name": "only", "capabilities": ["work"]})
    with arranged():
        moments = {"created_at": now - 3 * HOUR, "started_at": now - 3 * HOUR, "finished_at": now - 2 * HOUR}
        run = Run.objects.create(version=version, status="succeeded", correlation="c", **moments)
        Step.objects.create(run=run, name="only", status="succeeded", agent_id=agent.pk)

    def fired(name, kind, identifier, hours_ago, resolved_hours_ago=None):
        over = (
            {} if resolved_hours_ago is None else {"status": "resolved", "resolved_at": now - resolved_hours_ago * HOUR}
        )
        columns = {"subject_kind": kind, "subject_id": identifier, "fired_at": now - hours_ago * HOUR, **over}
        alert(name, name=name, began_at=now - hours_ago * HOUR, **columns)

    fired("Of its agent", "agent", str(agent.pk), 2.5)
    fired("Of its workflow", "workflow", "orders", 4, 2.5)
    fired("Of its queue", "queue", "default", 4)
    fired("Over before", "workflow", "orders", 5, 4)
    fired("Only after", "workflow", "orders", 1)
    fired("Of another", "agent", "77", 2.5)

    shown = panel_of(as_(viewer), f"/runs/{run.pk}/")

    assert all(f">{name}<" in shown for name in ("Of its agent", "Of its workflow", "Of its queue"))
    assert not any(name in shown for name in ("Over before", "Only after", "Of another"))
