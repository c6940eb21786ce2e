"""A run in real browsers: started by its form, watched, paused, resumed, cancelled, and retried from a step."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.orchestra.running_tree import RunningTree, manage

pytestmark = pytest.mark.browser
SLOW_MS = 30_000
STEPS = [
    {"name": "look", "human": {"title": "Is it there?", "form": {
        "type": "object", "required": ["found"], "properties": {"found": {"type": "integer", "title": "How many"}},
    }}},
    {"name": "rest", "wait": "1s"},
    {"name": "paid", "signal": "paid"},
    {"name": "last", "human": {}},
]  # fmt: skip
SCHEMA = {
    "type": "object",
    "required": ["order"],
    "properties": {"order": {"type": "integer", "title": "Order number", "minimum": 1}},
}
PUBLISH = f"""
import json
from orchestra.kernel.access import Actor
from workflows import definitions
definition = {{"steps": json.loads({json.dumps(json.dumps(STEPS))}),
    "input_schema": json.loads({json.dumps(json.dumps(SCHEMA))})}}
definitions.publish("by_hand", definition, by=Actor.system("test"))
"""


@pytest.fixture(scope="module")
def by_hand(product: RunningTree) -> None:
    """A workflow that moves by what people and the clock do, so that the test decides when."""
    assert manage(product.folder, "shell", "--verbosity", "0", "-c", PUBLISH).wait(60) == 0


def node(page: Page, name: str, state: str) -> None:
    """The step's box in the graph comes to say ``state``, without a reload."""
    expect(page.locator(f"#go-{name}")).to_have_attribute("aria-label", re.compile(f"{name}: {state}"), timeout=SLOW_MS)


def act(page: Page, button: str, confirm: str, reason: str = "") -> None:
    """Press a button of the run's page, and confirm it in its dialog."""
    page.get_by_role("button", name=button, exact=True).first.click()
    dialog = page.locator("dialog[open]")
    if reason:
        dialog.locator("[name=reason]").fill(reason)
    dialog.get_by_role("button", name=confirm, exact=True).click()
    expect(page.locator("dialog[open]")).to_have_count(0)


def begin(page: Page) -> str:
    """Start a run by its form; returns the address of its page."""
    page.goto("/runs/add/by_hand/")
    page.get_by_label("Order number").fill("7")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile(r"/runs/\d+/$"))
    return page.url


def test_a_fault_in_the_form_stands_beside_its_field(
    product: RunningTree, by_hand: None, sign_in: Callable[[str], Page]
) -> None:
    page = sign_in("olga")
    page.goto("/runs/add/by_hand/")
    number = page.get_by_label("Order number")
    number.fill("0")
    page.get_by_label("Priority").focus()
    expect(page.locator("[data-field='input.order'] .field-error")).to_have_text("Give at least 1.", timeout=SLOW_MS)
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".error-summary")).to_contain_text("Order number")
    number = page.get_by_label("Order number")
    number.fill("7")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile(r"/runs/\d+/$"))


def test_the_graph_moves_while_others_act_and_a_run_is_paused_resumed_cancelled_and_retried_from_a_step(
    product: RunningTree, by_hand: None, sign_in: Callable[[str], Page]
) -> None:
    olga, omar = sign_in("olga"), sign_in("omar")
    address = begin(olga)
    node(olga, "look", "waiting")
    olga.evaluate("window.neverReloaded = true")

    omar.goto(address)
    omar.get_by_label("How many").fill("3")
    omar.get_by_role("button", name="Answer").click()
    for name, state in (("look", "succeeded"), ("rest", "succeeded"), ("paid", "waiting")):
        node(olga, name, state)
    expect(olga.locator("#run-head")).to_contain_text("for the signal paid", timeout=SLOW_MS)
    assert olga.evaluate("window.neverReloaded")

    act(olga, "Pause…", "Pause", reason="The bank is closed.")
    expect(olga.locator("#run-head")).to_contain_text("Olga paused it: The bank is closed.")
    act(olga, "Resume…", "Resume")
    expect(olga.locator("#run-head")).to_contain_text("for the signal paid", timeout=SLOW_MS)

    act(olga, "Signal…", "Send")  # the name that is waited for is filled in
    node(olga, "paid", "succeeded")
    node(olga, "last", "waiting")
    act(olga, "Cancel…", "Cancel the run", reason="It was a mistake.")
    node(olga, "last", "cancelled")
    expect(olga.locator("#run-head")).to_contain_text("cancelled")

    olga.locator("#go-look").click()
    expect(olga.locator("#side-title")).to_have_text("look")
    act(olga, "Retry from here…", "Retry")
    node(olga, "look", "waiting")
    node(olga, "rest", "pending")
    expect(olga.get_by_label("How many")).to_be_visible()


def test_an_action_that_another_took_first_says_so(
    product: RunningTree, by_hand: None, sign_in: Callable[[str], Page]
) -> None:
    olga, omar = sign_in("olga"), sign_in("omar")
    address = begin(olga)
    omar.goto(address)
    omar.get_by_role("button", name="Cancel…", exact=True).click()
    omar.locator("dialog[open] [name=reason]").fill("No longer needed.")

    act(olga, "Cancel…", "Cancel the run", reason="It was a mistake.")
    omar.locator("dialog[open]").get_by_role("button", name="Cancel the run").click()

    expect(omar.locator("body")).to_contain_text("already", timeout=SLOW_MS)
    omar.goto(address)
    expect(omar.locator("#run-head")).to_contain_text("It was a mistake.")


def test_steps_are_chosen_in_the_graph_by_keyboard(
    product: RunningTree, by_hand: None, sign_in: Callable[[str], Page]
) -> None:
    page = sign_in("olga")
    begin(page)
    page.focus("#go-look")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#side-title")).to_have_text("paid")
    expect(page.locator("#go-paid")).to_be_focused()
    assert page.url.endswith("?step=paid")
