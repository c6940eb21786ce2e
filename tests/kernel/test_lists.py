"""Lists: what a filter, a cursor and a count mean, whatever the address says."""

import base64
import json
from datetime import UTC, datetime
from itertools import pairwise
from urllib.parse import parse_qs

import pytest
from django.utils import timezone

from orchestra.kernel.errors import BadRequest, Invalid
from orchestra.kernel.lists import Choice, Exact, ListFilter, Moment, Search, moment
from orchestra.kernel.models import Role, User
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db


class People(ListFilter):
    filters = {
        "role": Choice(Role.choices, "role"),
        "number": Exact("pk", whole=True),
        "joined_after": Moment("date_joined__gte"),
        "search": Search(["username", "first_name"], number="pk"),
    }
    order = ("role", "-id")
    orders = {"newest": ("-date_joined", "-id"), "name": ("first_name", "id")}

    def base(self):
        return User.objects.all()


@pytest.fixture
def people(make_user):
    roles = [Role.VIEWER, Role.OPERATOR, Role.OPERATOR, Role.ADMIN, Role.VIEWER, Role.OPERATOR, Role.VIEWER]
    return [make_user(f"person{index}", role) for index, role in enumerate(roles)]


def walk(step, **params):
    """Every page from the first one on, by the cursors that the pages give."""
    pages = [People(params).page()]
    while cursor := getattr(pages[-1], step):
        pages.append(People(params | {"cursor": cursor}).page())
    return pages


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8])
@pytest.mark.parametrize("sort", ["", "newest", "name"])
def test_the_pages_show_every_row_once_in_order(people, size, sort):
    shown = [row.pk for page in walk("next", limit=str(size), sort=sort) for row in page.rows]

    assert shown == [row.pk for row in User.objects.order_by(*People({"sort": sort}).ordering)]


def test_the_way_back_leads_over_the_same_pages(people):
    forwards = walk("next", limit="3")
    backwards = walk("previous", limit="3", cursor=forwards[-2].next)

    assert [page.rows for page in backwards] == [page.rows for page in reversed(forwards)]


def test_a_row_that_comes_meanwhile_moves_no_page(people, make_user):
    first = People({"limit": "3"}).page()
    rest = People({"limit": "3", "cursor": first.next}).page().rows
    make_user("latecomer", Role.ADMIN)

    assert People({"limit": "3", "cursor": first.next}).page().rows == rest


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"role": "admin"}, 1),
        ({"role": "admin,viewer"}, 4),
        ({"search": "person3"}, 1),
        ({"search": "PERSON"}, 7),
        ({"search": "person nobody"}, 0),
        ({"joined_after": "2020-01-01"}, 7),
        ({"joined_after": "2100-01-01T00:00:00Z"}, 0),
        ({"role": ""}, 7),
    ],
)
def test_filters_narrow_the_list(people, params, expected):
    listing = People(params)

    assert (listing.count(), len(listing.page().rows)) == (expected, expected)


def test_a_number_is_found_by_search(people):
    assert People({"search": f"#{people[4].pk}"}).page().rows == [people[4]]


@pytest.mark.parametrize("text", ["²", "#", "٣", "9" * 19])
def test_what_is_no_number_is_looked_for_as_a_word(people, text):
    assert People({"search": text}).page().rows == []


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"role": "king"}, "role"),
        ({"number": "7.5"}, "number"),
        ({"number": "٣"}, "number"),
        ({"joined_after": "yesterday"}, "joined_after"),
        ({"joined_after": "2026-02-30"}, "joined_after"),
        ({"joined_after": "0001-01-01T00:00:00+14:00"}, "joined_after"),
        ({"joined_after": "9999-12-31T23:59:59Z"}, "joined_after"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"sort": "shoe size"}, "sort"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_named(params, path):
    with pytest.raises(Invalid) as error:
        People(params)

    assert [fault["path"] for fault in error.value.errors] == [path]


def cursor_of(*values):
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


FOREIGN = {
    "no base64": "!!!",
    "no JSON": "bm8",
    "too few columns": cursor_of(False, "admin"),
    "text for a number": cursor_of(False, "admin", "x"),
    "an object": cursor_of(False, "admin", {"a": 1}),
    "no direction": cursor_of("admin", 1, 2),
    "a number alone": base64.urlsafe_b64encode(b"7").decode(),
    "NUL": cursor_of(False, "ad\x00min", 1),
    "half of a surrogate pair": cursor_of(False, "\ud800", 1),
    "an endless nest": base64.urlsafe_b64encode(b"[" * 100_000).decode(),
    "nothing in it": base64.urlsafe_b64encode(b"[]").decode(),
}


