"""The editor of definitions in chromium: written with a mistake, told of it, mended, published; nothing lost."""

import pytest
from playwright.sync_api import expect

from agents import fleet
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Role
from tests.acceptance.barriers import AXE, RULES
from tests.agents import functions  # noqa: F401  registers the functions
from tests.conftest import PASSWORD
from workflows import definitions
from workflows.models import WorkflowVersion

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LATEST_MS = 30_000
SYSTEM = Actor.system("test")
GOOD = "name: parcels\nsteps:\n  - name: label\n    capabilities: [work]\n"
MISTAKEN = GOOD + "\n  - name: hand_over\n    capabilities: [work]\n    needs: [lable]\n"
WORDS = "[data-editor-words]"


@pytest.fixture
def worker(db):
    return fleet.create("python", {"name": "worker-1", "config": {"function": "test.echo"}}, ["work"], by=SYSTEM)


@pytest.fixture
def page(chromium, live_server, make_user, worker):
    """An administrator's browser, signed in; questions of the browser are answered with yes and kept in ``asked``."""
    make_user("ada", Role.ADMIN, first_name="Ada")
    with chromium.new_context(base_url=live_server.url) as context:
        page = context.new_page()
        page.complaints, page.asked = [], []
        page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (page.asked.append(dialog.type), dialog.accept()))
        page.goto("/login/?next=/workflows/")
        page.fill("[name=username]", "ada")
        page.fill("[name=password]", PASSWORD)
        page.click("main button")
        page.wait_for_url("**/workflows/")
        yield page
        assert [said for said in page.complaints if "WebSocket" not in said and "409" not in said] == []


@pytest.fixture
def flow(worker):
    return definitions.publish("parcels", GOOD, by=SYSTEM)


def text_of(page):
    return page.get_by_role("textbox", name="Definition")


def write(page, text):
    area = text_of(page)
    area.fill(text)
    return area


def selected(area):
    return area.evaluate("area => area.value.slice(area.selectionStart, area.selectionEnd)")


def caret(area):
    return area.evaluate("area => [area.selectionStart, area.selectionEnd, area.scrollTop, area.scrollLeft]")


def test_a_definition_with_a_mistake_is_named_mended_and_published(page):
    page.get_by_role("link", name="New workflow").click()
    area = write(page, MISTAKEN)

    expect(page.locator(WORDS)).to_have_text("1 fault", timeout=LATEST_MS)
    expect(page.get_by_text("There is no step named lable. Did you mean label?")).to_be_visible()
    expect(page.locator("[data-editor-gutter] [data-marked]")).to_have_text("8")

    page.get_by_role("link", name="Line 8").click()
    expect(area).to_be_focused()
    assert selected(area) == "    needs: [lable]"

    page.keyboard.type("    needs: [label]")
    expect(page.locator(WORDS)).to_have_text("No fault, 2 steps", timeout=LATEST_MS)
    expect(page.locator("[data-editor-gutter] [data-marked]")).to_have_count(0)
    expect(page.locator("[data-editor-graph] #node-hand_over")).to_be_visible()

    page.get_by_label("Reason").fill("The first one")
    page.keyboard.press("Control+Enter")

    page.wait_for_url("**/workflows/parcels/")
    expect(page.locator("#node-hand_over")).to_be_visible()
    expect(page.locator("#workflow-versions")).to_contain_text("The first one")
    assert WorkflowVersion.objects.get(workflow__name="parcels").definition["steps"][1]["needs"] == ["label"]


def test_the_check_moves_neither_caret_nor_scroll_nor_selection(page):
    page.goto("/workflows/new/")
    area = write(page, "\n".join(["# " + "x" * 400] * 200) + "\nname: 7\n")
    area.evaluate("area => { area.scrollTop = 900; area.scrollLeft = 300; area.setSelectionRange(50, 90); }")
    before = caret(area)

    expect(page.locator(WORDS)).to_have_text("2 faults", timeout=LATEST_MS)

    expect(area).to_be_focused()
    assert caret(area) == before
    assert page.locator("[data-editor-gutter]").evaluate("gutter => gutter.scrollTop") == before[2]


def test_the_last_drawable_text_stays_drawn_while_a_fault_is_being_mended(page, flow):
    page.goto("/workflows/parcels/edit/")
    write(page, GOOD.replace("label", "stamp"))
    expect(page.locator("[data-editor-graph] #node-stamp")).to_be_visible(timeout=LATEST_MS)

    write(page, GOOD + "  - [")

    expect(page.get_by_text("of the last text without a fault")).to_be_visible(timeout=LATEST_MS)
    expect(page.locator("[data-editor-graph] #node-stamp")).to_be_visible()


def test_tab_leaves_the_text_unless_it_was_chosen_to_indent(page, flow):
    page.goto("/workflows/parcels/edit/")
    area = text_of(page)
    area.focus()
    page.keyboard.press("Tab")
    expect(area).not_to_be_focused()

    page.get_by_label("Tab indents").check()
    page.reload()
    expect(page.get_by_label("Tab indents")).to_be_checked()
    area.focus()
    area.evaluate("area => area.setSelectionRange(0, 0)")
    page.keyboard.press("Tab")
    expect(area).to_have_value(f"  {GOOD}")
    page.keyboard.press("Shift+Tab")
    expect(area).to_have_value(GOOD)

    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(area).not_to_be_focused()


