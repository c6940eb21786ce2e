"""What the search finds of customer service."""

import pytest

from workflows.customer_service import search

pytestmark = pytest.mark.django_db


def found(text):
    return [result.url for result in search.find_inquiries(text, None, 10)]


def urls(*inquiries):
    return [f"/desk/{inquiry.pk}/" for inquiry in inquiries]


def test_an_inquiry_is_found_by_its_number_alone(receive):
    first, second = receive(), receive(body="Order 1 came broken.", email="otto@example.com")

    assert found(f"#{first.pk}") == urls(first)
    assert second.pk != first.pk


def test_an_address_finds_all_inquiries_of_its_owner_the_newest_first(receive):
    inquiries = [receive(), receive(body="And once more.")]
    receive(email="otto@example.com")

    assert found("MAYA@example.com") == urls(*reversed(inquiries))


def test_words_are_looked_for_where_the_desk_looks(receive):
    inquiry = receive(subject="Lamp", body="It flickers at night.", name="Otto Lang", email="otto@example.com")
    receive()

    assert found("lamp") == found("flickers night") == found("lang") == urls(inquiry)


def test_words_are_looked_for_in_the_newest_inquiries_only(receive, monkeypatch):
    monkeypatch.setattr(search, "SEARCHED", 1)
    receive(subject="Lamp one")
    newest = receive(subject="Lamp two", email="otto@example.com")

    assert found("lamp") == urls(newest)


def test_a_result_says_how_far_it_is_and_whose(receive):
    inquiry = receive()

    [result] = search.find_inquiries("charged", None, 5)

    assert result.label == f"#{inquiry.pk} Charged twice"
    assert result.detail.endswith(", from Maya")


def test_the_rest_of_the_inquiries_is_at_the_desk(receive, operator, as_):
    inquiry = receive()

    desk = as_(operator).get(search.more_inquiries("charged")).content.decode()

    assert f'id="row-{inquiry.pk}"' in desk
