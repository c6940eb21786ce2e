"""The admin: administrators only, and everything it writes stands in the trail."""

import json
import re

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry

from orchestra.kernel import accounts, tokens
from orchestra.kernel.access import Actor
from orchestra.kernel.models import ApiToken, Event, Role, User
from orchestra.kernel.recorded_admin import RecordedAdmin
from tests.audit import actions, last_event
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
USERS, TOKENS, EVENTS = "/admin/kernel/user/", "/admin/kernel/apitoken/", "/admin/kernel/event/"


def choose(action, *rows):
    return {"action": action, "_selected_action": [row.pk for row in rows]}


def test_strangers_are_led_to_the_one_sign_in_page(client):
    assert client.get("/admin/", follow=True).redirect_chain[-1][0] == "/login/?next=/admin/"


def test_others_than_administrators_are_refused_and_recorded(operator, as_):
    assert as_(operator).get(USERS).status_code == 403
    assert json.loads(last_event().detail.after)["attempted"] == f"GET {USERS}"


def test_only_recorded_admins_are_registered():
    assert all(isinstance(admin, RecordedAdmin) for admin in site._registry.values())


def test_every_list_and_form_opens(admin_user, as_):
    browser = as_(admin_user)
    lists = [f"/admin/{model._meta.app_label}/{model._meta.model_name}/" for model in site._registry]

    assert {address: browser.get(address).status_code for address in lists} == dict.fromkeys(lists, 200)
    assert browser.get(f"{USERS}add/").status_code == 200
    assert browser.get(f"{USERS}{admin_user.pk}/change/").status_code == 200


def test_an_added_person_is_one_event_by_the_administrator(admin_user, as_):
    form = {"username": "olga", "password": PASSWORD, "role": Role.OPERATOR}

    assert as_(admin_user).post(f"{USERS}add/", form).status_code == 302

    assert User.objects.get(username="olga").check_password(PASSWORD)
    assert (last_event().action, last_event().actor_label) == ("UserCreated", "ada")
    assert LogEntry.objects.count() == 0


def test_a_change_is_recorded_with_before_and_after(admin_user, operator, as_):
    form = {"role": Role.VIEWER, "is_active": "on", "first_name": "Olga"}

    as_(admin_user).post(f"{USERS}{operator.pk}/change/", form)

    assert json.loads(last_event().detail.before) == {"first_name": "", "role": "operator"}
    assert json.loads(last_event().detail.after) == {"first_name": "Olga", "role": "viewer"}


def test_what_a_verb_refuses_is_said_on_the_form_and_nothing_is_written(admin_user, as_):
    answer = as_(admin_user).post(
        f"{USERS}{admin_user.pk}/change/", {"role": Role.VIEWER, "is_active": "on"}, follow=True
    )

    assert "is the last administrator" in answer.content.decode()
    assert User.objects.get(pk=admin_user.pk).role == Role.ADMIN


def test_the_history_of_an_object_is_its_audit_trail(admin_user, as_):
    answer = as_(admin_user).get(f"{USERS}{admin_user.pk}/history/")

    assert answer.url == f"/audit/?target=user%3A{admin_user.pk}"


def test_people_are_never_deleted(admin_user, operator, as_):
    assert as_(admin_user).post(f"{USERS}{operator.pk}/delete/", {"post": "yes"}).status_code == 403


def test_an_action_makes_one_event_for_each_row_under_one_correlation(admin_user, operator, viewer, as_):
    as_(admin_user).post(USERS, choose("deactivate", operator, viewer))

    events = Event.objects.filter(action="UserDeactivated")
    assert {event.target_label for event in events} == {"olga", "vera"}
    assert len({event.correlation for event in events}) == 1


def test_an_action_reports_what_it_refused_and_does_the_rest(admin_user, operator, as_):
    answer = as_(admin_user).post(USERS, choose("deactivate", operator, admin_user), follow=True)

    assert "1 may not sign in" in answer.content.decode()
    assert "is the last administrator" in answer.content.decode()
    assert "RequestRefused" in actions()


def test_the_key_of_a_new_token_is_shown_once(admin_user, operator, as_):
    browser = as_(admin_user)

    page = browser.post(f"{TOKENS}add/", {"user": operator.pk, "name": "shop", "role": Role.VIEWER}, follow=True)

    key = re.search(r"<code>([\w-]{43})</code>", page.content.decode())[1]
    assert tokens.find(key) == ApiToken.objects.get()
    assert key not in browser.get(TOKENS).content.decode()


def test_tokens_are_revoked_by_the_verb(admin_user, operator, as_):
    token, _ = accounts.create_token(Actor.system("test"), operator, name="shop", role=Role.VIEWER)

    as_(admin_user).post(TOKENS, choose("revoke", token))

    assert ApiToken.objects.get().revoked_at is not None
    assert last_event().action == "TokenRevoked"


@pytest.mark.parametrize("address", [f"{EVENTS}add/", f"{EVENTS}1/delete/"])
def test_events_are_only_read(admin_user, as_, address):
    browser = as_(admin_user)

    assert browser.get(f"{EVENTS}1/change/").status_code == 200
    assert browser.post(f"{EVENTS}1/change/", {"action": "Nothing"}).status_code == 403
    assert browser.post(address, {"post": "yes"}).status_code == 403


def test_long_lists_are_counted_no_further_than_needed(admin_user, as_, django_assert_max_num_queries):
    browser = as_(admin_user)

    with django_assert_max_num_queries(8) as queries:
        browser.get(EVENTS)

    counts = [query["sql"] for query in queries.captured_queries if "COUNT(" in query["sql"]]
    assert counts
    assert all("LIMIT" in count for count in counts)
