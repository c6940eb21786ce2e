"""System checks: contradictions are named with an id and a way out."""

import pytest

from orchestra import checks


def ids(*found):
    return [message.id for message in found]


@pytest.mark.parametrize("key", ["short", "", "x" * 44])
def test_a_key_that_is_none_is_an_error(settings, key):
    settings.ENCRYPTION_KEYS = [key]

    assert ids(*checks.encryption_keys_are_keys()) == ["orchestra.E001"]


def test_a_channel_layer_with_a_wrong_name_is_an_error(settings):
    settings.CHANNEL_LAYERS = {"defualt": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

    assert ids(*checks.channel_layer_exists()) == ["orchestra.E003"]


def test_debug_does_not_go_with_https(settings):
    settings.DEBUG = settings.HTTPS = True

    assert ids(*checks.debug_and_https_exclude_each_other()) == ["orchestra.E004"]


def test_missing_browser_files_are_advice(settings):
    settings.STATICFILES_DIRS = []

    (advice,) = checks.browser_files_are_there()
    assert (advice.id, "make setup" in advice.hint) == ("orchestra.W001", True)


@pytest.mark.parametrize(
    ("is_sqlite", "redis", "executors", "expected"),
    [
        (True, "redis://127.0.0.1", 2, ["orchestra.W002", "orchestra.W003"]),
        (True, "", 1, []),
        (False, "redis://127.0.0.1", 8, []),
    ],
)
def test_sqlite_stays_on_one_machine(settings, is_sqlite, redis, executors, expected):
    settings.IS_SQLITE, settings.REDIS_URL, settings.EXECUTORS = is_sqlite, redis, executors

    assert ids(*checks.sqlite_stays_on_one_machine()) == expected


@pytest.mark.parametrize(
    ("https", "hosts", "expected"),
    [
        (False, ["localhost"], []),
        (False, ["localhost", "desk.example.com"], ["orchestra.W004"]),
        (True, ["desk.example.com"], []),
    ],
)
def test_passwords_do_not_travel_in_the_open(settings, https, hosts, expected):
    settings.HTTPS, settings.ALLOWED_HOSTS = https, hosts

    assert ids(*checks.https_is_on()) == expected
