"""Pages that begin runs: the form made of the schema, its faults, and a run repeated with other input."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orchestra.kernel.events import Ref
from tests.audit import last_event
from tests.workflows.conftest import OPERATOR
from workflows import engine
from workflows.models import Run

pytestmark = pytest.mark.django_db
WORK = {"capabilities": ["work"]}
SCHEMA = {
    "type": "object",
    "required": ["order", "express"],
    "properties": {
        "order": {"type": "integer", "title": "Order number", "minimum": 1},
        "email": {"type": "string", "format": "email", "description": "Where the receipt goes."},
        "express": {"type": "boolean"},
        "lines": {"type": "array", "items": {"type": "object", "required": ["sku"]}},
    },
}
ADD = "/runs/add/shop/"
GOOD = {"input.order": "7", "input.express": "on", "input.email": "a@b.c"}


def text(response):
    return response.content.decode()


@pytest.fixture
def shop(worker, publish):
    publish("shop", WORK | {"name": "only"}, input_schema=SCHEMA)
    publish("free", WORK | {"name": "only"})


@pytest.fixture
def olga(shop, as_, operator):
    return as_(operator)


def test_what_can_run_is_offered(olga):
    assert 'href="/runs/add/shop/"' in text(olga.get("/runs/add/"))


def test_the_form_has_a_field_for_each_property_what_is_required_first(olga):
    page = olga.get(ADD)

    assert [field.name for field in page.context["of_schema"]] == [
        "input.order", "input.express", "input.email", "input.lines",
    ]  # fmt: skip
    assert "Order number" in text(page)
    assert "Where the receipt goes." in text(page)


def test_a_run_begins_with_what_the_form_says(olga):
    later = timezone.localtime() + timedelta(days=1)
    terms = {
        "priority": "5",
        "queue": "night",
        "tier": "gold",
        "start_at": f"{later:%Y-%m-%dT%H:%M}",
        "reason": "by hand",
    }

    answer = olga.post(ADD, GOOD | {"input.lines": '[{"sku": "tea"}]'} | terms)

    run = Run.objects.get()
    assert answer.url == f"/runs/{run.pk}/"
    assert run.input == {"order": 7, "express": True, "email": "a@b.c", "lines": [{"sku": "tea"}]}
    assert (run.priority, run.queue, run.tier, run.status) == (5, "night", "gold", "queued")
    assert timezone.localtime(run.start_at).strftime("%H:%M") == f"{later:%H:%M}"
    assert (last_event().action, last_event().detail.reason) == ("RunStarted", "by hand")


def test_what_is_left_empty_is_left_out(olga):
    olga.post(ADD, {"input.order": "7"})

    assert Run.objects.get().input == {"order": 7, "express": False}


@pytest.mark.parametrize(
    ("said", "field", "message"),
    [
        ({"input.order": "0"}, "input.order", "at least 1"),
        ({"input.order": "seven"}, "input.order", "whole number"),
        ({"input.order": ""}, "input.order", "required"),
        ({"input.lines": "{"}, "input.lines", "not JSON"),
        ({"input.lines": "[{}]"}, "input.lines", "[0]"),
        ({"input.lines": '["\\u0000"]'}, "input.lines", "null character"),
        ({"priority": "900"}, "priority", "-100 to 100"),
        ({"queue": "no spaces"}, "queue", "letters"),
        ({"deadline": "2001-01-01T00:00"}, "deadline", "after"),
        ({"start_at": "soon"}, "start_at", "valid"),
    ],
)
def test_each_fault_stands_beside_its_field_and_nothing_begins(olga, said, field, message):
    answer = olga.post(ADD, GOOD | said)

    assert (answer.status_code, list(answer.context["form"].errors)) == (422, [field])
    assert message in answer.context["form"].errors[field][0]
    assert not Run.objects.exists()


def test_a_field_is_checked_as_it_is_left(olga):
    answer = olga.post(ADD, GOOD | {"input.order": "0"}, headers={"X-Validate": "input.order"})

    assert [fault["path"] for fault in answer.json()["errors"]] == ["input.order"]
    assert not Run.objects.exists()


def test_a_workflow_without_a_schema_takes_any_table(olga):
    assert olga.post("/runs/add/free/", {"input": "[1]"}).status_code == 422
    olga.post("/runs/add/free/", {"input": '{"a": [1, null]}'})

    assert Run.objects.get().input == {"a": [1, None]}


def test_a_viewer_may_not(shop, as_, viewer):
    assert as_(viewer).get(ADD).status_code == 403
    assert as_(viewer).get("/runs/add/").status_code == 403


def test_what_serves_an_object_is_begun_by_that_objects_pages(olga, publish):
    publish("for_parcels", WORK | {"name": "only"}, serves="parcel")

    answer = olga.get("/runs/add/for_parcels/")

    assert (answer.status_code, "kind parcel" in text(answer)) == (409, True)


def test_an_unknown_workflow_is_not_found(olga):
    assert olga.get("/runs/add/none/").status_code == 404


def test_a_run_is_repeated_with_other_input_and_its_secrets_stay(olga):
    run = engine.start("free", {"text": "hello", "token": "t0p"}, by=OPERATOR, priority=3)
    page = text(olga.get(f"/runs/{run.pk}/replay/"))
    assert "hello" in page
    assert "t0p" not in page

    olga.post(f"/runs/{run.pk}/replay/", {"input": '{"text": "ho", "token": "••••"}', "version": "1"})

    again = Run.objects.latest("pk")
    assert (again.input, again.replays_id, again.priority) == ({"text": "ho", "token": "t0p"}, run.pk, 3)
    assert f"/runs/{run.pk}/" in text(olga.get(f"/runs/{again.pk}/"))
    assert f"/runs/{again.pk}/" in text(olga.get(f"/runs/{run.pk}/"))


def test_input_that_the_schema_does_not_take_is_named_beside_its_field(olga):
    run = engine.start("shop", {"order": 7, "express": False}, by=OPERATOR)

    answer = olga.post(f"/runs/{run.pk}/replay/", {"input": '{"order": 0}', "version": "1"})

    assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["input"])
    assert Run.objects.count() == 1


def test_a_run_is_repeated_by_the_newest_version_or_its_own(olga, publish):
    run = engine.start("free", {}, by=OPERATOR)
    publish("free", WORK | {"name": "other"})

    for version in ("2", "1"):
        olga.post(f"/runs/{run.pk}/replay/", {"input": "{}", "version": version})

    assert [one.version.number for one in Run.objects.order_by("pk")] == [1, 2, 1]
    assert olga.post(f"/runs/{run.pk}/replay/", {"input": "{}", "version": "3"}).status_code == 422


def test_a_run_that_serves_something_is_repeated_there(olga):
    run = engine.start("free", {}, by=OPERATOR, serves=Ref("parcel", 7))

    assert olga.get(f"/runs/{run.pk}/replay/").status_code == 409
