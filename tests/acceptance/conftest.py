"""The whole product as a customer has it: `manage.py up` on a database of its own, and people in browsers."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from orchestra.kernel.models import Role
from tests.conftest import PASSWORD as THEIR_PASSWORD
from tests.orchestra.running_tree import RunningTree, manage, wait_until

PASSWORD = "correct horse battery"
PEOPLE = (("olga", "Olga", "operator"), ("omar", "Omar", "operator"), ("vera", "Vera", "viewer"))
ADD_PEOPLE = f"""
from orchestra.kernel import accounts
from orchestra.kernel.access import Actor
for username, name, role in {PEOPLE!r}:
    accounts.create_user(Actor.system("test"), username=username, first_name=name, role=role, password={PASSWORD!r})
"""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    """Web and workers with the examples loaded, on SQLite: what `make run` gives."""
    folder = tmp_path_factory.mktemp("product")
    for command in (["migrate", "--verbosity", "0"], ["demo"], ["shell", "--verbosity", "0", "-c", ADD_PEOPLE]):
        assert manage(folder, *command).wait(180) == 0
    tree = RunningTree(folder)
    try:
        wait_until(tree.is_ready, within_s=60)
        yield tree
    finally:
        tree.end()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with pytest.MonkeyPatch.context() as environment, sync_playwright() as playwright:
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # the driver's event loop lives in this thread
        yield playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])


@pytest.fixture
def sign_in(product: RunningTree, chromium: Browser) -> Iterator[Callable[[str], Page]]:
    """``sign_in("olga")``: a browser of her own, at the dashboard."""
    with ExitStack() as browsers:

        def sign(username: str) -> Page:
            context = browsers.enter_context(chromium.new_context(base_url=f"http://127.0.0.1:{product.port}"))
            page = context.new_page()
            page.goto("/")
            page.fill("[name=username]", username)
            page.fill("[name=password]", PASSWORD)
            page.click("main button")
            page.wait_for_url("**/")
            return page

        yield sign


@pytest.fixture
def import_file(product: RunningTree, tmp_path: Path) -> Callable[[str], None]:
    """``import_file("text\\n…")``: inquiries that come in from outside the browser."""

    def load(text: str) -> None:
        file = tmp_path / "inquiries.csv"
        file.write_text(text)
        assert manage(product.folder, "import_inquiries", str(file)).wait(60) == 0

    return load


@pytest.fixture
def open_as_ada(chromium: Browser, live_server: Any, make_user: Callable[..., Any]) -> Iterator[Callable[..., Page]]:
    """``open_as_ada("dark", 320)``: an administrator's browser of that scheme and width, on the test's own server."""
    make_user("ada", Role.ADMIN, first_name="Ada")
    with ExitStack() as browsers:

        def open_(scheme: Literal["light", "dark"] = "light", width: int = 1440) -> Page:
            viewport = ViewportSize(width=width, height=900)
            context = browsers.enter_context(
                chromium.new_context(base_url=live_server.url, color_scheme=scheme, viewport=viewport)
            )
            page = context.new_page()
            page.goto("/login/")
            page.fill("[name=username]", "ada")
            page.fill("[name=password]", THEIR_PASSWORD)
            page.click("main button")
            page.wait_for_url("**/")
            return page

        yield open_
