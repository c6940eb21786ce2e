"""The pages of recommendations, through a browser without JavaScript."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import AgentStatus
from monitoring.advice import recommendations
from monitoring.alerting import thresholds
from monitoring.models import AgentSample, Recommendation, Tick
from tests.monitoring.advice.conftest import ADA, OLGA, alerted, called, sampled
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db


@pytest.fixture
def failing(make_agent):
    make_agent("well", "draft")
    agent = make_agent("bad", "draft")
    called(agent, well=12, badly=18)
    return agent


@pytest.fixture
def advice(failing):
    recommendations.refresh()
    return Recommendation.objects.get()


@pytest.fixture
def full(make_pool):
    """Advice about a pool that is too small, which only an administrator may follow."""
    pool = make_pool("billing", max_size=1)
    sampled(pool, in_use=2, slots=2, waiting=3, oldest_s=40.0)
    recommendations.refresh()
    return Recommendation.objects.get(rule="pool_too_small")


def text(response):
    return " ".join(response.content.decode().split())


def many(count):
    now = timezone.now()
    with arranged():
        for number in range(count):
            Recommendation.objects.create(
                rule="unused_agent",
                subject_kind="agent",
                subject_id=str(1_000 + number),
                subject_label=f"agent {number}",
                sentence=f"agent {number} is not used.",
                evidence=[{"label": "Days", "value": 20, "unit": "count", "url": "/agents/1/"}],
                action={"verb": "move_agent", "label": "Disable it", "arguments": {"agent": 1}},
                created_at=now,
                seen_at=now,
            )


def test_the_list_says_what_to_do_with_the_figures_that_speak_for_it(as_, operator, advice):
    shown = text(as_(operator).get("/recommendations/"))

    assert "bad failed in 18 of 30 calls in the last day" in shown
    assert "An agent fails" in shown
    assert f'<a href="/agents/{advice.subject_id}/">60 %</a>' in shown
    assert f'href="/recommendations/{advice.pk}/?do=apply"' in shown
    assert f'href="/recommendations/{advice.pk}/?do=dismiss"' in shown


def test_viewers_see_it_without_the_buttons(as_, viewer, advice):
    for address in ("/recommendations/", f"/recommendations/{advice.pk}/"):
        shown = text(as_(viewer).get(address))
        assert "bad failed in 18 of 30 calls" in shown
        assert "Dismiss…" not in shown and "Drain it…" not in shown


def test_an_empty_list_says_when_something_may_come(as_, viewer, db):
    assert "Every five minutes the rules look" in text(as_(viewer).get("/recommendations/"))
    assert "No recommendation matches" in text(as_(viewer).get("/recommendations/?status=applied"))


def test_the_list_shows_open_ones_first_and_others_by_their_state(as_, operator, advice):
    recommendations.dismiss(advice.pk, by=OLGA, reason="It is a drill.")
    browser = as_(operator)

    assert "bad failed" not in text(browser.get("/recommendations/"))
    shown = text(browser.get("/recommendations/?status=dismissed"))
    assert "bad failed" in shown and "by Olga: “It is a drill.”" in shown
    assert "bad failed" in text(browser.get(f"/recommendations/?status=dismissed&subject=agent:{advice.subject_id}"))
    assert "bad failed" not in text(browser.get("/recommendations/?status=dismissed&subject=pool"))
    assert browser.get("/recommendations/?subject=moon").status_code == 422


def test_the_list_takes_as_many_queries_for_fifty_as_for_one(as_, operator):
    browser = as_(operator)

    def queries():
        with CaptureQueriesContext(connection) as asked:
            assert browser.get("/recommendations/").status_code == 200
        return len(asked)

    many(1)
    few = queries()
    with arranged():
        Recommendation.objects.all().delete()
    many(50)

    assert queries() == few <= 30


def test_a_page_shows_evidence_effect_charts_history_and_trail(as_, operator, advice, failing):
    recommendations.dismiss(advice.pk, by=OLGA, reason="It is a drill.")
    called(failing, badly=200)
    recommendations.refresh()
    fresh = Recommendation.objects.first()

    shown = text(as_(operator).get(f"/recommendations/{fresh.pk}/"))

    assert "Times that its breaker opened" in shown
    assert "begins no more calls until somebody enables it" in shown
    assert f'<a href="/recommendations/{advice.pk}/">#{advice.pk}</a>' in shown and "“It is a drill.”" in shown
    assert "It was recommended" in shown
    assert 'id="chart-errors"' in shown


def test_the_pages_queries_are_bounded(as_, operator, full):
    browser = as_(operator)
    address = f"/recommendations/{full.pk}/"
    browser.get(address)

    with CaptureQueriesContext(connection) as asked:
        browser.get(address)

    assert len(asked) <= 30


def test_apply_does_it_and_undo_takes_it_back(as_, operator, advice, failing):
    browser = as_(operator)
    address = f"/recommendations/{advice.pk}/"
    assert 'id="apply" class="dialog" aria-labelledby="apply-title" data-open' in text(
        browser.get(f"{address}?do=apply")
    )

    shown = text(browser.post(f"{address}apply/", {"reason": "Before the rush."}, follow=True))

    assert "It was applied: drain it." in shown and "Undo…" in shown
    failing.refresh_from_db()
    assert failing.status == AgentStatus.DRAINING

    browser.post(f"{address}undo/", {"reason": "Mended."})
    failing.refresh_from_db()
    assert failing.status == AgentStatus.ONLINE


def test_a_dismissal_without_a_reason_comes_back_with_the_fault(as_, operator, advice):
    browser = as_(operator)

    answer = browser.post(f"/recommendations/{advice.pk}/dismiss/", {"reason": ""})

    assert answer.status_code == 422
    assert "Say why it does not apply here." in text(answer)
    assert 'id="dismiss" class="dialog" aria-labelledby="dismiss-title" data-open' in text(answer)
    assert "It was dismissed." in text(
        browser.post(f"/recommendations/{advice.pk}/dismiss/", {"reason": "A drill."}, follow=True)
    )


def test_what_was_decided_meanwhile_is_said_so(as_, operator, advice):
    recommendations.dismiss(advice.pk, by=OLGA, reason="It is a drill.")

    answer = as_(operator).post(f"/recommendations/{advice.pk}/apply/")

    assert answer.status_code == 409
    assert "dismissed by Olga already" in text(answer)


def test_an_operator_is_told_that_an_administrator_may_apply_it(as_, operator, admin_user, full):
    address = f"/recommendations/{full.pk}/"

    assert "an administrator may apply it" in text(as_(operator).get(address))
    assert "Let it have at most 2…" in text(as_(admin_user).get(address))
    assert as_(operator).post(f"{address}apply/").status_code == 403


def test_other_limits_can_be_tried_over_the_last_week(as_, operator, viewer, full, advice_of_agent):
    shown = text(as_(operator).get(f"/recommendations/{full.pk}/try/"))

    assert "Agent-hours" in shown and "with this" in shown
    assert as_(viewer).get(f"/recommendations/{full.pk}/try/").status_code == 403
    assert as_(operator).get(f"/recommendations/{advice_of_agent.pk}/try/").status_code == 404


@pytest.fixture
def advice_of_agent(full, make_agent):
    make_agent("well", "draft")
    called(make_agent("bad", "draft"), badly=30)
    recommendations.refresh()
    return Recommendation.objects.get(rule="failing_agent")


def test_the_page_of_its_subject_shows_it_while_it_is_open(as_, operator, advice, full):
    agent, pool = f"/agents/{advice.subject_id}/", f"/pools/{full.subject_id}/"
    browser = as_(operator)

    for address, sentence in ((agent, "bad failed in 18"), (pool, "billing is too small")):
        shown = text(browser.get(address))
        assert "Recommended" in shown and sentence in shown
    recommendations.dismiss(advice.pk, by=ADA, reason="A drill.")
    assert "Recommended" not in text(browser.get(agent))


def test_the_page_of_a_workflow_shows_what_is_advised_for_its_steps(as_, operator, publish, ran, make_agent):
    make_agent("payer", "payment", max_concurrency=50)
    publish("refund", {"name": "pay", "capabilities": ["payment"], "timeout": "10m"})
    ran("refund", 50, {"pay": (0, 2)})
    recommendations.refresh()

    shown = text(as_(operator).get("/workflows/refund/"))

    assert "Step pay of refund: 99 of 100 calls are over" in shown
    assert "Give it 5.0 s" in text(as_(operator).get("/recommendations/?subject=workflow"))


def test_the_search_finds_open_ones_and_any_by_number(as_, viewer, advice):
    browser = as_(viewer)

    assert "bad failed in 18" in text(browser.get("/search/?q=bad+failed"))
    recommendations.dismiss(advice.pk, by=OLGA, reason="A drill.")
    assert f"/recommendations/{advice.pk}/" in text(browser.get(f"/search/?q=%23{advice.pk}"))


def test_the_trail_tells_it_in_sentences(as_, viewer, advice):
    recommendations.apply(advice.pk, by=OLGA)

    shown = text(as_(viewer).get(f"/audit/?target=agent:{advice.subject_id}"))

    assert "applied the recommendation" in shown and "It was recommended" in shown


def test_a_number_that_there_is_not_is_not_found(as_, operator, db):
    for path in ("", "try/"):
        assert as_(operator).get(f"/recommendations/99/{path}").status_code == 404
    assert as_(operator).get("/recommendations/99/apply/").status_code == 302


def test_the_admin_shows_the_rows_and_changes_none(as_, admin_user, advice):
    browser = as_(admin_user)

    assert "bad failed" in text(browser.get("/admin/monitoring/recommendation/"))
    assert browser.get(f"/admin/monitoring/recommendation/{advice.pk}/change/").status_code == 200
    assert browser.get("/admin/monitoring/recommendation/add/").status_code == 403


def test_another_pending_time_can_be_tried_over_the_last_week(as_, operator, make_agent):
    slow = thresholds.create({"name": "Slow", "metric": "response_time", "value": 5, "for_s": 60}, by=ADA)
    agent = make_agent("writer", "draft")
    now = int(timezone.now().timestamp()) // 30 * 30
    breaches = {number for start in range(20, 400, 40) for number in range(start, start + 5)}
    with arranged():
        Tick.objects.bulk_create([Tick(at=now - 30 * number, holder="test") for number in range(400)])
        rows = [
            {"at": now - 30 * number, "seconds": 9.0 if number in breaches else 1.0, "calls": 1, "timed": 1, "slots": 1}
            for number in range(400)
        ]
        AgentSample.objects.bulk_create([AgentSample(agent=agent, span=30, **row) for row in rows])
    alerted(slow, *[120] * 6, subject_id=str(agent.pk))
    recommendations.refresh()
    row = Recommendation.objects.get(rule="flapping_threshold")

    shown = text(as_(operator).get(f"/recommendations/{row.pk}/try/"))

    saved = row.evidence[-1]
    assert saved["label"] == "Notifications that it would have saved" and saved["value"] > 0
    assert 'Times fired</th><td class="number">10</td><td class="number">0</td>' in shown
    assert f'Notifications</th><td class="number">{saved["value"]}</td><td class="number">0</td>' in shown
    recommendations.refresh()
    assert Recommendation.objects.get(pk=row.pk).evidence[-1] == saved
