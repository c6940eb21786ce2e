"""Keys of stored secrets: a lost one is noticed, a new one takes over."""

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection

from agents.models import Agent
from orchestra import checks
from orchestra.kernel import keys, secrets
from tests.audit import last_event
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


@pytest.fixture(autouse=True)
def _old_key(settings):
    settings.ENCRYPTION_KEYS = [OLD]
    keys.remember()


@pytest.fixture
def agent():
    with arranged():
        return Agent.objects.create(name="billing", kind="http", secrets={"api_key": "s3cret"})


def stored(agent):
    with connection.cursor() as cursor:
        cursor.execute("SELECT secrets FROM agents_agent WHERE id = %s", [agent.pk])
        return cursor.fetchone()[0]


def test_a_secret_is_not_readable_in_the_database(agent):
    assert "s3cret" not in stored(agent)
    assert Agent.objects.get().secrets == {"api_key": "s3cret"}


def test_a_key_that_was_taken_away_is_an_error_with_a_way_back(settings):
    settings.ENCRYPTION_KEYS = [NEW]

    (fault,) = checks.no_key_is_missing(databases=["default"])

    assert (fault.id, secrets.fingerprint(OLD) in fault.msg) == ("orchestra.E002", True)


def test_a_new_key_in_front_of_the_old_one_is_no_error(settings):
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    assert checks.no_key_is_missing(databases=["default"]) == []


def test_rotation_moves_every_secret_to_the_new_key(settings, agent, capsys):
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    call_command("rotate_keys")

    settings.ENCRYPTION_KEYS = [NEW]
    assert Agent.objects.get().secrets == {"api_key": "s3cret"}
    assert checks.no_key_is_missing(databases=["default"]) == []
    assert last_event().action == "EncryptionKeysRotated"
    assert "s3cret" not in last_event().detail.after


def test_rotation_without_the_old_key_changes_nothing_and_says_why(settings, agent):
    settings.ENCRYPTION_KEYS = [NEW]
    before = stored(agent)

    with pytest.raises(CommandError, match="put the key it was written with back"):
        call_command("rotate_keys")

    assert stored(agent) == before


@pytest.mark.parametrize(
    ("payload", "masked"),
    [
        ({"api_key": "k", "url": "u"}, {"api_key": "••••", "url": "u"}),
        ({"deep": [{"password": "p"}]}, {"deep": [{"password": "••••"}]}),
        ({"Authorization": "Bearer x", "token": ""}, {"Authorization": "••••", "token": ""}),
        ("text", "text"),
    ],
)
def test_secrets_are_masked_by_their_names(payload, masked):
    assert secrets.mask(payload) == masked
