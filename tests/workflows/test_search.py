"""What the search finds of the engine."""

import pytest

from tests.silent_writes import arranged
from workflows import search
from workflows.models import Run

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(publish):
    """``run(serves_kind="order", serves_id="A-1")``: a run that nothing carries out."""
    version = publish("parcel_tracking", {"name": "look", "capabilities": ["work"]})

    def make(**values):
        with arranged():
            return Run.objects.create(version=version, correlation="c", **values)

    return make


def labels(text):
    return [found.label for found in search.find_runs(text, None, 10)]


@pytest.mark.parametrize("form", ["{}", "#{}", "run {}", "Run #{}"])
def test_a_run_is_found_by_its_number(run, form):
    runs = [run(), run()]

    assert labels(form.format(runs[0].pk)) == [f"Run #{runs[0].pk}"]


def test_runs_are_found_by_what_they_serve_the_newest_first(run):
    runs = [run(serves_kind="inquiry", serves_id="7"), run(serves_kind="inquiry", serves_id="7")]
    run(serves_kind="inquiry", serves_id="8")

    assert labels("inquiry 7") == labels("Inquiry #7") == [f"Run #{row.pk}" for row in reversed(runs)]


def test_other_words_find_no_run_and_ask_nothing(run, django_assert_num_queries):
    run()

    with django_assert_num_queries(0):
        assert labels("parcel tracking now") == []


def test_a_workflow_is_found_by_a_part_of_its_name(run):
    [found] = search.find_workflows("TRACK", None, 5)

    assert (found.label, found.url) == ("parcel_tracking", "/workflows/parcel_tracking/")


def test_a_result_says_what_the_run_is_of_and_for(run):
    row = run(serves_kind="order", serves_id="A-1", status="waiting")

    [found] = search.find_runs(str(row.pk), None, 5)

    assert (found.detail, found.url) == ("waiting, parcel_tracking v1 for order A-1", f"/runs/{row.pk}/")