@pytest.mark.parametrize("cursor", FOREIGN.values(), ids=FOREIGN)
def test_a_cursor_of_another_list_is_refused(people, cursor):
    with pytest.raises(BadRequest):
        People({"cursor": cursor}).page()


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "yesterday", 7])
def test_a_cursor_with_an_instant_that_no_row_has_is_refused(people, at):
    with pytest.raises(BadRequest):
        People({"sort": "newest", "cursor": cursor_of(False, at, 1)}).page()


def test_a_name_that_looks_like_an_instant_is_a_name(people):
    with arranged():
        User.objects.update(first_name="Cards and Terminals abroad")

    shown = [row for page in walk("next", limit="3", sort="name") for row in page.rows]
    assert shown == people


def test_a_count_goes_no_further_than_its_limit(people, django_assert_num_queries):
    with django_assert_num_queries(1) as queries:
        assert People({}).count(limit=3) == 4

    assert "LIMIT 4" in queries.captured_queries[0]["sql"]


def test_chips_count_their_alternatives_and_toggle(people):
    chips = {chip.label: chip for chip in People({"role": "admin", "search": "person", "cursor": "x"}).chips("role")}

    assert {label: chip.count for label, chip in chips.items()} == {"Viewer": 3, "Operator": 3, "Administrator": 1}
    assert [label for label, chip in chips.items() if chip.current] == ["Administrator"]
    assert parse_qs(chips["Viewer"].url.lstrip("?")) == {"role": ["viewer"], "search": ["person"]}
    assert parse_qs(chips["Administrator"].url.lstrip("?")) == {"search": ["person"]}


def test_equal_instants_are_told_apart_by_the_next_column(people):
    at = timezone.now()
    with arranged():
        User.objects.update(date_joined=at)

    shown = [row.pk for page in walk("next", limit="2", sort="newest") for row in page.rows]
    assert all(one > other for one, other in pairwise(shown))
    assert len(shown) == 7


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T12:30:00Z", datetime(2026, 1, 31, 12, 30, tzinfo=UTC)),
        ("2026-01-31T12:30:00+02:00", datetime(2026, 1, 31, 10, 30, tzinfo=UTC)),
        ("2026-01-31T12:30:00 02:00", datetime(2026, 1, 31, 10, 30, tzinfo=UTC)),
    ],
)
def test_instants_are_read_as_they_arrive_in_addresses(text, instant):
    assert moment(text) == instant


def test_a_held_list_begins_where_it_was_seen_and_counts_what_is_newer(people, make_user):
    shown = People({"sort": "newest", "limit": "3"}).page()

    late = [make_user("late1"), make_user("late2")]

    held = People({"sort": "newest", "limit": "3"}).holding(shown.seen).page()
    assert (held.rows, held.newer, held.seen) == (shown.rows, 2, shown.seen)
    assert People({"sort": "newest"}).page().rows[:2] == late[::-1]


def test_a_held_list_goes_on_below_for_rows_that_left_it(people):
    listing = {"role": "operator", "limit": "2"}
    shown = People(listing).page()
    with arranged():
        User.objects.filter(pk=shown.rows[0].pk).update(role=Role.ADMIN)

    held = People(listing).holding(shown.seen).page()

    assert held.rows == [shown.rows[1], people[1]]
    assert held.newer == 0


def test_a_held_list_whose_rows_are_all_gone_shows_the_new_ones(people, make_user):
    shown = People({"role": "admin", "sort": "newest"}).page()
    with arranged():
        User.objects.filter(role=Role.ADMIN).update(role=Role.VIEWER)
    late = make_user("late", Role.ADMIN)

    held = People({"role": "admin", "sort": "newest"}).holding(shown.seen).page()

    assert (held.rows, held.newer) == ([late], 0)


def test_only_the_first_page_is_held(people):
    first = People({"limit": "2"}).page()

    second = People({"limit": "2", "cursor": first.next}).holding(first.seen).page()

    assert (second.seen, second.newer) == ("", 0)
    assert second.rows == People({"limit": "2", "cursor": first.next}).page().rows


def test_what_a_browser_says_it_has_seen_may_be_nonsense(people):
    with pytest.raises(BadRequest):
        People({}).holding("nonsense").page()


def test_holding_costs_one_count_more(people, django_assert_num_queries):
    seen = People({}).page().seen

    with django_assert_num_queries(2):
        People({}).holding(seen).page()
