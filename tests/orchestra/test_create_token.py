"""``manage.py create_token``: for scripts, so its last line is the key and nothing else."""

import pytest
from django.core.management import CommandError, call_command

from orchestra.kernel import tokens
from orchestra.kernel.models import Role, User
from tests.audit import actions

pytestmark = pytest.mark.django_db


def create(capsys, *arguments):
    call_command("create_token", *arguments)
    return capsys.readouterr().out.splitlines()[-1]


def test_the_last_line_is_a_key_that_works(viewer, capsys):
    token = tokens.find(create(capsys, "vera", "--role", "viewer"))

    assert (token.user, token.role) == (viewer, Role.VIEWER)


def test_a_person_is_added_if_need_be_and_cannot_sign_in(capsys):
    token = tokens.find(create(capsys, "importer", "--role", "operator", "--name", "shop import"))

    user = User.objects.get(username="importer")
    assert (token.user, token.name, user.role) == (user, "shop import", Role.OPERATOR)
    assert not user.has_usable_password()
    assert actions() == ["UserCreated", "TokenCreated"]


def test_a_role_above_the_persons_own_is_refused_with_the_way_out(viewer):
    with pytest.raises(CommandError, match="choose --role viewer"):
        call_command("create_token", "vera", "--role", "admin")


def test_a_life_in_days(viewer, capsys):
    assert tokens.find(create(capsys, "vera", "--role", "viewer", "--days", "7")).expires_at is not None


@pytest.mark.parametrize(("arguments", "says"), [(["vera", "--days", "0"], "expires_at"), (["a name"], "username")])
def test_what_is_wrong_is_one_sentence(viewer, arguments, says):
    with pytest.raises(CommandError, match=says):
        call_command("create_token", *arguments, "--role", "viewer")
