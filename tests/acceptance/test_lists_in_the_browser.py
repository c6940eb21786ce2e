"""Lists, search and command palette in chromium: what a person at the keyboard does with them all day."""

from urllib.parse import parse_qs

import pytest
from playwright.sync_api import expect

from agents import fleet
from orchestra.kernel import saved_filters
from orchestra.kernel.access import Actor, actor_of
from orchestra.kernel.models import Role, SavedFilter
from tests.acceptance.barriers import barriers
from tests.agents import functions  # noqa: F401  registers the functions
from tests.conftest import PASSWORD
from tests.silent_writes import arranged
from workflows import definitions
from workflows.models import Run

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LATEST_MS = 30_000  # without WebSockets, as here, the page asks every 5 s


@pytest.fixture
def olga(make_user):
    return make_user("olga", Role.OPERATOR, first_name="Olga")


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


@pytest.fixture
def page(chromium, live_server, olga):
    """Olga's browser, signed in; ``page.complaints`` gathers what the console says."""
    with chromium.new_context(base_url=live_server.url) as context:
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto("/login/?next=/runs/")
        page.fill("[name=username]", "olga")
        page.fill("[name=password]", PASSWORD)
        page.click("main button")
        page.wait_for_url("**/runs/")
        yield page
        assert [said for said in page.complaints if "WebSocket" not in said] == []


@pytest.fixture
def start(db):
    """``start(3)``: three runs of a workflow, which nothing carries out."""

    by = Actor.system("test")
    fleet.create("python", {"name": "worker-1", "config": {"function": "test.echo"}}, ["work"], by=by)
    steps = [{"name": "look", "capabilities": ["work"]}]
    version = definitions.publish("parcel_tracking", {"steps": steps}, by=by)

    def make(count, status="running"):
        with arranged():
            return [Run.objects.create(version=version, status=status, correlation="c") for _ in range(count)]

    return make


def open_palette(page):
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-input")).to_be_focused()


def test_the_palette_finds_a_run_and_goes_there(page, start):
    run = start(2)[0]
    open_palette(page)

    page.keyboard.type(str(run.pk))
    expect(page.get_by_role("option", name=f"Run #{run.pk} ")).to_be_visible(timeout=LATEST_MS)
    chosen = page.locator("#palette [role=option][aria-selected=true]")
    for _ in range(10):
        if f"Run #{run.pk}" in chosen.inner_text():
            break
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    page.wait_for_url(f"**/runs/{run.pk}/")


def test_the_palette_goes_to_a_room_by_its_name(page):
    open_palette(page)

    page.keyboard.type("audi")
    page.keyboard.press("Enter")

    page.wait_for_url("**/audit/")


def test_the_palette_does_what_the_page_offers(page):
    open_palette(page)

    page.keyboard.type("dark theme")
    page.keyboard.press("Enter")

    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    expect(page.locator("#palette")).to_be_hidden()


def test_the_palette_opens_while_typing_and_gives_the_focus_back(page):
    field = page.get_by_label("Search everything")
    field.fill("half a th")
    open_palette(page)

    page.keyboard.press("Escape")

    expect(field).to_be_focused()
    expect(field).to_have_value("half a th")


def test_the_palette_opens_where_single_keys_are_switched_off(page, olga):
    page.evaluate("document.body.dataset.shortcuts = 'off'")
    open_palette(page)
    page.keyboard.press("Escape")

    page.keyboard.press("/")

    expect(page.get_by_label("Search everything")).not_to_be_focused()


def test_arrows_walk_around_and_the_choice_is_told_to_screen_readers(page):
    open_palette(page)
    options = page.locator("#palette [role=option]")
    last = options.last.get_attribute("id")

    page.keyboard.press("ArrowUp")

    expect(page.locator("#palette-input")).to_have_attribute("aria-activedescendant", last)
    expect(options.last).to_have_attribute("aria-selected", "true")


def test_what_was_looked_at_is_offered_again(page, start):
    run = start(1)[0]
    page.goto(f"/runs/{run.pk}/")
    page.goto("/audit/")

    open_palette(page)

    expect(page.locator("#palette").get_by_role("group", name="Recent").get_by_role("option")).to_have_count(1)


