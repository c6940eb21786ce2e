"""What the search finds of the audit trail."""

import pytest

from monitoring.audit import search
from monitoring.audit.sentences import sentence
from tests.monitoring.happenings import happened

pytestmark = pytest.mark.django_db


def test_an_event_is_found_by_its_number():
    event = happened()

    [found] = search.find(f"#{event.number}", None, 5)

    assert (found.label, found.url) == (f"Event #{event.number}", f"/audit/{event.number}/")
    assert found.detail == sentence(event)


def test_a_story_is_found_by_its_correlation():
    first = happened(correlation="story-0001")
    happened("RunStarted", correlation="story-0001")

    [found] = search.find("story-0001", None, 5)

    assert found.url == "/audit/stories/story-0001/"
    assert f"#{first.number}" in found.detail


def test_nothing_else_is_asked_for(django_assert_num_queries):
    happened()

    with django_assert_num_queries(0):
        assert search.find("two words", None, 5) == []


def test_a_number_that_is_not_there_finds_nothing():
    assert search.find("999999", None, 5) == []
