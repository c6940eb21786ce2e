"""Pages of the audit trail."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import Agent, AgentHealth
from monitoring.audit import seal
from orchestra.kernel.access import Actor
from orchestra.kernel.events import Outcome, Ref
from orchestra.kernel.models import EventDetail
from tests.audit import last_event
from tests.monitoring.happenings import ENGINE, happened, happened_at
from tests.silent_writes import arranged, watching

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga(operator, as_):
    return as_(operator)


def text(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def test_events_read_as_sentences_with_reason_and_difference(olga):
    happened(
        "AgentChanged", target=Ref("agent", 3, "billing-1"), before={"slots": 4}, after={"slots": 8}, reason="Rush"
    )

    page = text(olga.get("/audit/"))

    assert '<strong>Ada Moreau</strong> changed the agent <a href="/agents/3/">billing-1</a>' in page
    assert "“Rush”" in page
    assert "<del>4</del>" in page
    assert "<ins>8</ins>" in page


def test_events_are_grouped_by_day(olga):
    now = timezone.now()
    happened_at(now - timedelta(days=2), now - timedelta(days=2), now)

    page = text(olga.get("/audit/"))

    assert page.count(f'id="day-{now - timedelta(days=2):%Y-%m-%d}"') == 1
    assert f'id="day-{now:%Y-%m-%d}"' in page


def test_filters_narrow_the_list_and_can_be_taken_away(olga):
    happened(target=Ref("run", 7, "customer_inquiry"))
    happened(target=Ref("run", 8, "order_fulfillment"))

    page = text(olga.get("/audit/?target=run:7&actor=person"))

    assert "customer_inquiry" in page
    assert "order_fulfillment" not in page
    assert '<a class="chip" href="?actor=person" aria-current="true">target: run:7' in page
    assert '<a href="?target=run%3A7" aria-current="true">people' in page


def test_outcomes_are_counted(olga):
    for _ in range(3):
        happened("RunFailed", by=ENGINE, outcome=Outcome.FAILED)

    assert 'href="?outcome=failed">failed <span class="facet-count">3</span>' in text(olga.get("/audit/"))


def test_a_filter_that_makes_no_sense_is_refused_with_a_page(olga):
    answer = olga.get("/audit/?since=soon")

    assert answer.status_code == 422
    assert b"2026-01-31" in answer.content


def test_an_empty_result_says_what_to_do(olga):
    assert "No event matches" in text(olga.get("/audit/?actor=agent"))


def test_only_the_regions_asked_for_are_answered(olga):
    happened()

    answer = olga.get("/audit/", headers={"X-Regions": "audit-seal"})

    assert b'id="audit-seal"' in answer.content
    assert b'id="audit-list"' not in answer.content


def test_the_list_takes_the_same_queries_however_long_it_is(olga):
    happened()
    olga.get("/audit/")
    with CaptureQueriesContext(connection) as few:
        olga.get("/audit/")
    for _ in range(30):
        happened(after={"n": 1}, reason="because", parent=Ref("run", 7))
    with CaptureQueriesContext(connection) as many:
        olga.get("/audit/")

    assert len(few) == len(many)
    assert len(many) <= 16  # one for the badge of the alerts


def test_the_export_link_keeps_the_filter(olga):
    page = text(olga.get("/audit/?actor=person&since=24h"))

    assert "/api/v1/audit/export/?actor=person&amp;since=24h&amp;format=csv" in page


def test_a_story_tells_everything_under_one_correlation_in_order(olga):
    run = Ref("run", 7, "customer_inquiry")
    told = [happened(action, by=ENGINE, target=run, correlation="one") for action in ("RunStarted", "RunSucceeded")]
    other = happened("RunFailed", by=ENGINE, target=Ref("run", 8, "another"), correlation="two")

    page = text(olga.get("/audit/stories/one/"))

    assert page.index(f'"event-{told[0].number}"') < page.index(f'"event-{told[1].number}"')
    assert f'"event-{other.number}"' not in page


def test_a_story_of_nothing_is_not_found(olga):
    assert olga.get("/audit/stories/none/").status_code == 404


def test_an_event_has_a_page_with_all_that_is_stored(olga):
    event = happened(before={"status": "new"}, after={"status": "in_review"}, correlation="one")

    page = text(olga.get(f"/audit/{event.number}/"))

    for stored in (event.hash, event.previous_hash, event.detail_digest, "in_review", "Charged twice"):
        assert stored in page


def test_an_event_page_shows_the_part_of_a_long_story_that_it_stands_in(olga):
    numbers = [happened(correlation="one").number for _ in range(30)]

    page = text(olga.get(f"/audit/{numbers[20]}/"))

    assert f'id="event-{numbers[14]}"' in page
    assert f'id="event-{numbers[26]}"' in page
    assert f'id="event-{numbers[13]}"' not in page


def test_an_event_that_is_not_there_is_not_found(olga):
    assert olga.get("/audit/999/").status_code == 404


def test_an_erased_detail_says_by_which_event(olga):
    event, erasure = happened(after={"body": "Dear Maya"}), happened("DetailErased", by=ENGINE)
    with watching(on=False):
        EventDetail.objects.filter(event=event).update(
            before="", after="", reason="", salt="", erased_by=erasure.number
        )

    for address in ("/audit/", f"/audit/{event.number}/"):
        page = text(olga.get(address))
        assert f'erased by <a href="/audit/{erasure.number}/">' in page
        assert "Dear Maya" not in page


def test_markup_in_names_and_reasons_is_text(olga):
    happened(
        by=Actor("person", "6", "<b>Eve</b>"), target=Ref("inquiry", 3, "<script>alert(1)</script>"), reason="<i>so</i>"
    )

    page = text(olga.get("/audit/"))

    assert "<script>alert" not in page
    assert "<b>Eve" not in page
    assert "<i>so" not in page


def test_the_seal_says_how_far_the_trail_was_verified(olga, operator):
    begun = seal.begin(Actor("person", str(operator.pk), "Olga", role="operator"))
    seal.work_on(begun.pk)

    page = text(olga.get("/audit/"))

    assert f"verified to #{begun.goal + 1:,}" in page


def test_while_it_is_verified_the_seal_looks_again_by_itself(olga, operator):
    seal.begin(Actor("person", str(operator.pk), "Olga", role="operator"))

    assert 'hx-trigger="every 2s"' in text(olga.get("/audit/"))


def test_an_operator_can_have_it_verified(olga):
    answer = olga.post("/audit/verify/")

    assert (answer.status_code, answer["Location"]) == (303, "/audit/")
    assert last_event().action == "AuditVerificationStarted"


def test_a_viewer_reads_but_does_not_verify(viewer, as_):
    happened()
    olga = as_(viewer)

    assert "Verify now" not in text(olga.get("/audit/"))
    assert olga.post("/audit/verify/").status_code == 403


def test_an_agents_page_ends_with_its_part_of_the_trail(olga):
    with arranged():
        agent = Agent.objects.create(name="billing-1", kind="human")
        AgentHealth.objects.create(agent=agent)
    happened("AgentDrained", target=Ref("agent", agent.pk, "billing-1"), reason="For repair")
    happened("AgentDrained", target=Ref("agent", agent.pk + 1, "another"), reason="Another one")

    page = text(olga.get(f"/agents/{agent.pk}/"))

    assert "For repair" in page
    assert "Another one" not in page
    assert f'href="/audit/?target=agent%3A{agent.pk}"' in page
