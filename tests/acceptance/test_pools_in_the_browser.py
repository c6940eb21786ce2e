"""The pages of pools in chromium: for everyone, tried as one types, scaled in a dialog, changes told by their marks."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from agents import pools
from agents.models import Pool, PoolSample
from orchestra.kernel.access import Actor
from tests.acceptance.barriers import barriers
from tests.agents import functions  # noqa: F401  registers the functions
from tests.silent_writes import arranged

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SYSTEM = Actor.system("test")
SLOW_MS = 30_000


@pytest.fixture
def pool(db):
    """A pool with an hour of samples and three changes of its size."""
    template = {"config": {"function": "test.echo"}, "capabilities": ["draft"], "max_concurrency": 2}
    made = pools.create("python", {"name": "billing", "template": template}, by=SYSTEM)
    now = timezone.now()
    rows = [
        PoolSample(pool=made, at=now - timedelta(seconds=10 * n), size=3, slots=6, in_use=1, waiting=0)
        for n in range(360)
    ]
    with arranged():
        PoolSample.objects.bulk_create(rows)
    for target in (3, 2):
        pools.scale(made.pk, target, by=SYSTEM, reason="Noon")
    return made


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1440), ("light", 320)])
def test_every_page_is_for_everyone_and_fits(open_as_ada, pool, scheme, width):
    page = open_as_ada(scheme, width)
    for address in ("/pools/", f"/pools/{pool.pk}/", f"/pools/{pool.pk}/decisions/", f"/pools/{pool.pk}/edit/"):
        page.goto(address)

        assert barriers(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{address} is wider than the page"


def test_a_policy_is_tried_as_it_is_typed_and_saved_as_it_was_tried(open_as_ada, pool):
    page = open_as_ada()
    page.goto(f"/pools/{pool.pk}/")
    page.fill("[name='policy.cooldown_down_s']", "0")
    tried = page.locator("#pool-tried")
    expect(tried).to_contain_text("3.0 agent-hours", timeout=SLOW_MS)
    expect(tried).to_contain_text("It would have decided 2 times")

    page.fill("[name='policy.minimums']", "daily 00:00-24:00 2")
    expect(tried).to_contain_text("Correct what is marked", timeout=SLOW_MS)
    page.fill("[name='policy.minimums']", "daily 00:00-00:00 3")
    expect(tried).to_contain_text("It would never have changed the size", timeout=SLOW_MS)
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast, [role=status]").filter(has_text="The policy of billing was changed")).to_be_visible()

    assert Pool.objects.get().policy["minimums"] == [{"days": [], "from": "00:00", "to": "00:00", "min": 3}]


def test_it_is_scaled_in_a_dialog_with_a_reason_and_the_mark_tells_it(open_as_ada, pool):
    page = open_as_ada()
    page.goto(f"/pools/{pool.pk}/?span=30m")
    page.keyboard.press("s")
    dialog = page.locator("dialog[open]")
    dialog.locator("[name=target]").fill("4")
    dialog.locator("[name=reason]").fill("A campaign begins")
    dialog.get_by_role("button", name="Scale").click()

    expect(page.locator("#pool-members")).to_contain_text("billing-4")
    mark = page.locator("#pool-size-chart .chart-mark").last
    mark.focus()
    expect(mark.locator(".chart-mark-text")).to_be_visible(timeout=SLOW_MS)
    expect(mark).to_contain_text("2 → 4 by Ada. Ada asked for 4: A campaign begins.")
    assert Pool.objects.get().target == 4
