"""Signing in and out in a browser: what is recorded, and when the door stays shut."""

import pytest
from django.test import Client, override_settings

from orchestra.kernel import accounts
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Event, User
from tests.audit import actions, last_event
from tests.conftest import PASSWORD

HOME = "/settings/tokens/"


def sign_in(browser, username, password=PASSWORD, **headers):
    return browser.post(f"/login/?next={HOME}", {"username": username, "password": password}, **headers)


def test_the_right_password_opens_the_page_that_was_asked_for(viewer):
    browser = Client()

    assert sign_in(browser, "vera").url == HOME
    assert browser.get(HOME).status_code == 200
    assert (last_event().action, last_event().actor_label) == ("UserLoggedIn", "vera")


def test_a_wrong_password_is_a_refusal_that_names_who_was_tried_and_never_the_password(viewer):
    answer = sign_in(Client(), "vera", "my secret guess", REMOTE_ADDR="192.0.2.7")

    event = last_event()
    assert answer.status_code == 200
    assert (event.action, event.outcome, event.target_label) == ("LoginFailed", "denied", "vera")
    assert (event.actor_id, event.address) == ("", "192.0.2.7")
    assert "my secret guess" not in str(list(Event.objects.values())) + event.detail.after + event.detail.reason


def test_an_unknown_name_is_answered_like_a_wrong_password(viewer):
    known, unknown = sign_in(Client(), "vera", "wrong"), sign_in(Client(), "nobody", "wrong")

    assert known.context["form"].errors == unknown.context["form"].errors


def test_an_empty_form_is_no_failed_attempt(db):
    sign_in(Client(), "", "")

    assert actions() == []


def test_someone_deactivated_cannot_sign_in_and_is_signed_out_at_once(viewer, admin_user, as_):
    browser = as_(viewer)
    accounts.change_user(Actor.system("test"), viewer, is_active=False)

    assert browser.get(HOME).status_code == 302
    assert sign_in(Client(), "vera").status_code == 200


def test_after_five_failures_the_page_says_when_to_try_again(viewer):
    browser = Client()
    answers = [sign_in(browser, "vera", "wrong") for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429, 429]
    assert "Try again in 15 min" in answers[-1].content.decode()
    assert sign_in(browser, "vera").status_code == 429
    assert actions()[-1] == "LoginLockedOut"


def test_a_lockout_concerns_one_name_from_one_address(viewer, operator):
    for _ in range(5):
        sign_in(Client(), "vera", "wrong", REMOTE_ADDR="192.0.2.7")

    assert sign_in(Client(), "vera", REMOTE_ADDR="192.0.2.8").status_code == 302
    assert sign_in(Client(), "olga", REMOTE_ADDR="192.0.2.7").status_code == 302


def test_an_administrator_ends_a_lockout(viewer, admin_user, as_):
    for _ in range(5):
        sign_in(Client(), "vera", "wrong")

    as_(admin_user).post(f"/settings/people/{viewer.pk}/unlock/")

    assert sign_in(Client(), "vera").status_code == 302
    assert "LoginUnlocked" in actions()


@override_settings(PROXY_COUNT=1)
def test_behind_a_proxy_the_address_is_what_the_proxy_saw(viewer):
    sign_in(Client(), "vera", "wrong", HTTP_X_FORWARDED_FOR="203.0.113.9, 198.51.100.4", REMOTE_ADDR="127.0.0.1")

    assert last_event().address == "198.51.100.4"


@pytest.mark.parametrize(("proxies", "header"), [(0, "203.0.113.9"), (1, "not an address"), (2, "203.0.113.9")])
def test_an_address_that_no_proxy_vouches_for_is_not_believed(viewer, proxies, header):
    with override_settings(PROXY_COUNT=proxies):
        sign_in(Client(), "vera", "wrong", HTTP_X_FORWARDED_FOR=header, REMOTE_ADDR="127.0.0.1")

    assert last_event().address == "127.0.0.1"


def test_signing_out_ends_the_session(viewer, as_):
    browser = as_(viewer)

    browser.post("/logout/")

    assert last_event().action == "UserLoggedOut"
    assert browser.get(HOME).status_code == 302


def test_a_changed_password_keeps_this_browser_and_ends_the_others(viewer, as_):
    here, elsewhere = as_(viewer), as_(viewer)
    new = {"old_password": PASSWORD, "new_password1": "another long one", "new_password2": "another long one"}

    assert here.post("/settings/password/", new).status_code == 302

    assert here.get(HOME).status_code == 200
    assert elsewhere.get(HOME).status_code == 302
    assert User.objects.get(pk=viewer.pk).check_password("another long one")
