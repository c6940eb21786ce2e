"""The pages of figures: what the address asks for is drawn, with limits, gaps and last week; in few queries."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import measures, pools
from agents.models import AgentMeasure
from agents.observation import Tally
from monitoring.explorer.drawings import DRAWINGS
from monitoring.metrics.catalogue import METRICS
from monitoring.metrics.figures import FIGURES
from monitoring.models import Gauge, RunMeasure, Span, Threshold, Tick
from orchestra.kernel.access import Actor
from orchestra.kernel.charts import UNITS
from tests.silent_writes import arranged
from workflows.models import TaskQueue

pytestmark = pytest.mark.django_db
CHARTS = {"X-Regions": "figures"}


def at(**ago):
    """The beginning of a minute, in seconds since 1970."""
    return int((timezone.now() - timedelta(**ago)).timestamp()) // 60 * 60


def called(agent, *seconds, ago=timedelta(minutes=10)):
    tally = Tally()
    for took in seconds:
        tally.count(took, None)
    measures.write({(agent.pk, int((timezone.now() - ago).timestamp() // 60)): tally})


def charts(response):
    return {chart.title: chart for chart in response.context["board"].charts}


def known(line):
    return [value for value in line.values if value is not None]


@pytest.fixture
def queues(db):
    with arranged():
        TaskQueue.objects.bulk_create([TaskQueue(name=name) for name in ("billing", "mail")])


@pytest.fixture
def writer(make_agent):
    return make_agent("writer", ["draft"])


def test_every_drawing_is_of_figures_of_one_unit_and_every_metric_of_the_catalogue_is_drawn():
    for drawings in DRAWINGS.values():
        for drawing in drawings.values():
            assert {FIGURES[metric].unit for metric in drawing.metrics} == {drawing.unit} <= set(UNITS)
    drawn = {metric for all_ in DRAWINGS.values() for one in all_.values() for metric in (*one.metrics, one.limited)}
    assert METRICS.keys() <= drawn


def test_subjects_are_drawn_beside_each_other(as_, viewer, queues, gauged):
    gauged("queue_waiting", "billing", at(minutes=20), 7)
    gauged("queue_waiting", "mail", at(minutes=20), 3)

    response = as_(viewer).get("/figures/?kind=queue&subject=billing&subject=mail&metric=queue_waiting&range=1h")

    (chart,) = charts(response).values()
    assert [(line.label, known(line)) for line in chart.lines] == [("billing", [7.0]), ("mail", [3.0])]
    assert METRICS["queue_waiting"].how in response.content.decode()


def test_one_subject_is_shown_with_all_its_figures(as_, viewer, writer, sampled):
    called(writer, 0.2, 0.4)
    sampled(writer, at(minutes=10), calls=2, seconds=1.0, in_flight=1, slots=2)

    shown = charts(as_(viewer).get(f"/figures/?kind=agent&subject={writer.pk}&range=1h"))

    assert list(shown) == [
        "Response", "Response time", "Calls a minute", "Errors", "Success", "Utilisation", "Memory", "Processor"
    ]  # fmt: skip
    assert [line.label for line in shown["Response"].lines] == ["p50", "p95"]
    assert known(shown["Utilisation"].lines[0]) == [0.5]


def test_without_a_choice_the_agents_that_were_called_last_are_shown(as_, viewer, make_agent):
    for number in range(5):
        make_agent(f"a{number}")
    make_agent("desk", kind="human")
    called_last = make_agent("zebra")
    with arranged():
        type(called_last.health).objects.filter(pk=called_last.pk).update(last_called_at=timezone.now())

    shown = as_(viewer).get("/figures/").context["shown"]

    assert list(shown.chosen.subjects.values()) == ["zebra", "a0", "a1"]


def test_another_subject_is_added_by_its_name(as_, viewer, queues):
    browser = as_(viewer)

    shown = browser.get("/figures/?kind=queue&subject=billing&metric=queue_dead&add=mail").context["shown"]

    assert list(shown.chosen.subjects) == ["billing", "mail"]
    wrong = browser.get("/figures/?kind=queue&subject=billing&add=nothing")
    assert "There is no queue named nothing." in wrong.content.decode()
    assert list(wrong.context["shown"].chosen.subjects) == ["billing"]


def test_at_most_six_are_compared(as_, viewer):
    with arranged():
        TaskQueue.objects.bulk_create([TaskQueue(name=f"q{number}") for number in range(8)])
    asked = "&".join(f"subject=q{number}" for number in range(6))

    response = as_(viewer).get(f"/figures/?kind=queue&{asked}&add=q7")

    assert len(response.context["shown"].chosen.subjects) == 6
    assert "At most 6 can be compared; take one away first." in response.content.decode()


def test_what_is_gone_is_said(as_, viewer, queues):
    response = as_(viewer).get("/figures/?kind=queue&subject=billing&subject=gone")

    assert "Some queues are no longer there." in response.content.decode()


@pytest.mark.parametrize("query", ["kind=magic", "metric=magic", "range=magic", "kind=agent&subject=x", "kind=pool"])
def test_an_address_that_makes_no_sense_shows_what_it_can(as_, viewer, query):
    assert as_(viewer).get(f"/figures/?{query}").status_code == 200


@pytest.mark.parametrize(("name", "step_s"), [("1h", 60), ("6h", 120), ("24h", 600), ("7d", 3_600), ("30d", 21_600)])
def test_ranges_have_steps_that_can_be_read(as_, viewer, queues, name, step_s):
    board = as_(viewer).get(f"/figures/?kind=queue&range={name}").context["board"]

    assert board.steps.step_s == step_s
    assert 30 <= board.steps.count <= 190


def test_the_time_may_be_one_s_own(as_, viewer, queues, gauged):
    gauged("queue_waiting", "billing", at(hours=30), 7)
    now = timezone.now()
    since, until = (f"{now - timedelta(hours=ago):%Y-%m-%dT%H:%M}" for ago in (31, 29))

    response = as_(viewer).get(
        f"/figures/?kind=queue&subject=billing&metric=queue_waiting&range=own&since={since}&until={until}"
    )

    (chart,) = charts(response).values()
    assert known(chart.lines[0]) == [7.0]
    (link,) = [choice.url for choice in response.context["shown"].kinds if choice.label == "Pools"]
    assert parse_qs(urlsplit(link).query)["since"] == [since]


@pytest.mark.parametrize(
    ("since", "until", "field"),
    [("soon", "", "since"), ("2026-01-02", "2026-01-01", "until"), ("1980-01-01", "2026-01-01", "since")],
)
def test_a_time_that_makes_no_sense_is_said_beside_its_field(as_, viewer, queues, since, until, field):
    response = as_(viewer).get(f"/figures/?kind=queue&range=own&since={since}&until={until}")

    assert list(response.context["window"].faults) == [field]
    assert f'id="figures-{field}-error"' in response.content.decode()


def test_last_week_is_a_dashed_line(as_, viewer, queues, gauged):
    gauged("queue_waiting", "billing", at(minutes=20), 7)
    gauged("queue_waiting", "billing", at(days=7, minutes=20), 5)

    asked = "/figures/?kind=queue&subject=billing&metric=queue_waiting&range=1h&compare=week"
    (chart,) = charts(as_(viewer).get(asked)).values()

    now, before = chart.lines
    assert (before.label, before.shape, before.tone) == ("Waiting a week before", "dashed", now.tone)
    assert now.values.index(7.0) == before.values.index(5.0)


def test_last_week_s_calls_are_kept_by_the_hour_and_said_so(as_, viewer, writer):
    called(writer, 0.2)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(days=7)
    AgentMeasure.objects.create(agent=writer, span=3_600, at=hour, calls=9, took_18=9, seconds=9)

    asked = f"/figures/?kind=agent&subject={writer.pk}&metric=response&range=1h&compare=week"
    response = as_(viewer).get(asked)

    (chart,) = charts(response).values()
    within = [value for value in chart.lines[1].values if value is not None]
    assert within and all(0.7 < value <= 1.0 for value in within)
    assert "Of last week only figures of 1 h are kept." in response.content.decode()


def test_counts_of_a_longer_step_are_shared_among_shorter_ones(as_, viewer, publish):
    publish("reply", {"name": "a", "capabilities": ["work"]})
    hour = at(days=3) // 3_600 * 3_600
    with arranged():
        RunMeasure.objects.create(workflow="reply", span=Span.HOUR, at=hour - 7 * 86_400, started=60)
    since, until = (f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M}" for moment in (hour, hour + 3_600))

    asked = f"/figures/?kind=workflow&subject=reply&metric=runs&range=own&since={since}&until={until}&compare=week"
    (chart,) = charts(as_(viewer).get(asked)).values()

    assert known(chart.lines[1]) == [1.0] * 60


def test_thresholds_on_what_is_drawn_are_lines(as_, viewer, queues):
    with arranged():
        values = {"metric": "queue_waiting", "recovery_value": 1}
        Threshold.objects.create(name="flood", value=40, severity="critical", **values)
        Threshold.objects.create(name="of mail", value=20, scope_kind="queue", scope_value="mail", **values)
        Threshold.objects.create(name="off", value=30, enabled=False, **values)
        Threshold.objects.create(name="other", metric="queue_dead", value=3, recovery_value=1)

    def limits(subject):
        asked = f"/figures/?kind=queue&subject={subject}&metric=queue_waiting"
        (chart,) = charts(as_(viewer).get(asked)).values()
        return [(limit.label, limit.value, limit.tone) for limit in chart.limits]

    assert limits("billing") == [("flood:", 40.0, "failed")]
    assert limits("mail") == [("of mail:", 20.0, "waiting"), ("flood:", 40.0, "failed")]


def test_a_threshold_of_a_pool_is_a_line_on_its_members_charts(as_, viewer, make_agent):
    pool = pools.create(
        "python", {"name": "billing", "template": {"config": {"function": "test.echo"}}, "min_size": 0},
        by=Actor.system("test"),
    )  # fmt: skip
    member, other = make_agent("member"), make_agent("other")
    with arranged():
        type(member).objects.filter(pk=member.pk).update(pool=pool)
        Threshold.objects.create(
            name="slow", metric="response_time", value=5, recovery_value=4, scope_kind="pool", scope_value=str(pool.pk)
        )

    def limited(agent):
        shown = charts(as_(viewer).get(f"/figures/?kind=agent&subject={agent.pk}&metric=response"))
        return [bool(chart.limits) for chart in shown.values()]

    assert (limited(member), limited(other)) == ([True], [False])


def test_when_the_collector_did_not_run_is_said_and_shaded(as_, viewer, queues, gauged):
    start = at(minutes=40)
    moments = [*range(start, start + 301, 30), *range(start + 900, at(minutes=0) + 31, 30)]
    with arranged():
        Tick.objects.bulk_create([Tick(at=moment, holder="test") for moment in moments])
    gauged("queue_waiting", "billing", start, 7)

    response = as_(viewer).get("/figures/?kind=queue&subject=billing&metric=queue_waiting&range=1h")

    assert "The collector did not run" in response.content.decode()
    (chart,) = charts(response).values()
    ((since, until),) = chart.shades[0].stretches
    assert (since.timestamp(), until.timestamp()) == (start + 330, start + 900)


def test_the_system_has_a_page_of_its_own(as_, viewer, gauged):
    gauged("disk_free", "", at(minutes=20), 0.25)
    Gauge.objects.update(kind="system")

    response = as_(viewer).get("/figures/system/?range=1h")

    assert set(charts(response)) == {drawing.title for drawing in DRAWINGS["system"].values()}
    assert known(charts(response)["Disk free"].lines[0]) == [0.25]


@pytest.mark.parametrize(("kind", "said"), [("pool", "There are no pools yet"), ("workflow", "There are no workflows")])
def test_where_there_is_nothing_it_says_what_to_do_first(as_, viewer, kind, said):
    assert said in as_(viewer).get(f"/figures/?kind={kind}").content.decode()


def test_the_region_comes_alone_and_asks_again_every_thirty_seconds(as_, viewer, queues):
    part = as_(viewer).get("/figures/?kind=queue", headers=CHARTS).content.decode()

    assert part.lstrip().startswith("<section")
    assert 'id="figures" data-region data-every="30"' in part


@pytest.mark.parametrize("compared", ["", "&compare=week"])
def test_more_subjects_and_thresholds_cost_no_more_queries(as_, viewer, make_agent, compared):
    browser = as_(viewer)
    made = [make_agent(f"a{number}", ["draft"]) for number in range(6)]

    def queries(agents):
        asked = "&".join(f"subject={agent.pk}" for agent in agents)
        with CaptureQueriesContext(connection) as captured:
            browser.get(f"/figures/?kind=agent&{asked}&metric=error_rate{compared}", headers=CHARTS)
        return len(captured)

    few = queries(made[:2])
    with arranged():
        for number in range(10):
            Threshold.objects.create(name=f"t{number}", metric="error_rate", value=1, recovery_value=1)

    assert queries(made) == few <= 12


def test_all_figures_of_an_agent_are_read_in_two_queries(as_, viewer, writer):
    with CaptureQueriesContext(connection) as captured:
        as_(viewer).get(f"/figures/?kind=agent&subject={writer.pk}", headers=CHARTS)

    tables = [query["sql"] for query in captured if "agentmeasure" in query["sql"] or "agentsample" in query["sql"]]
    assert len(tables) == 2


def test_a_workflow_s_page_draws_its_runs(as_, viewer, publish):
    publish("reply", {"name": "a", "capabilities": ["work"]})
    with arranged():
        RunMeasure.objects.create(
            workflow="reply", span=Span.MINUTE, at=at(minutes=10), started=3, succeeded=2, failed=1, took_18=3,
            seconds=3, fastest_s=0.8, slowest_s=1,
        )  # fmt: skip

    shown = as_(viewer).get("/workflows/reply/").content.decode()

    assert 'id="figure-runs-0"' in shown and 'id="figure-durations-0"' in shown
    assert "/figures/?kind=workflow&amp;subject=reply" in shown


def test_a_queue_s_page_draws_what_waits(as_, viewer, queues, gauged):
    gauged("queue_waiting", "billing", at(minutes=20), 7)

    shown = as_(viewer).get("/queues/billing/settings/?range=6h").content.decode()

    assert 'id="figure-queue_waiting"' in shown
    assert "/figures/?kind=queue&amp;subject=billing" in shown


def test_an_agent_s_page_leads_here_and_compares_with_last_week(as_, viewer, writer):
    called(writer, 0.2)
    response = as_(viewer).get(f"/agents/{writer.pk}/?compare=week")

    (chart, *_) = response.context["charts"]()
    assert [line.label for line in chart.lines] == ["p50", "p50 a week before", "p95", "p95 a week before"]
    assert f"/figures/?kind=agent&amp;subject={writer.pk}" in response.content.decode()


def test_strangers_see_nothing(client):
    assert client.get("/figures/").status_code == 302
