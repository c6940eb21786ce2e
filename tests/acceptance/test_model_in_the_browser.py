"""A language model at work in a run, as somebody sees it who has the run's page open."""

import json
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.orchestra.running_tree import RunningTree, manage
from tests.workflows.model_server import ModelServer

pytestmark = pytest.mark.browser
SLOW_MS = 30_000
ADD = """
import json
from agents import fleet
from orchestra.kernel.access import Actor
from workflows import definitions
config = json.loads({config!r})
prices = {{"price_in": 10, "price_out": 20, "currency": "EUR", "budget_per_day": 2}}
system = Actor.system("test")
fleet.create("llm", {{"name": "writer", "config": config | prices}}, ["write"], by=system)
steps = [{{"name": "letter", "capabilities": ["write"], "timeout": 120}}]
definitions.publish("letters", {{"steps": steps}}, by=system)
"""


@pytest.fixture(scope="module", autouse=True)
def listed() -> Iterator[None]:
    """Before the product starts: its executors may call this machine."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OUTGOING_ALLOWED", "127.0.0.1")
        yield


@pytest.fixture
def model(listed: None, product: RunningTree) -> Iterator[ModelServer]:
    with ModelServer().running() as server:
        script = ADD.format(config=json.dumps(server.config))
        assert manage(product.folder, "shell", "--verbosity", "0", "-c", script).wait(60) == 0
        yield server


def begin(page: Page) -> None:
    page.goto("/runs/add/letters/")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile(r"/runs/\d+/$"))


def test_the_text_grows_on_the_page_leaves_a_selection_alone_and_gives_way_to_the_answer(
    model: ModelServer, product: RunningTree, sign_in: Callable[[str], Page]
) -> None:
    model.text = " ".join(f"word{number}" for number in range(60))
    model.more.clear()
    page = sign_in("olga")
    begin(page)
    text = page.locator("[data-live-text] pre")
    expect(text).to_contain_text("word0", timeout=SLOW_MS)
    page.evaluate("window.neverReloaded = true")
    said = text.inner_text()
    page.evaluate("document.getSelection().selectAllChildren(document.querySelector('[data-live-text] code'))")

    model.pace_s = 0.2
    model.more.set()
    page.wait_for_timeout(3000)  # three askings that are left out
    assert text.inner_text() == said
    page.evaluate("document.getSelection().removeAllRanges()")
    expect(text).to_contain_text("word20", timeout=SLOW_MS)
    assert page.locator("[data-live-text]").get_attribute("aria-live") == "off"

    model.pace_s = 0
    expect(page.locator("#run-side")).to_contain_text("1,000 in, 100 out", timeout=SLOW_MS)
    expect(page.locator("[data-live-text]")).to_have_count(0)
    expect(page.locator("#run-side")).to_contain_text("word59")
    expect(page.locator("#run-head")).to_contain_text("1,100 tokens, 0.012 EUR")
    assert page.evaluate("window.neverReloaded")

    page.goto("/agents/?search=writer")
    page.get_by_role("link", name="writer").first.click()
    expect(page.locator("main")).to_contain_text("0.012 EUR")
    expect(page.locator("main")).to_contain_text("2.00 EUR")
