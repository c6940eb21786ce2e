"""Resources as an operator meets them: a run that waits says for whom, and goes on when the holder ends, by itself."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.orchestra.running_tree import RunningTree, manage

pytestmark = pytest.mark.browser
FLOWS = """
from agents import resources
from orchestra.kernel.access import Actor
from workflows import definitions
by = Actor.system("test")
for name, type_, flow in (("Seat 7", "seat", "talk"), ("Chair 8", "chair", "sit")):
    resources.create({"name": name, "type": type_}, by=by)
    ask = {"name": flow, "title": "Talk to them", "human": {}, "resources": [{"type": type_}]}
    definitions.publish(flow, {"steps": [ask]}, by=by)
"""
PATIENT_MS = 60_000


@pytest.fixture(scope="module", autouse=True)
def _flows(product: RunningTree) -> None:
    assert manage(product.folder, "shell", "--verbosity", "0", "-c", FLOWS).wait(120) == 0


def begin(page: Page, flow: str) -> str:
    """Begins a run of ``flow``; returns its address."""
    page.goto(f"/runs/add/{flow}/")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile(r"/runs/\d+/$"))
    return page.url


def test_a_run_waits_for_what_another_holds_and_goes_on_by_itself(sign_in: Callable[[str], Page]) -> None:
    olga, omar = sign_in("olga"), sign_in("omar")
    begin(olga, "talk")
    begin(omar, "talk")
    expect(omar.locator("#run-side .note")).to_contain_text("Seat 7 is held by talk of run #", timeout=PATIENT_MS)
    omar.click("#run-side .note a")
    expect(omar.locator("#resource-holders")).to_contain_text("talk of run #")
    expect(omar.locator("#resource-line tbody tr")).to_have_count(1)
    omar.locator("#resource-line tbody a").first.click()
    waiting = omar.url

    olga.click("#run-side form button.btn-primary")
    expect(omar.locator("#run-side form button.btn-primary")).to_be_visible(timeout=PATIENT_MS)
    assert omar.url == waiting, "nobody reloaded it"
    expect(omar.locator("#run-resources")).to_contain_text("held")


def test_what_is_held_is_taken_back_with_a_reason_by_keyboard(sign_in: Callable[[str], Page]) -> None:
    page = sign_in("olga")
    begin(page, "sit")
    page.goto("/resources/?type=chair")
    page.click("#resources tbody th a")
    button = page.locator("#resource-holders button").first
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("sit of run #")
    dialog.locator("textarea").fill("The seat is needed.")
    dialog.locator("button.btn-danger").click()
    expect(page.locator("#resource-history")).to_contain_text("The seat is needed.", timeout=PATIENT_MS)
    expect(page.locator("#resource-holders")).to_contain_text("Nobody holds any of it.")


def test_viewers_look_only(sign_in: Callable[[str], Page]) -> None:
    page = sign_in("vera")
    page.goto("/resources/?type=seat")
    page.click("#resources tbody th a")
    expect(page.locator("main")).to_contain_text("Who held it lately")
    expect(page.locator("main form, main button")).to_have_count(0)
