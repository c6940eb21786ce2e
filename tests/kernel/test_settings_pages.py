"""Pages about people: their preferences, their tokens, who may sign in."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from orchestra.kernel import tokens
from orchestra.kernel.models import ApiToken, Role, User
from tests.audit import actions, last_event
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
TOKENS, PEOPLE, PREFERENCES = "/settings/tokens/", "/settings/people/", "/preferences/"


def test_the_theme_is_kept_with_the_person_and_for_the_sign_in_page(viewer, as_):
    answer = as_(viewer).post(PREFERENCES, {"theme": "dark"}, HTTP_X_REQUESTED_WITH="fetch")

    assert answer.status_code == 204
    assert answer.cookies["theme"].value == "dark"
    assert User.objects.get().theme == "dark"


@pytest.mark.parametrize(
    ("asked", "column", "value"),
    [
        ({"shortcuts": "off"}, "shortcuts_enabled", False),
        ({"updates": "paused"}, "updates_paused", True),
        ({"theme": "light"}, "theme", "light"),
    ],
)
def test_a_preference_that_is_named_changes_and_the_others_stay(viewer, as_, asked, column, value):
    before = User.objects.values().get()

    as_(viewer).post(PREFERENCES, asked)

    after = User.objects.values().get()
    changed = {name for name in after if after[name] != before[name]} - {"last_login"}
    assert (changed, after[column]) == ({column}, value)


def test_without_scripts_a_preference_leads_back_to_its_page(viewer, as_):
    assert as_(viewer).post(PREFERENCES, {"theme": "dark", "next": TOKENS}).url == TOKENS
    assert as_(viewer).post(PREFERENCES, {"theme": "light", "next": "https://example.com/"}).url == "/"


def test_a_preference_that_does_not_exist_is_refused(viewer, as_):
    assert as_(viewer).post(PREFERENCES, {"theme": "neon"}).status_code == 400


def test_a_new_key_is_shown_once(operator, as_):
    browser = as_(operator)

    page = browser.post(TOKENS, {"name": "shop", "role": Role.VIEWER, "expires_on": ""}).content.decode()

    key = re.search(r'id="new-key">([\w-]{43})<', page)[1]
    assert tokens.find(key).name == "shop"
    assert key not in browser.get(TOKENS).content.decode()


def test_a_token_lives_to_the_end_of_its_last_day(operator, as_):
    day = timezone.localdate() + timedelta(days=30)

    as_(operator).post(TOKENS, {"name": "shop", "role": Role.VIEWER, "expires_on": day.isoformat()})

    after = day + timedelta(days=1)
    assert ApiToken.objects.get().expires_at == datetime(after.year, after.month, after.day, tzinfo=UTC)


def test_a_token_of_a_higher_role_is_not_offered(operator, as_):
    page = as_(operator).post(TOKENS, {"name": "shop", "role": Role.ADMIN})

    assert page.context["form"].errors.keys() == {"role"}
    assert not ApiToken.objects.exists()


def test_people_see_and_revoke_only_their_own_tokens(operator, viewer, api, as_):
    api(operator)
    token = ApiToken.objects.get()

    assert as_(viewer).post(f"{TOKENS}{token.pk}/revoke/").status_code == 404
    assert as_(operator).post(f"{TOKENS}{token.pk}/revoke/", {"reason": "lost"}).status_code == 303
    assert last_event().detail.reason == "lost"


@pytest.mark.parametrize("address", [PEOPLE, f"{PEOPLE}1/"])
def test_people_are_for_administrators(operator, as_, address):
    assert as_(operator).get(address).status_code == 403


def test_an_administrator_adds_someone_who_can_sign_in(admin_user, as_, client):
    form = {"username": "grace", "role": Role.OPERATOR, "password": PASSWORD, "first_name": "Grace"}

    assert as_(admin_user).post(PEOPLE, form).status_code == 303
    assert client.post("/login/?next=/", {"username": "grace", "password": PASSWORD}).status_code == 302


def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(admin_user, as_):
    page = as_(admin_user).post(PEOPLE, {"username": "ada", "role": Role.VIEWER, "password": "short"})

    form = page.context["form"]
    assert form.errors.keys() == {"password"}
    assert 'value="ada"' in page.content.decode()


def test_a_changed_role_carries_its_reason_into_the_trail(admin_user, operator, as_):
    form = {"role": Role.VIEWER, "is_active": "on", "reason": "moved to another team"}

    as_(admin_user).post(f"{PEOPLE}{operator.pk}/", form)

    assert User.objects.get(pk=operator.pk).role == Role.VIEWER
    assert (last_event().action, last_event().detail.reason) == ("UserRoleChanged", "moved to another team")


def test_a_forgotten_password_is_replaced(admin_user, operator, as_):
    as_(admin_user).post(f"{PEOPLE}{operator.pk}/password/", {"password": "another long one"})

    assert User.objects.get(pk=operator.pk).check_password("another long one")
    assert actions()[-1] == "PasswordChanged"


def test_a_password_that_is_too_weak_is_said_on_the_page(admin_user, operator, as_):
    page = as_(admin_user).post(f"{PEOPLE}{operator.pk}/password/", {"password": "short"})

    assert page.status_code == 200
    assert page.context["password_form"].errors.keys() == {"password"}
