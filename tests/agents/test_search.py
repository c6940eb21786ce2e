"""What the search finds of the fleet."""

import pytest

from agents import search

pytestmark = pytest.mark.django_db


def labels(text, limit=10):
    return [found.label for found in search.find(text, None, limit)]


def test_names_that_begin_with_the_text_come_first_then_names_then_capabilities(make_agent):
    make_agent("rebilling-1")
    make_agent("zoe", ["billing_draft"])
    make_agent("billing-1")

    assert labels("BILL") == ["billing-1", "rebilling-1", "zoe"]


def test_an_agent_is_found_once_however_many_of_its_capabilities_match(make_agent):
    make_agent("zoe", ["draft_billing", "draft_delivery"])

    assert labels("draft") == ["zoe"]


def test_an_agent_is_found_by_its_number(make_agent):
    agent = make_agent("billing-1")

    assert labels(f"#{agent.pk}") == ["billing-1"]


def test_no_more_are_read_than_asked_for(make_agent, django_assert_num_queries):
    for number in range(5):
        make_agent(f"billing-{number}", ["draft"])

    with django_assert_num_queries(2):
        assert len(labels("billing", limit=3)) == 3


def test_a_result_says_what_the_agent_can_do_and_where_it_is(make_agent):
    agent = make_agent("zoe", ["draft", "check"])

    [found] = search.find("zoe", None, 5)

    assert (found.detail, found.url) == ("online, can do check, draft", f"/agents/{agent.pk}/")
