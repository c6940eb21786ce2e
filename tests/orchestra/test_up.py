"""The first start: what `up --prepare` makes, and that later starts leave it alone."""

import re
from io import StringIO

import pytest
from django.contrib.auth import authenticate

from orchestra.kernel import accounts
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Event, Role, User
from orchestra.management.commands import up
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
ADDRESS = "http://127.0.0.1:8000/"


@pytest.fixture
def demo_loads(monkeypatch) -> list[str]:
    """The commands that `up` calls instead of running them: the examples have tests of their own."""
    called: list[str] = []
    monkeypatch.setattr(up, "call_command", lambda name, **_: called.append(name))
    monkeypatch.setattr(up, "get_commands", lambda: {"demo": "orchestra"})
    return called


def prepare() -> str:
    output = StringIO()
    up.Command(stdout=output)._prepare(ADDRESS)
    return output.getvalue()


def test_the_first_time_an_administrator_is_added_whose_password_is_printed(demo_loads, rf):
    printed = prepare()
    password = re.search(r"Password +(\S+)", printed)[1]

    with arranged():
        admin = authenticate(rf.post("/"), username="admin", password=password)
    assert admin.role == Role.ADMIN
    assert ADDRESS in printed
    assert len(password) > 16


def test_the_first_time_the_examples_are_loaded(demo_loads):
    prepare()

    assert demo_loads == ["demo"]


def test_the_administrator_stands_in_the_audit_trail(demo_loads):
    prepare()

    assert Event.objects.get(action="UserCreated").actor_label == "set-up"


def test_the_password_stands_in_a_box(demo_loads):
    lines = [line for line in prepare().splitlines() if line[:1] in {"+", "|"}]

    assert len(lines) == 6
    assert len({len(line) for line in lines}) == 1


def test_where_there_are_people_nothing_is_added_and_nothing_printed(demo_loads):
    accounts.create_user(Actor.system("test"), username="ada", role=Role.VIEWER)

    assert prepare() == ""
    assert demo_loads == []
    assert User.objects.count() == 1


def test_examples_that_fail_to_load_are_loaded_at_the_next_start(demo_loads, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(up, "call_command", lambda name, **_: (_ for _ in ()).throw(ValueError(name)))
        with pytest.raises(ValueError, match="demo"):
            prepare()
    prepare()

    assert demo_loads == ["demo"]
