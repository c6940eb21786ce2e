"""What a bulk action is about, and what it reports."""

import pytest
from django.http import QueryDict

from orchestra.kernel.errors import Conflict, Invalid
from orchestra.kernel.lists import MOST_CHOSEN, Choice, ListFilter, Selection
from orchestra.kernel.models import Role, User
from orchestra.kernel.pages import done_to_many
from orchestra.kernel.tally import MOST_TOLD, Tally, taken
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db


class People(ListFilter):
    filters = {"role": Choice(Role.choices, "role")}

    def base(self):
        return User.objects.all()


@pytest.fixture
def people(make_user):
    roles = [Role.VIEWER, Role.OPERATOR, Role.OPERATOR, Role.ADMIN, Role.VIEWER, Role.OPERATOR]
    return [make_user(f"person{index}", role).pk for index, role in enumerate(roles)]


def read(posted):
    return Selection.read(QueryDict(posted), People)


def keys(selection, size=2):
    return [key for slice_ in selection.slices(size) for key in slice_]


def test_rows_chosen_one_by_one_are_read_once_each(people):
    chosen = read(f"ids={people[3]},{people[1]}&ids={people[3]}")

    assert keys(chosen) == [people[1], people[3]]


def test_rows_chosen_one_by_one_stay_chosen_when_they_match_no_longer(people):
    chosen = read(f"ids={people[0]}&query=role%3Doperator")

    assert keys(chosen) == [people[0]]


def test_all_means_all_that_the_filter_finds_whatever_page_was_shown(people):
    chosen = read("all=1&query=role%3Doperator%26cursor%3Dabc%26limit%3D1")

    assert keys(chosen) == [people[1], people[2], people[5]]
    assert chosen.count() == 3


def test_slices_go_on_while_the_action_changes_what_matches(people):
    chosen = read("all=1&query=role%3Doperator")
    seen = []

    for slice_ in chosen.slices(1):
        seen += slice_
        with arranged():
            User.objects.filter(pk__in=slice_).update(role=Role.VIEWER)

    assert seen == [people[1], people[2], people[5]]


def test_rows_that_come_in_meanwhile_were_not_agreed_to(people, make_user):
    slices = read("all=1&query=role%3Doperator").slices(1)
    first = next(slices)

    make_user("late", Role.OPERATOR)

    assert first + [key for slice_ in slices for key in slice_] == [people[1], people[2], people[5]]


def test_no_slice_is_empty(people):
    assert list(read("all=1&query=role%3Doperator").slices(3)) == [[people[1], people[2], people[5]]]
    assert list(read(f"ids={max(people) + 1}").slices()) == []


@pytest.mark.parametrize("posted", ["", "ids=", "ids=,", "ids=1,x", "ids=-1", "all=&query=role%3Doperator"])
def test_nothing_chosen_or_nonsense_is_refused(posted):
    with pytest.raises(Invalid) as refused:
        read(posted)

    assert refused.value.errors[0]["path"] == "ids"


def test_too_much_chosen_one_by_one_is_refused():
    with pytest.raises(Invalid):
        read("ids=" + ",".join(str(number) for number in range(1, MOST_CHOSEN + 2)))


def test_a_filter_that_the_list_does_not_know_is_refused():
    with pytest.raises(Invalid):
        read("all=1&query=role%3Dking")


def test_slices_cost_one_query_each_and_one_for_the_end(people, django_assert_num_queries):
    with django_assert_num_queries(3):
        keys(read("all=1&query=role%3Doperator"), size=2)


def tally_of_three():
    tally = Tally("cancelled")
    with tally.trying("run #1", "/runs/1/"):
        pass
    tally.skipped += 1
    with tally.trying("run #2", "/runs/2/"):
        raise Conflict("It has ended.")
    return tally


def test_a_tally_says_how_many_of_each():
    assert tally_of_three().sentence == "1 cancelled, 1 skipped, 1 refused."
    assert Tally("retried", done=1200).sentence == "1,200 retried."


def test_a_fault_of_the_program_is_no_refusal():
    with pytest.raises(ZeroDivisionError), Tally().trying("run #1"):
        raise ZeroDivisionError


def test_only_so_many_refusals_are_told_and_the_rest_counted():
    tally = Tally()
    for number in range(MOST_TOLD + 5):
        tally.refuse(f"run #{number}", "It has ended.")

    assert (len(tally.told), tally.untold, tally.refused) == (MOST_TOLD, 5, MOST_TOLD + 5)


def test_the_result_is_kept_for_one_page(rf):
    request = rf.get("/")
    request.session = {}

    tally_of_three().keep(request)

    assert taken(request) == tally_of_three()
    assert taken(request) is None


def test_the_answer_leads_back_to_the_list_as_it_was(rf, monkeypatch):
    said = []
    monkeypatch.setattr("orchestra.kernel.pages.messages.success", lambda request, words: said.append(words))
    request = rf.post("/runs/bulk/", {"query": "status=failed&cursor=abc"})
    request.session = {}

    answer = done_to_many(request, tally_of_three(), "runs")

    assert (answer.status_code, answer.url) == (303, "/runs/?status=failed")
    assert said == ["1 cancelled, 1 skipped, 1 refused."]


def test_the_list_tells_who_was_refused_and_why_once(operator, as_):
    browser = as_(operator)
    session = browser.session
    with arranged():
        tally_of_three().keep(type("Request", (), {"session": session})())
        session.save()

    page = browser.get("/runs/").content.decode()

    assert '<a href="/runs/2/">run #2</a>: It has ended.' in page
    assert "It has ended." not in browser.get("/runs/").content.decode()
