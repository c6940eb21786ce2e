"""What every test may use: people of each role, their browser and API client, the watch over silent writes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from orchestra.kernel import accounts
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Role, User
from tests.silent_writes import arranged, watching
from workflows import definitions

SETUP = Actor.system("test")
PASSWORD = "correct horse battery"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with watching():
        return (yield)


@pytest.fixture(autouse=True)
def _unparsed() -> None:
    """A version's number comes back in the next test with another definition."""
    definitions.forget()


@pytest.fixture
def make_user(db: None) -> Callable[..., User]:
    """``make_user("ada", Role.OPERATOR)``: a person who can sign in with PASSWORD."""

    def make(username: str, role: str = Role.VIEWER, **names: str) -> User:
        return accounts.create_user(SETUP, username=username, role=role, password=PASSWORD, **names)

    return make


@pytest.fixture
def viewer(make_user: Callable[..., User]) -> User:
    return make_user("vera", Role.VIEWER)


@pytest.fixture
def operator(make_user: Callable[..., User]) -> User:
    return make_user("olga", Role.OPERATOR)


@pytest.fixture
def admin_user(make_user: Callable[..., User]) -> User:
    return make_user("ada", Role.ADMIN)


@pytest.fixture
def as_() -> Callable[[User], Client]:
    """``as_(operator).get("/")``: the browser of someone signed in."""

    def sign_in(user: User) -> Client:
        browser = Client()
        with arranged():
            browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return browser

    return sign_in


@pytest.fixture
def api() -> Callable[..., APIClient]:
    """``api(operator).post("/api/v1/…", {…})``: a client with a token of that person, in JSON both ways."""

    def with_token(user: User, role: str = "", **options: Any) -> APIClient:
        _, key = accounts.create_token(SETUP, user, name="test", role=role or user.role, **options)
        client = APIClient(raise_request_exception=False)
        client.default_format = "json"
        client.credentials(HTTP_AUTHORIZATION=f"Token {key}")
        return client

    return with_token


@pytest.fixture
def plans_by_index(db: None) -> None:
    """PostgreSQL reads small tables whole and sorts them, unless that is dear; its statistics do not matter then."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for way in ("seqscan", "bitmapscan", "sort", "incremental_sort", "hashjoin", "mergejoin"):
                cursor.execute(f"SET LOCAL enable_{way} = off")
