"""Resources on pages, over the API, in search and admin; and what a run's page and API say of what it holds."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import reservations, resources
from agents.models import Reservation, Resource
from orchestra.kernel.errors import Conflict, Forbidden, Invalid
from orchestra.kernel.models import Event
from tests.silent_writes import arranged
from tests.workflows import stock_of_resources as stock
from tests.workflows.conftest import OPERATOR, SYSTEM, Script
from workflows import control

pytestmark = pytest.mark.django_db
API = "/api/v1/resources/"
PACK = {"name": "pack", "capabilities": ["work"], "resources": [{"type": "bench", "specs": {"size": "large"}}]}


@pytest.fixture
def bench() -> Resource:
    return stock.add("Bench 1", size="large", width=140)


class TestVerbs:
    def test_only_administrators_configure_and_operators_take_back(self, bench: Resource) -> None:
        for verb in (
            lambda: resources.create({"name": "x", "type": "y"}, by=OPERATOR),
            lambda: resources.change(bench.pk, {"capacity": 2}, by=OPERATOR),
            lambda: resources.remove(bench.pk, by=OPERATOR),
        ):
            with pytest.raises(Forbidden):
                verb()

    @pytest.mark.parametrize(
        ("values", "path"),
        [
            ({"name": " "}, "name"),
            ({"name": "x" * 101}, "name"),
            ({"type": "Packing Bench"}, "type"),
            ({"capacity": 0}, "capacity"),
            ({"capacity": 1_000_001}, "capacity"),
            ({"specs": {"size": {"at_least": 5}}}, "specs.size"),
            ({"description": "x" * 301}, "description"),
        ],
    )
    def test_every_bad_value_is_named(self, values: Any, path: str) -> None:
        with pytest.raises(Invalid) as caught:
            resources.create({"name": "Bench", "type": "bench"} | values, by=SYSTEM)
        assert [fault["path"] for fault in caught.value.errors] == [path]

    def test_a_name_is_given_once(self, bench: Resource) -> None:
        with pytest.raises(Conflict, match="choose another name"):
            stock.add("Bench 1")

    def test_what_changes_nothing_is_not_recorded(self, bench: Resource) -> None:
        resources.change(bench.pk, {"capacity": 1, "specs": {"size": "large", "width": 140}}, by=SYSTEM)
        assert not Event.objects.filter(action__startswith="ResourceChanged").exists()
        resources.change(bench.pk, {"enabled": False}, by=SYSTEM, reason="It is broken.")
        told = Event.objects.get(action="ResourceDisabled")
        assert (told.target_label, told.detail.reason) == ("Bench 1", "It is broken.")

    def test_what_is_held_cannot_be_removed(self, bench: Resource, begin: Any, script: Script) -> None:
        run = begin({}, PACK)
        with pytest.raises(Conflict, match=f"Pack of run #{run.pk} holds units of Bench 1"):
            resources.remove(bench.pk, by=SYSTEM)
        script.finish()
        resources.remove(bench.pk, by=SYSTEM, reason="It is sold.")
        line = Reservation.objects.get().lines.get()
        assert (line.resource, line.resource_name) == (None, "Bench 1"), "what was held is still known"

    def test_old_reservations_go_with_old_runs(self, bench: Resource, begin: Any, script: Script) -> None:
        begin({}, PACK)
        script.finish()
        assert reservations.remove_old() == 0
        with arranged():
            Reservation.objects.update(ended_at=timezone.now() - timedelta(days=settings.RUN_RETENTION_DAYS + 1))
        assert reservations.remove_old() == 1
        assert Event.objects.filter(action="ReservationsRemoved").count() == 1


class TestAPI:
    def test_a_resource_is_made_changed_and_removed(self, api: Any, admin_user: Any) -> None:
        client = api(admin_user)
        made = client.post(API, {"name": "Bench 2", "type": "bench", "capacity": 2, "specs": {"size": "large"}})
        assert made.status_code == 201
        shown = made.json()
        assert set(shown) == {
            "id", "name", "type", "capacity", "specs", "enabled", "description", "in_use", "waiting", "created_at",
            "updated_at",
        }  # fmt: skip
        changed = client.patch(f"{API}{shown['id']}/", {"capacity": 3, "enabled": False, "reason": "More room."})
        assert (changed.json()["capacity"], changed.json()["enabled"]) == (3, False)
        assert client.get(f"{API}?type=bench&state=disabled").json()["results"] == [changed.json()]
        assert client.delete(f"{API}{shown['id']}/").status_code == 204
        assert client.get(f"{API}{shown['id']}/").status_code == 404

    def test_faults_name_their_fields_and_viewers_may_only_look(
        self, api: Any, admin_user: Any, viewer: Any, bench: Resource
    ) -> None:
        answer = api(admin_user).post(API, {"name": "x", "type": "Bad Type", "specs": {"size": [1]}})
        assert answer.status_code == 422
        assert {fault["path"] for fault in answer.json()["errors"]} == {"type", "specs.size"}
        assert api(viewer).get(API).status_code == 200
        for path in (API, f"{API}{bench.pk}/"):
            assert api(viewer).post(path, {}).status_code in (403, 405)
        assert api(viewer).patch(f"{API}{bench.pk}/", {}).status_code == 403

    def test_reservations_are_listed_and_taken_back_with_a_reason(
        self, api: Any, operator: Any, bench: Resource, begin: Any
    ) -> None:
        first, second = begin({}, PACK), begin({}, PACK)
        client = api(operator)
        (waits,) = client.get("/api/v1/reservations/?status=waiting").json()["results"]
        assert (waits["run"], waits["step"], waits["ahead"], waits["kind"]) == (second.pk, "pack", 0, "step")
        assert waits["lines"][0] == {
            "name": "bench", "type": "bench", "units": 1, "specs": {"size": "large"}, "resource": None,
            "resource_name": "",
        }  # fmt: skip
        (held,) = client.get(f"/api/v1/reservations/?resource={bench.pk}").json()["results"]
        assert (held["run"], held["status"], held["lines"][0]["resource_name"]) == (first.pk, "held", "Bench 1")
        assert len(client.get(f"/api/v1/reservations/?run={first.pk}").json()["results"]) == 1
        address = f"/api/v1/reservations/{held['id']}/release/"
        assert client.post(address, {}).status_code == 422
        assert client.post(address, {"reason": "It is needed."}).json()["status"] == "released"
        assert client.post(address, {"reason": "Once more."}).status_code == 409
        assert stock.held() == {"Bench 1": [f"pack of run #{second.pk}"]}

    def test_a_run_says_what_it_holds_and_waits_for(self, api: Any, viewer: Any, bench: Resource, begin: Any) -> None:
        first = begin({}, PACK)
        second = begin({}, {"name": "work", "capabilities": ["work"]}, resources=[{"type": "bench"}])
        (held,) = api(viewer).get(f"/api/v1/runs/{first.pk}/").json()["resources"]
        assert (held["name"], held["step"], held["status"], held["resource_name"]) == (
            "bench",
            "pack",
            "held",
            "Bench 1",
        )
        shown = api(viewer).get(f"/api/v1/runs/{second.pk}/").json()
        assert (shown["status"], shown["resources"][0]["status"], shown["waiting"]["reason"]) == (
            "waiting", "waiting", "resources",
        )  # fmt: skip
        assert f"Bench 1 is held by pack of run #{first.pk} (since" in shown["waiting"]["detail"]
        assert shown["waiting"]["link"] == f"/resources/{bench.pk}/"
        assert shown["steps"][0]["waiting"]["reason"] == "resources"


class TestWaiting:
    def test_a_step_says_what_it_waits_for_who_holds_it_and_its_place(
        self, api: Any, viewer: Any, bench: Resource, begin: Any
    ) -> None:
        runs = [begin({}, PACK) for _ in range(4)]
        step = api(viewer).get(f"/api/v1/runs/{runs[3].pk}/").json()["steps"][0]
        assert step["waiting"]["detail"].startswith("It waits since ")
        assert "for 1 unit of bench (size large). Bench 1 is held by pack of run" in step["waiting"]["detail"]
        assert step["waiting"]["detail"].endswith("2 stand before it.")

    def test_what_nothing_can_serve_any_more_is_said(
        self, api: Any, viewer: Any, bench: Resource, begin: Any, script: Script
    ) -> None:
        begin({}, PACK)
        run = begin({}, PACK)
        resources.change(bench.pk, {"enabled": False}, by=SYSTEM)
        detail = api(viewer).get(f"/api/v1/runs/{run.pk}/").json()["waiting"]["detail"]
        assert "No enabled resource could serve 1 unit of bench (size large); add one, enable one" in detail

    def test_the_list_of_runs_costs_the_same_however_many_wait(
        self, as_: Any, viewer: Any, bench: Resource, begin: Any
    ) -> None:
        browser, counts = as_(viewer), []
        for _ in range(2):
            for _ in range(3):
                begin({}, PACK)
                begin({}, {"name": "work", "capabilities": ["work"]}, resources=[{"type": "bench"}])
            browser.get("/runs/")
            with CaptureQueriesContext(connection) as seen:
                page = browser.get("/runs/").content.decode()
            counts.append(len(seen.captured_queries))
        assert counts[0] == counts[1]
        assert "It waits since" in page


class TestPages:
    def test_the_list_is_empty_then_shows_use_and_holders(
        self, as_: Any, viewer: Any, admin_user: Any, begin: Any
    ) -> None:
        assert "Add the first resource" in as_(admin_user).get("/resources/").content.decode()
        assert "An administrator can add one" in as_(viewer).get("/resources/").content.decode()
        stock.add("Bench 1", capacity=3, size="large", dry=True)
        stock.add("Licence", "licence", capacity=50)
        run = begin({}, PACK)
        page = as_(viewer).get("/resources/").content.decode()
        assert "1 of 3 units in use" in page
        assert f"pack of run #{run.pk}" in page
        assert "dry yes" in page
        assert "Licence" not in as_(viewer).get("/resources/?type=bench").content.decode()
        assert "No resource matches" in as_(viewer).get("/resources/?search=nothing").content.decode()

    def test_the_list_costs_the_same_however_many_there_are(self, as_: Any, viewer: Any, begin: Any) -> None:
        browser, counts = as_(viewer), []
        for count in (2, 9):
            for number in range(count):
                stock.add(f"Bench {count}.{number}", size="large")
                begin({}, PACK)
            browser.get("/resources/")
            with CaptureQueriesContext(connection) as seen:
                browser.get("/resources/")
            counts.append(len(seen.captured_queries))
        assert counts[0] == counts[1]

    def test_its_page_says_who_holds_who_waits_and_who_did(
        self, as_: Any, viewer: Any, operator: Any, bench: Resource, begin: Any, script: Script
    ) -> None:
        begin({}, PACK)
        script.finish()
        held, waits = begin({}, PACK), begin({}, PACK)
        address = f"/resources/{bench.pk}/"
        page = as_(viewer).get(address).content.decode()
        assert f"pack of run #{held.pk}" in page and f"pack of run #{waits.pk}" in page
        assert "Its step has ended: succeeded." in page
        assert "Take back" not in page and 'name="capacity"' not in page
        may_take_back = as_(operator).get(address).content.decode()
        assert f'id="release-{Reservation.objects.get(status="held").pk}"' in may_take_back
        browser = as_(viewer)
        with CaptureQueriesContext(connection) as seen:
            browser.get(address, headers={"X-Regions": "resource-line"})
        assert not [query for query in seen.captured_queries if "ended_at" in query["sql"].partition("WHERE")[2]]

    def test_it_is_changed_on_its_page_and_capacity_below_its_use_is_said(
        self, as_: Any, admin_user: Any, begin: Any
    ) -> None:
        bench = stock.add("Bench 1", capacity=2, size="large")
        begin({}, PACK)
        begin({}, PACK)
        browser, address = as_(admin_user), f"/resources/{bench.pk}/"
        values = {"name": "Bench 1", "type": "bench", "capacity": 1, "specs": '{"size": "large"}', "enabled": "on"}
        assert browser.post(address, values | {"reason": "One lift broke."}).status_code == 303
        bench.refresh_from_db()
        assert bench.capacity == 1
        page = browser.get(address).content.decode()
        assert "More is in use than it has" in page and "2/1" in page
        wrong = browser.post(address, values | {"capacity": 0, "specs": "[1]"}).content.decode()
        assert "Give a whole number from 1" in wrong or "Give a table" in wrong
        asked = browser.post(address, values | {"type": "Bad Type"}, headers={"X-Validate": "type"}).json()
        assert asked["errors"][0]["path"] == "type"

    def test_one_is_added_and_removed(self, as_: Any, admin_user: Any, operator: Any) -> None:
        browser = as_(admin_user)
        assert browser.get("/resources/add/").status_code == 200
        assert as_(operator).get("/resources/add/").status_code == 403
        made = browser.post("/resources/add/", {"name": "Van", "type": "van", "capacity": 2, "enabled": "on"})
        assert made.status_code == 303
        van = Resource.objects.get(name="Van")
        assert (van.capacity, van.specs) == (2, {})
        assert browser.post(f"/resources/{van.pk}/remove/", {"reason": "Sold."}).status_code == 303
        assert browser.get(f"/resources/{van.pk}/").status_code == 404

    def test_what_is_held_is_taken_back_from_its_page(
        self, as_: Any, operator: Any, viewer: Any, bench: Resource, begin: Any
    ) -> None:
        begin({}, PACK)
        row = Reservation.objects.get()
        address = f"/reservations/{row.pk}/release/"
        assert as_(viewer).post(address, {"reason": "Mine."}).status_code == 403
        answer = as_(operator).post(address, {"reason": "It is needed.", "resource": bench.pk})
        assert (answer.status_code, answer["Location"]) == (303, f"/resources/{bench.pk}/")
        assert stock.used() == {}
        assert as_(viewer).get(f"/reservations/{row.pk}/")["Location"] == f"/runs/{row.run}/?step=pack"

    def test_a_runs_page_lists_what_it_holds_and_that_pausing_keeps_it(
        self, as_: Any, viewer: Any, bench: Resource, begin: Any
    ) -> None:
        run = begin({}, PACK)
        page = as_(viewer).get(f"/runs/{run.pk}/").content.decode()
        assert f'<a href="/resources/{bench.pk}/">Bench 1</a>' in page
        control.pause(run.pk, by=OPERATOR, reason="Look first.")
        assert "kept while it is paused" in as_(viewer).get(f"/runs/{run.pk}/").content.decode()

    def test_search_palette_and_admin_know_resources(
        self, as_: Any, admin_user: Any, bench: Resource, begin: Any
    ) -> None:
        browser = as_(admin_user)
        begin({}, PACK)
        assert f"/resources/{bench.pk}/" in browser.get("/search/?q=Bench").content.decode()
        for address in ("resource/", f"resource/{bench.pk}/change/", "reservation/"):
            assert browser.get(f"/admin/agents/{address}").status_code == 200
        assert browser.get("/admin/agents/resource/add/").status_code == 403