def test_new_runs_wait_behind_a_strip_and_no_row_moves(page, start):
    first = start(3)[-1]
    page.goto("/runs/")
    before = page.locator(f"#run-{first.pk}").bounding_box()

    start(2)

    strip = page.get_by_role("button", name="2 new, show")
    expect(strip).to_be_visible(timeout=LATEST_MS)
    assert page.locator(f"#run-{first.pk}").bounding_box() == before
    assert page.locator("[data-rows] > tr").count() == 3
    page.keyboard.press(".")
    expect(page.locator("[data-rows] > tr")).to_have_count(5)
    expect(strip).to_have_count(0)


def test_a_row_tells_the_truth_while_new_ones_wait(page, start):
    run = start(1)[0]
    page.goto("/runs/")

    with arranged():
        Run.objects.filter(pk=run.pk).update(status="paused")
    start(1)

    expect(page.locator(f"#run-{run.pk}")).to_contain_text("paused", timeout=LATEST_MS)
    expect(page.get_by_role("button", name="1 new, show")).to_be_visible(timeout=LATEST_MS)


def test_all_that_match_are_posted_as_the_filter_and_not_row_by_row(page, start):
    start(3)
    start(1, status="paused")
    posted = []
    page.route("**/runs/bulk/", lambda route: (posted.append(route.request.post_data), route.fulfill(status=204)))
    page.goto("/runs/?status=running&limit=2")

    page.check("[data-select-page]")
    page.click("text=Select all 3 matching")
    page.click("[data-bulk-action=cancel]")
    expect(page.get_by_role("heading", name="Cancel all 3 matching runs?")).to_be_visible()
    page.fill("#bulk-reason", "Wrong parcel")
    with page.expect_request("**/runs/bulk/"):
        page.click("[data-bulk-go]")

    fields = {name: value for name, [value] in parse_qs(posted[0]).items() if name != "csrfmiddlewaretoken"}
    query = "status=running&limit=2"
    assert fields == {"all": "1", "query": query, "reason": "Wrong parcel", "action": "cancel"}


def test_a_filter_is_saved_opened_and_removed(page, start):
    start(1, status="paused")
    page.goto("/runs/?status=paused")

    page.click("text=Save this filter")
    page.fill("#saved-label", "Broken ones")
    page.check("text=Open this list with it")
    page.click("details[open] >> button:text-is('Save')")
    expect(page.locator(".saved-filters .chip[aria-current]")).to_contain_text("Broken ones")

    page.goto("/audit/")
    page.click("#bar >> text=Runs")
    page.wait_for_url("**/runs/?status=paused")
    page.click("[aria-label=Status] >> .chip[aria-current]")  # takes the filter away, and stays so
    page.wait_for_url(lambda url: url.endswith(("/runs/", "/runs/?")))

    page.click(".saved-filters summary")
    page.click("[aria-label='Remove Broken ones']")
    expect(page.locator(".saved-filters")).to_have_count(0)
    assert not SavedFilter.objects.exists()


def test_search_palette_and_saved_filters_pass_the_accessibility_rules(page, start, olga, scheme):
    start(3)
    saved_filters.save(actor_of(olga), "runs", "Mine", "status=running", is_shared=True)
    page.emulate_media(color_scheme=scheme)
    found = {}
    page.goto("/search/?q=par")
    found["search"] = barriers(page)
    page.goto("/runs/?status=running")
    page.click(".saved-filters summary")
    found["saved filters"] = barriers(page)
    page.keyboard.press("Escape")
    page.check("[data-select-page]")
    found["bulk bar"] = barriers(page)
    page.click("[data-bulk-action=cancel]")
    found["bulk dialog"] = barriers(page)
    page.keyboard.press("Escape")
    open_palette(page)
    page.keyboard.type("parcel")
    expect(page.locator("#palette").get_by_role("option", name="parcel_tracking")).to_be_visible(timeout=LATEST_MS)
    found["palette"] = barriers(page)

    assert found == {name: [] for name in ("search", "saved filters", "bulk bar", "bulk dialog", "palette")}


def test_nothing_is_wider_than_a_small_phone(page, start):
    start(3)
    page.set_viewport_size({"width": 320, "height": 640})
    for address in ("/runs/?status=running", "/search/?q=parcel"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
