"""The main job in real browsers: an inquiry comes in, agents work on it, a person answers, and all is recorded."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as NotSeenError

from tests.orchestra.running_tree import RunningTree, wait_until

pytestmark = pytest.mark.browser
SLOW_MS = 30_000
FRAUD = "Somebody stole my card, please block it."
PIN = "How do I change the PIN of my card?"


def submit(page: Page, *, subject: str, body: str, name: str = "Maya Lind", email: str = "maya@example.com") -> str:
    """Send a new inquiry by the form; returns the address of its page."""
    page.goto("/desk/new/")
    page.fill("[name=subject]", subject)
    page.fill("[name=body]", body)
    page.fill("[name=name]", name)
    page.fill("[name=email]", email)
    page.click("text=Send to the agents")
    page.wait_for_url(re.compile(r"/desk/\d+/"))
    return re.search(r"/desk/\d+/", page.url)[0]  # type: ignore[index]


def claim(page: Page, address: str) -> None:
    page.goto(address)
    button = page.get_by_role("button", name="Claim")
    expect(button).to_be_visible(timeout=SLOW_MS)
    button.click()
    expect(page.locator("textarea#reply")).to_be_visible()


def mails(product: RunningTree) -> list[str]:
    folder = product.folder / "mail"
    return [file.read_text() for file in folder.iterdir()] if folder.exists() else []


def test_an_inquiry_is_submitted_escalates_is_claimed_edited_and_approved_and_stands_in_the_audit_trail(
    product: RunningTree, sign_in: Callable[[str], Page]
) -> None:
    page = sign_in("olga")
    address = submit(page, subject="My money", body=FRAUD)
    expect(page.locator("#inquiry-head")).to_contain_text("escalated", timeout=SLOW_MS)  # without a reload
    claim(page, address)
    page.fill("textarea#reply", "Dear Maya, a colleague has looked at your account and calls you today.")
    expect(page.locator("#save-state")).to_contain_text("saved", timeout=10_000)
    page.reload()
    expect(page.locator("textarea#reply")).to_have_value(re.compile("calls you today"))  # what was typed survives
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    wait_until(lambda: any("calls you today" in mail for mail in mails(product)), within_s=20)
    page.goto(address)
    expect(page.locator("#inquiry-head")).to_contain_text("resolved", timeout=SLOW_MS)
    number = re.search(r"\d+", address)[0]  # type: ignore[index]
    page.goto(f"/audit/?target=inquiry:{number}")
    trail = page.locator("main")
    for sentence in ("Olga", "claimed", "escalated", "resolved"):
        expect(trail).to_contain_text(sentence)


def test_an_answer_that_an_article_gives_goes_out_without_a_person(
    product: RunningTree, sign_in: Callable[[str], Page]
) -> None:
    page = sign_in("olga")
    submit(page, subject="PIN", body=PIN, name="Jon Weber", email="jon@example.com")
    expect(page.locator("#inquiry-head")).to_contain_text("resolved", timeout=SLOW_MS)
    wait_until(lambda: any("jon@example.com" in mail for mail in mails(product)), within_s=10)


def test_a_second_browser_loses_the_claim_and_sees_to_whom(sign_in: Callable[[str], Page]) -> None:
    olga, omar = sign_in("olga"), sign_in("omar")
    address = submit(olga, subject="Two at once", body=FRAUD)
    for page in (olga, omar):
        page.goto(address)
        expect(page.get_by_role("button", name="Claim")).to_be_visible(timeout=SLOW_MS)
    stale_form = omar.locator("form#claim")
    olga.get_by_role("button", name="Claim").click()
    expect(olga.locator("textarea#reply")).to_be_visible()
    stale_form.evaluate("form => form.submit()")  # he clicked before his page knew
    expect(omar.locator("body")).to_contain_text("Olga", timeout=5000)
    omar.goto(address)
    expect(omar.locator("textarea#reply")).to_have_count(0)
    expect(omar.locator("#inquiry-head")).to_contain_text("Olga has held it")
    number = re.search(r"\d+", address)[0]  # type: ignore[index]
    omar.goto(f"/audit/?target=inquiry:{number}&outcome=denied")
    expect(omar.locator("main")).to_contain_text("Omar")


def test_a_killed_server_comes_back_and_the_page_equals_the_database_without_a_reload(
    product: RunningTree, sign_in: Callable[[str], Page], import_file: Callable[[str], None]
) -> None:
    page = sign_in("olga")
    page.goto("/desk/?view=open")
    state = page.locator("#live-state")
    expect(state).to_contain_text("Live", timeout=SLOW_MS)
    page.evaluate("window.neverReloaded = true")
    product.process("web").kill()
    expect(state).not_to_contain_text("Live", timeout=SLOW_MS)
    import_file(f'text,name,email\n"{FRAUD}",Cut Off,cut@example.com\n')
    expect(state).to_contain_text("Live", timeout=60_000)
    wait_until(lambda: product.answers("/healthz"), within_s=30)
    _show_what_is_new(page)
    expect(page.locator("main")).to_contain_text("Cut Off", timeout=SLOW_MS)
    assert page.evaluate("window.neverReloaded")


def test_a_viewer_reads_but_is_told_no_and_the_refusal_is_recorded(sign_in: Callable[[str], Page]) -> None:
    vera = sign_in("vera")
    vera.goto("/desk/new/")
    expect(vera.locator("main")).to_contain_text("operator")
    olga = sign_in("olga")
    olga.goto("/audit/?outcome=denied")
    expect(olga.locator("main")).to_contain_text("Vera")


def test_five_wrong_passwords_lock_the_door_for_a_while(product: RunningTree, chromium: Any) -> None:
    with chromium.new_context(base_url=f"http://127.0.0.1:{product.port}") as context:
        page = context.new_page()
        for _ in range(6):
            page.goto("/login/")
            if page.locator("[name=username]").count():
                page.fill("[name=username]", "nobody")
                page.fill("[name=password]", "wrong")
                page.click("main button")
        expect(page.locator("body")).to_contain_text(re.compile("too many|try again", re.IGNORECASE))


def _show_what_is_new(page: Page) -> None:
    """Press the strip "N new, show" if the list holds its new rows back."""
    strip = page.get_by_role("button", name=re.compile("new.*show"))
    try:
        strip.first.click(timeout=8000)
    except NotSeenError:
        return  # it was shown at once, since nothing would have moved


def test_the_tour_of_the_readme_names_what_the_pages_show(sign_in: Callable[[str], Page]) -> None:
    tour = (Path(__file__).parents[2] / "README.md").read_text()
    page = sign_in("olga")
    assert f"`{FRAUD}`" in tour
    assert f"`{PIN}`" in tour
    for room in ("Now", "Desk", "Audit"):
        assert f"**{room}**" in tour
        expect(page.get_by_role("link", name=room).first).to_be_visible()
    page.goto("/desk/")
    expect(page.get_by_role("link", name="New").first).to_be_visible()
    address = submit(page, subject="The tour", body=FRAUD)
    claim(page, address)
    for button in ("Send", "Approve", "Reject…"):
        assert f"**{button}**" in tour
        expect(page.get_by_role("button", name=button).first).to_be_visible()
    page.goto("/desk/new/")
    for label in ("What they ask", "E-mail"):
        assert f"**{label}**" in tour
        expect(page.get_by_label(label)).to_be_visible()
