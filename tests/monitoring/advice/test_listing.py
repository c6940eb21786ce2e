"""The list of recommendations is served by its indexes, however many were decided on."""

import pytest

from monitoring.advice.listing import RecommendationList
from monitoring.models import Recommendation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plans_by_index")]


@pytest.mark.parametrize(
    "params",
    [{"status": "open"}, {"status": "open", "subject": "pool:3"}, {"status": "open", "subject": "workflow:3"}],
)
def test_open_ones_are_read_by_their_status(params):
    rows = RecommendationList(params).queryset().order_by("-id")[:51]

    assert "recommendation_status_id" in rows.explain().lower()


def test_what_was_decided_on_a_subject_is_read_by_its_rule_and_subject():
    rows = Recommendation.objects.filter(rule="bottleneck", subject_kind="workflow", subject_id="3").order_by("-pk")

    assert "recommendation_subject" in rows.explain().lower()


@pytest.mark.parametrize(
    ("asked", "found"),
    [("pool", {"pool:3", "pool:33"}), ("pool:3", {"pool:3"}), ("workflow:3", {"workflow:3", "workflow_step:3:pay"})],
)
def test_a_step_counts_as_about_its_workflow_and_a_number_is_taken_whole(made, asked, found):
    rows = RecommendationList({"subject": asked}).page().rows

    assert {f"{row.subject_kind}:{row.subject_id}" for row in rows} == found


@pytest.fixture
def made(recommended):
    for kind, identifier in (
        ("pool", "3"),
        ("pool", "33"),
        ("workflow", "3"),
        ("workflow_step", "3:pay"),
        ("workflow_step", "33:pay"),
    ):
        recommended(subject_kind=kind, subject_id=identifier)
