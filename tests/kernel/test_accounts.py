"""People and tokens: what the verbs allow, refuse and record."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orchestra.kernel import accounts, tokens
from orchestra.kernel.access import Actor, actor_of
from orchestra.kernel.errors import Conflict, Forbidden, Invalid
from orchestra.kernel.models import ApiToken, Event, Role, User
from tests.audit import last_event

SYSTEM = Actor.system("test")
LONG = "correct horse battery"


def test_an_administrator_adds_a_person_and_the_password_is_nowhere_in_the_trail(admin_user):
    user = accounts.create_user(actor_of(admin_user), username="olga", role=Role.OPERATOR, password=LONG)

    event = last_event()
    assert (event.action, event.actor_label, event.target_id) == ("UserCreated", "ada", str(user.pk))
    assert user.check_password(LONG)
    assert LONG not in event.detail.after


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_administrators_add_people(make_user, role):
    with pytest.raises(Forbidden):
        accounts.create_user(actor_of(make_user("vera", role)), username="eve", role=Role.ADMIN)

    assert not User.objects.filter(username="eve").exists()


def test_names_differ_by_more_than_case(viewer):
    with pytest.raises(Invalid) as error:
        accounts.create_user(SYSTEM, username="VERA", role=Role.VIEWER)

    assert error.value.errors[0]["path"] == "username"


def test_a_weak_password_is_refused_beside_its_field(db):
    with pytest.raises(Invalid) as error:
        accounts.create_user(SYSTEM, username="vera", role=Role.VIEWER, password="12345678901")

    assert error.value.errors[0]["path"] == "password"


def test_every_wrong_field_is_named(db):
    with pytest.raises(Invalid) as error:
        accounts.create_user(SYSTEM, username="a name", role="king", email="nowhere")

    assert {fault["path"] for fault in error.value.errors} == {"username", "role", "email"}


def test_a_changed_role_is_recorded_with_before_after_and_reason(admin_user, operator):
    accounts.change_user(actor_of(admin_user), operator, role=Role.ADMIN, reason="leads the desk")

    event = last_event()
    assert event.action == "UserRoleChanged"
    assert (event.detail.before, event.detail.after) == ('{"role":"operator"}', '{"role":"admin"}')
    assert event.detail.reason == "leads the desk"


def test_a_change_to_what_already_is_leaves_no_event(admin_user, operator):
    before = Event.objects.count()

    accounts.change_user(actor_of(admin_user), operator, role=Role.OPERATOR, is_active=True)

    assert Event.objects.count() == before


@pytest.mark.parametrize("change", [{"role": Role.VIEWER}, {"is_active": False}])
def test_the_last_administrator_stays_one(admin_user, change):
    with pytest.raises(Conflict):
        accounts.change_user(actor_of(admin_user), admin_user, **change)

    admin_user.refresh_from_db()
    assert (admin_user.role, admin_user.is_active) == (Role.ADMIN, True)


def test_an_administrator_may_step_down_where_there_is_another(admin_user, make_user):
    make_user("grace", Role.ADMIN)

    accounts.change_user(actor_of(admin_user), admin_user, role=Role.VIEWER)

    assert User.objects.get(pk=admin_user.pk).role == Role.VIEWER


def test_people_change_their_own_password(viewer):
    accounts.set_password(actor_of(viewer), viewer, "another long one")

    assert User.objects.get(pk=viewer.pk).check_password("another long one")
    assert last_event().action == "PasswordChanged"


def test_nobody_but_an_administrator_changes_somebody_elses_password(operator, viewer):
    with pytest.raises(Forbidden):
        accounts.set_password(actor_of(operator), viewer, "another long one")


def test_preferences_record_only_what_changed(viewer):
    accounts.set_preferences(actor_of(viewer), viewer, theme="dark", updates_paused=False)

    assert last_event().detail.after == '{"theme":"dark"}'


def test_the_key_of_a_token_is_stored_nowhere(viewer):
    token, key = accounts.create_token(actor_of(viewer), viewer, name="script", role=Role.VIEWER)

    stored = ApiToken.objects.values().get(pk=token.pk)
    assert key.startswith(stored["prefix"])
    assert key not in str(stored) + last_event().detail.after
    assert tokens.find(key) == token


def test_a_token_allows_no_more_than_its_owner(operator):
    with pytest.raises(Invalid) as error:
        accounts.create_token(actor_of(operator), operator, name="script", role=Role.ADMIN)

    assert error.value.errors[0]["path"] == "role"


def test_a_token_cannot_be_born_expired(operator):
    with pytest.raises(Invalid) as error:
        accounts.create_token(
            actor_of(operator), operator, name="script", role=Role.VIEWER, expires_at=timezone.now() - timedelta(1)
        )

    assert error.value.errors[0]["path"] == "expires_at"


def test_a_token_for_somebody_else_needs_an_administrator(operator, viewer, admin_user):
    with pytest.raises(Forbidden):
        accounts.create_token(actor_of(operator), viewer, name="script", role=Role.VIEWER)

    accounts.create_token(actor_of(admin_user), viewer, name="script", role=Role.VIEWER)


def test_a_token_is_revoked_once(viewer):
    token, _ = accounts.create_token(actor_of(viewer), viewer, name="script", role=Role.VIEWER)

    accounts.revoke_token(actor_of(viewer), token, reason="lost")

    assert last_event().action == "TokenRevoked"
    with pytest.raises(Conflict):
        accounts.revoke_token(actor_of(viewer), token)


def test_the_lowered_role_of_a_person_lowers_their_tokens(admin_user, operator):
    accounts.change_user(actor_of(admin_user), operator, role=Role.VIEWER)

    assert actor_of(User.objects.get(pk=operator.pk), role=Role.OPERATOR).role == Role.VIEWER
