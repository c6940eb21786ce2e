"""The search across everything: what it asks, whom it shows what, and its page."""

import re

import pytest

from orchestra.kernel import registry, search
from orchestra.kernel.access import actor_of
from orchestra.kernel.registry import Found, Search

pytestmark = pytest.mark.django_db


@pytest.fixture
def kinds(monkeypatch):
    """``kinds(parcels=…)``: the only kinds that are searched, each with the labels it finds."""
    asked = []

    def only(role="viewer", more=None, **found):
        port = registry.Port("kinds")
        for order, (key, labels) in enumerate(found.items()):
            port.register(key, Search(-order, key.title(), "package", finding(labels, asked), more, role))
        monkeypatch.setattr(registry, "searches", port)
        return asked

    return only


def finding(labels, asked):
    def find(text, user, limit):
        asked.append((text, user.username, limit))
        return [Found(label, f"about {label}", f"/{label}/") for label in labels][:limit]

    return find


def look_for(text, user, limit=2):
    return search.everywhere(text, actor_of(user), user, limit=limit)


def test_kinds_come_in_their_order_and_empty_ones_not_at_all(kinds, viewer):
    kinds(first=["a"], none=[], second=["b"])

    assert [group.key for group in look_for("ab", viewer)] == ["second", "first"]


def test_each_kind_shows_so_many_and_leads_to_the_rest(kinds, viewer):
    kinds(parcels=["a", "b", "c"], more=lambda text: f"/parcels/?search={text}")

    [group] = look_for("ab", viewer)

    assert ([found.label for found in group.found], group.more) == (["a", "b"], "/parcels/?search=ab")


def test_a_kind_that_shows_all_leads_nowhere_else(kinds, viewer):
    kinds(parcels=["a", "b"], more=lambda text: "/parcels/")

    assert look_for("ab", viewer)[0].more == ""


def test_nobody_sees_kinds_above_their_role(kinds, viewer, operator):
    kinds(parcels=["a"], role="operator")

    assert look_for("ab", viewer) == []
    assert len(look_for("ab", operator)) == 1


@pytest.mark.parametrize("text", ["", "a", "é"])
def test_too_little_is_not_asked_for(kinds, viewer, text):
    asked = kinds(parcels=["a"])

    assert (look_for(text, viewer), asked) == ([], [])


@pytest.mark.parametrize("text", ["7", "#7", "ab"])
def test_a_digit_or_two_letters_are_enough(kinds, viewer, text):
    asked = kinds(parcels=["a"])
    look_for(text, viewer)

    assert asked == [(text, "vera", 3)]


def test_what_is_pasted_is_read_as_one_line_of_a_hundred_characters():
    assert search.read("  two\n words  ") == "two words"
    assert len(search.read("x" * 5000)) == 100


def test_the_page_groups_what_is_found(kinds, viewer, as_):
    kinds(parcels=["<a>"])

    page = as_(viewer).get("/search/?q=ab").content.decode()

    assert "Parcels" in page
    assert '<span class="found-label clip">&lt;a&gt;</span>' in page
    assert 'name="q" value="ab"' in page


@pytest.mark.parametrize(
    ("text", "said"), [("", "What are you looking for?"), ("x", "One letter is too little"), ("xy", "Nothing found")]
)
def test_the_page_says_what_to_do_where_nothing_is_found(kinds, viewer, as_, text, said):
    kinds(parcels=[])

    assert said in as_(viewer).get("/search/", {"q": text}).content.decode()


def test_the_palette_gets_fewer_of_each_kind_and_no_page(kinds, viewer, as_):
    kinds(parcels=[str(number) for number in range(20)])

    part = as_(viewer).get("/search/?q=ab", HTTP_X_REGIONS="palette-found").content.decode()

    assert len(re.findall("<a ", part)) == 5
    assert "<html" not in part


def test_control_characters_are_refused_with_a_page(viewer, as_):
    assert as_(viewer).get("/search/?q=a%00b").status_code == 400


def test_every_page_offers_the_search_and_the_palette(viewer, as_):
    page = as_(viewer).get("/search/").content.decode()

    assert '<form class="top-search" action="/search/"' in page
    assert 'data-dialog="palette" data-key="Control+k"' in page


def test_the_palette_offers_only_what_one_may_do(viewer, operator, as_):
    assert "New inquiry" not in as_(viewer).get("/search/").content.decode()
    assert "New inquiry" in as_(operator).get("/search/").content.decode()


def test_a_command_without_a_page_is_left_out(monkeypatch, operator, as_):
    port = registry.Port("commands")
    port.register("fly", registry.Command("Fly", "plus", "no-such-page", "filters.save"))
    monkeypatch.setattr(registry, "commands", port)

    assert "Fly" not in as_(operator).get("/search/").content.decode()


def test_a_search_costs_the_same_however_much_it_finds(viewer, make_user, as_, django_assert_max_num_queries):
    browser = as_(viewer)

    with django_assert_max_num_queries(22):
        browser.get("/search/?q=12")
    with django_assert_max_num_queries(22):
        browser.get("/search/?q=parcel")
