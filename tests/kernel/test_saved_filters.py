"""Filters that people keep: who may do what with them, what a list makes of them."""

import pytest

from orchestra.kernel import saved_filters
from orchestra.kernel.access import Actor, actor_of
from orchestra.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from orchestra.kernel.models import SavedFilter
from tests.audit import actions, last_event

pytestmark = pytest.mark.django_db
FAILED = "status=failed"


@pytest.fixture
def keep(operator):
    """``keep("Broken", by=…)``: a saved filter of the list of runs."""

    def make(label="Broken", query=FAILED, by=operator, **how):
        return saved_filters.save(actor_of(by), "runs", label, query, **how)

    return make


def text(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_filter_is_kept_as_the_list_is_asked_without_its_place_in_the_pages(keep):
    kept = keep(query="?sort=&status=failed&cursor=abc&limit=20&queue=default")

    assert kept.query == "queue=default&status=failed"
    assert saved_filters.address_of(kept) == "/runs/?queue=default&status=failed"


def test_saving_is_recorded(keep):
    kept = keep(is_shared=False)

    event = last_event()
    assert (event.action, event.target_kind, event.target_id) == ("FilterSaved", "saved_filter", str(kept.pk))
    assert '"query":"status=failed"' in event.detail.after


def test_what_the_list_does_not_understand_is_not_kept(keep):
    with pytest.raises(Invalid) as refused:
        keep(query="status=lost")

    assert refused.value.errors[0]["path"] == "status"


def test_a_list_that_keeps_no_filters_says_so(operator):
    with pytest.raises(Invalid):
        saved_filters.save(actor_of(operator), "login", "Mine", "")


@pytest.mark.parametrize("label", ["", "   ", "broken", "x" * 61])
def test_a_name_is_needed_and_short_and_ones_own_only_once(keep, label):
    keep("Broken")

    with pytest.raises(Invalid) as refused:
        keep(label)

    assert refused.value.errors[0]["path"] == "label"


def test_two_people_may_use_the_same_name(keep, viewer):
    keep("Broken")

    assert keep("Broken", by=viewer).label == "Broken"


def test_a_person_keeps_so_many_of_a_list_and_no_more(keep, monkeypatch):
    monkeypatch.setattr(saved_filters, "MOST", 2)
    keep("one")
    keep("two")

    with pytest.raises(Conflict):
        keep("three")


def test_a_viewer_keeps_filters_and_shares_none(keep, viewer):
    keep("Mine", by=viewer)

    with pytest.raises(Forbidden):
        keep("Ours", by=viewer, is_shared=True)


def test_only_people_keep_filters():
    with pytest.raises(Forbidden):
        saved_filters.save(Actor.system("engine"), "runs", "x", "")


def test_a_filter_gets_another_name(keep, operator):
    kept = saved_filters.rename(actor_of(operator), keep().pk, " Lost ones ")

    assert kept.label == "Lost ones"
    assert actions()[-1] == "FilterChanged"


def test_the_same_name_again_changes_nothing(keep, operator):
    kept = keep()
    before = actions()

    saved_filters.rename(actor_of(operator), kept.pk, "Broken")

    assert actions() == before


def test_a_list_has_one_default_a_person(keep, operator):
    first, second = keep("one"), keep("two")
    saved_filters.set_default(actor_of(operator), first.pk, is_default=True)

    saved_filters.set_default(actor_of(operator), second.pk, is_default=True)

    assert list(SavedFilter.objects.filter(is_default=True)) == [second]


def test_a_default_is_taken_back(keep, operator):
    kept = keep()
    saved_filters.set_default(actor_of(operator), kept.pk, is_default=True)

    saved_filters.set_default(actor_of(operator), kept.pk, is_default=False)

    assert not SavedFilter.objects.filter(is_default=True).exists()


def test_a_removed_filter_is_gone_and_told(keep, operator):
    saved_filters.remove(actor_of(operator), keep().pk)

    assert not SavedFilter.objects.exists()
    assert (last_event().action, last_event().target_label) == ("FilterRemoved", "Broken")


def test_others_filters_do_not_exist_unless_they_are_shared(keep, viewer):
    private, shared = keep("private"), keep("shared", is_shared=True)

    with pytest.raises(NotFound):
        saved_filters.remove(actor_of(viewer), private.pk)
    with pytest.raises(Forbidden):
        saved_filters.remove(actor_of(viewer), shared.pk)
    with pytest.raises(Forbidden):
        saved_filters.rename(actor_of(viewer), shared.pk, "mine now")


def test_an_administrator_removes_what_is_shared(keep, admin_user):
    saved_filters.remove(actor_of(admin_user), keep(is_shared=True).pk)

    assert not SavedFilter.objects.exists()


def test_the_list_shows_ones_own_and_the_shared_ones_with_the_current_one_marked(keep, viewer, as_):
    keep("Hidden", query="status=waiting")
    keep("Shared", is_shared=True)
    keep("Own", by=viewer, query="queue=default")

    page = text(as_(viewer).get("/runs/?status=failed"))

    assert '<a class="chip" href="/runs/?status=failed" aria-current="true" title="Shared by olga">' in page
    assert '<a class="chip" href="/runs/?queue=default">' in page
    assert "Hidden" not in page


def test_saving_is_offered_only_for_what_is_not_saved_yet(keep, operator, as_):
    keep()
    browser = as_(operator)

    assert "Save this filter" in text(browser.get("/runs/?status=waiting"))
    assert "Save this filter" not in text(browser.get("/runs/?status=failed"))
    assert "Save this filter" not in text(browser.get("/runs/"))


def test_filters_are_saved_renamed_and_removed_without_scripts(operator, as_):
    browser = as_(operator)
    answer = browser.post("/filters/", {"page": "runs", "label": "Broken", "query": FAILED, "is_default": "on"})
    assert (answer.status_code, answer.url) == (303, "/runs/?status=failed")
    pk = SavedFilter.objects.get(is_default=True, is_shared=False).pk

    browser.post(f"/filters/{pk}/rename/", {"label": "Lost", "query": FAILED})
    browser.post(f"/filters/{pk}/default/", {"is_default": "0", "query": FAILED})
    assert list(SavedFilter.objects.values_list("label", "is_default")) == [("Lost", False)]

    assert browser.post(f"/filters/{pk}/remove/", {"query": FAILED}).url == "/runs/?status=failed"
    assert not SavedFilter.objects.exists()


@pytest.fixture
def with_default(keep, operator, as_):
    """The browser of somebody whose list of runs opens with the failed ones."""
    saved_filters.set_default(actor_of(operator), keep().pk, is_default=True)
    return as_(operator)


def test_a_visit_to_the_bare_list_opens_the_default(with_default):
    answer = with_default.get("/runs/")

    assert (answer.status_code, answer.url) == (302, "/runs/?status=failed")


@pytest.mark.parametrize(
    "headers", [{"HTTP_X_REGIONS": "runs"}, {"HTTP_REFERER": "http://testserver/runs/?status=failed"}]
)
def test_a_refresh_and_taking_the_filter_away_stay_at_the_bare_list(with_default, headers):
    assert with_default.get("/runs/", **headers).status_code == 200


def test_a_default_of_somebody_else_opens_nothing(with_default, viewer, as_):
    SavedFilter.objects.get()

    assert as_(viewer).get("/runs/").status_code == 200
