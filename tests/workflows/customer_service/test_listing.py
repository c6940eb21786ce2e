"""The lists in the database: every view, filter and order of them is served by an index, in the index's order."""

import pytest

from workflows.customer_service.listing import ArticleList, DeskList, InquiryList
from workflows.customer_service.models import DUE, Inquiry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plans_by_index")]
PERSON = 1


def plan_of(rows):
    return rows.explain().lower()


def page_of(listing):
    return listing.queryset().order_by(*listing.ordering)[:51]


@pytest.mark.parametrize(
    ("view", "index"),
    [
        ("due", "inquiry_due"),
        ("mine", "inquiry_assignee"),
        ("unsure", "inquiry_cause"),
        ("open", "inquiry_open"),
        ("done", "inquiry_open"),
    ],
)
def test_every_view_of_the_desk_is_read_in_order_from_an_index(view, index):
    plan = plan_of(page_of(DeskList({"view": view}, PERSON)))

    assert index in plan
    assert "sort" not in plan
    assert "b-tree for order" not in plan


@pytest.mark.parametrize(
    "query", [{}, {"status": "resolved"}, {"sort": "due"}, {"status": "escalated", "category": "general"}]
)
def test_the_lists_of_the_api_are_read_from_an_index(query):
    plan = plan_of(page_of(InquiryList(query)))

    assert "b-tree for order" not in plan or query.get("sort") == "due"
    assert "using" in plan


def test_the_badge_counts_in_an_index():
    assert "inquiry_due" in plan_of(Inquiry.objects.filter(DUE).order_by()[:1001])


@pytest.mark.parametrize("query", [{}, {"category": "general"}])
def test_articles_are_read_in_order_from_an_index(query):
    plan = plan_of(page_of(ArticleList(query)))

    assert "article_" in plan
    assert "b-tree for order" not in plan


def test_the_next_one_comes_after_this_one_and_then_from_the_top(escalated):
    first, second, third = (escalated(subject=name) for name in ("first", "second", "third"))
    desk = DeskList({}, PERSON)

    assert desk.following(first) == second.pk
    assert desk.following(third) == first.pk
