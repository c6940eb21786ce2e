"""The pages of people, the admin and the API page in chromium: nothing blocked by the policy, readable by everyone."""

import pytest

from orchestra.kernel.models import Role, User
from tests.acceptance.barriers import barriers
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OWN = ["/settings/tokens/", "/settings/people/", "/settings/people/{ada}/", "/settings/password/", "/nowhere/"]
LIBRARIES = ["/admin/", "/admin/kernel/user/", "/admin/kernel/user/{ada}/change/", "/admin/kernel/event/", "/api/docs/"]


@pytest.fixture(params=["light", "dark"])
def page(request, chromium, live_server, make_user):
    """Ada, an administrator, in her browser; ``page.complaints`` gathers what the console says."""
    make_user("ada", Role.ADMIN, first_name="Ada")
    with chromium.new_context(base_url=live_server.url, color_scheme=request.param) as context:
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto("/login/?next=/settings/tokens/")
        page.fill("[name=username]", "ada")
        page.fill("[name=password]", PASSWORD)
        page.click("main button")
        page.wait_for_url("**/settings/tokens/")
        yield page


def visit(page, address):
    page.complaints.clear()
    page.goto(address.format(ada=User.objects.get().pk))
    page.wait_for_load_state("networkidle")


def barriers_at(page, address):
    visit(page, address)
    return barriers(page)


def complaints(page, address):
    """What the browser complains of; this server has no live connection to offer."""
    visit(page, address)
    return [said for said in page.complaints if "WebSocket" not in said]


def test_own_pages_pass_the_accessibility_rules(page):
    assert {address: barriers_at(page, address) for address in OWN} == {address: [] for address in OWN}


def test_nothing_is_blocked_by_the_policy_and_no_script_fails(page):
    addresses = [*OWN[:-1], *LIBRARIES]  # the last is meant to fail

    assert {address: complaints(page, address) for address in addresses} == {address: [] for address in addresses}


def test_the_api_page_lists_the_paths(page):
    page.goto("/api/docs/")

    page.wait_for_selector("text=/api/v1/agents/ >> nth=0")


def test_the_admin_follows_the_theme_of_the_person(page, request):
    page.goto("/admin/")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert ground == {"light": "rgb(245, 246, 248)", "dark": "rgb(15, 19, 25)"}[request.node.callspec.params["page"]]


def test_a_new_key_is_shown_and_can_be_revoked_by_keyboard(page):
    page.fill("[name=name]", "shop import")
    page.keyboard.press("Enter")
    assert len(page.inner_text("#new-key")) == 43

    page.focus("text=Revoke…")
    page.keyboard.press("Enter")
    page.fill("dialog[open] textarea", "lost")
    page.click("dialog[open] button.btn-danger")

    page.wait_for_selector("text=/revoked .*(ago|just now)/")