def test_an_example_is_added_at_the_end_and_undone_like_typing(page, flow):
    page.goto("/workflows/parcels/edit/")
    area = text_of(page)

    page.get_by_role("button", name="Timer").click()

    expect(area).to_be_focused()
    expect(area).to_have_value(GOOD + "\n  - {name: pause, wait: 15m}\n")
    assert selected(area) == "  - {name: pause, wait: 15m}"
    expect(page.locator("[data-editor-graph] #node-pause")).to_be_visible(timeout=LATEST_MS)
    page.keyboard.press("Control+z")
    expect(area).to_have_value(GOOD)


def test_a_step_of_the_graph_leads_to_its_place_in_the_text(page, flow):
    page.goto("/workflows/parcels/edit/")

    page.locator("#node-label a").click()

    assert selected(text_of(page)) == "  - name: label"


def test_what_was_not_published_is_asked_about_and_can_be_restored(page, flow):
    page.goto("/workflows/parcels/edit/")
    write(page, MISTAKEN)
    expect(page.locator(WORDS)).to_have_text("1 fault", timeout=LATEST_MS)
    page.wait_for_function("localStorage.getItem('definition:parcels')", timeout=LATEST_MS)

    page.goto("/workflows/")
    assert page.asked == ["beforeunload"]

    page.goto("/workflows/parcels/edit/")
    page.get_by_role("button", name="Restore draft").click()
    expect(text_of(page)).to_have_value(MISTAKEN)
    expect(page.get_by_role("button", name="Restore draft")).to_be_hidden()


def test_a_draft_can_be_discarded(page, flow):
    page.evaluate("localStorage.setItem('definition:parcels', JSON.stringify({text: 'x', upon: '1', at: 0}))")
    page.goto("/workflows/parcels/edit/")

    page.get_by_role("button", name="Discard it").click()
    page.reload()

    expect(page.get_by_role("button", name="Restore draft")).to_be_hidden()


def test_what_was_published_is_no_draft_any_more(page, flow):
    page.goto("/workflows/parcels/edit/")
    write(page, f"# with a comment\n{GOOD}  - {{name: pause, wait: 5m}}\n")

    page.get_by_role("button", name="Publish").click()
    page.wait_for_url("**/workflows/parcels/")

    assert page.evaluate("localStorage.getItem('definition:parcels')") is None
    assert page.asked == []


def test_a_draft_upon_an_older_version_overwrites_nothing_unseen(page, flow):
    mine = GOOD + "  - {name: pause, wait: 5m}\n"
    page.evaluate(
        "text => localStorage.setItem('definition:parcels', JSON.stringify({text, upon: '1', at: Date.now()}))", mine
    )
    definitions.publish("parcels", GOOD + "    timeout: 7s\n", by=SYSTEM)
    page.goto("/workflows/parcels/edit/")
    page.get_by_role("button", name="Restore draft").click()

    page.get_by_role("button", name="Publish").click()

    expect(page.get_by_role("alert")).to_contain_text("Version 2 was published meanwhile")
    expect(page.get_by_role("alert")).to_contain_text("timeout was added: 7s")
    expect(text_of(page)).to_have_value(mine)
    page.get_by_role("button", name="Publish mine over version 2").click()
    page.wait_for_url("**/workflows/parcels/")
    assert WorkflowVersion.objects.filter(workflow__name="parcels").count() == 3


def test_a_text_that_could_not_be_checked_says_so(page, flow):
    page.goto("/workflows/parcels/edit/")
    page.context.clear_cookies()
    write(page, MISTAKEN)

    expect(page.locator(WORDS)).to_contain_text("Not checked", timeout=LATEST_MS)
    page.complaints.clear()  # the browser's own note of the refused request


def violations(page):
    page.evaluate(AXE)
    # Without preload: for that axe would write style sheets into the page, which its security policy forbids.
    options = {"runOnly": {"type": "tag", "values": RULES}, "preload": False}
    found = page.evaluate("options => axe.run(document, options).then(found => found.violations)", options)
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]


@pytest.mark.parametrize("address", ["", "parcels/", "parcels/compare/", "parcels/edit/", "new/"])
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_every_page_is_accessible_and_fits(page, flow, scheme, address, width):
    long = f"    when: order.{'x' * 90} == '{'y' * 90}'\n"
    definitions.publish("parcels", GOOD + "    timeout: 7s\n    title: The label\n" + long, by=SYSTEM)
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    page.goto(f"/workflows/{address}")
    page.evaluate("for (const folded of document.querySelectorAll('main details')) folded.open = true")

    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    cards = "[...document.querySelectorAll('main .card:not(.run-graph)')]"
    assert (
        page.evaluate(f"{cards}.filter((card) => card.scrollWidth > card.clientWidth).map((card) => card.className)")
        == []
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_faults_are_accessible_too(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto("/workflows/new/")
    write(page, MISTAKEN)
    expect(page.locator(WORDS)).to_have_text("1 fault", timeout=LATEST_MS)

    assert violations(page) == []
