"""Settings from the environment and .env: read strictly, and all faults told at once."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from orchestra import env

NEEDED = {"SECRET_KEY": "s", "ENCRYPTION_KEYS": "k"}


@pytest.fixture
def root(tmp_path):
    (tmp_path / ".env").write_text("SECRET_KEY=from file\nENCRYPTION_KEYS=new, old\nDEBUG=true\n")
    return tmp_path


def test_what_is_not_given_has_its_default(tmp_path):
    values = env.read(tmp_path, NEEDED)

    assert (values["DEBUG"], values["LEASE_S"], values["ALLOWED_HOSTS"][0]) == (False, 15, "localhost")


def test_the_environment_comes_before_the_file(root):
    values = env.read(root, {"DEBUG": "no", "HOME": "/root"})

    assert (values["SECRET_KEY"], values["DEBUG"], values["ENCRYPTION_KEYS"]) == ("from file", False, ["new", "old"])


def test_reading_changes_no_process(root, monkeypatch):
    monkeypatch.delenv("SECRET_KEY", raising=False)
    env.read(root, {})

    assert "SECRET_KEY" not in env.os.environ


def test_a_name_in_the_file_that_is_no_setting_stops_the_start(root):
    (root / ".env").write_text("SECRET_KEY=s\nENCRYPTION_KEYS=k\nDATABSE_URL=sqlite:///x\n")

    with pytest.raises(ImproperlyConfigured, match=r"DATABSE_URL in \.env is not a setting"):
        env.read(root, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "perhaps"),
        ("EXECUTORS", "-1"),
        ("EXECUTOR_SLOTS", "0"),
        ("LEASE_S", "15s"),
        ("SCORE_MATCH", "1.5"),
        ("SCORE_SPEED", "fast"),
        ("DATABASE_URL", "mysql://localhost/x"),
        ("REDIS_URL", "localhost:6379"),
        ("EMAIL_URL", "mail.example.com"),
        ("OUTGOING_ALLOWED", "agent.internal, 10.0.0.0/33"),
        ("LOG_LEVEL", "LOUD"),
        ("TIME_ZONE", "Mars/Base"),
        ("TIME_ZONE", "../etc/passwd"),
    ],
)
def test_a_value_that_cannot_be_read_is_named(tmp_path, name, value):
    with pytest.raises(ImproperlyConfigured, match=f"{name}: give"):
        env.read(tmp_path, NEEDED | {name: value})


def test_commands_are_lists_of_words_by_name(tmp_path):
    (tmp_path / ".env").write_text(
        'SECRET_KEY=s\nENCRYPTION_KEYS=k\nCOMMANDS={"ocr": ["ocr-agent", "--pool", "{pool}"]}\n'
    )

    assert env.read(tmp_path, {})["COMMANDS"] == {"ocr": ["ocr-agent", "--pool", "{pool}"]}
    assert env.read(tmp_path, NEEDED | {"COMMANDS": ""})["COMMANDS"] == {}


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("{", "it is not JSON at character 2"),
        ("[]", "give a JSON table"),
        ('{"ocr": "ocr-agent --quiet"}', "'ocr' must be a list of words"),
        ('{"ocr": []}', "'ocr' must be a list of words"),
        ('{"ocr": ["ocr", 1]}', "'ocr' must be a list of words"),
        ('{"OCR agent": ["ocr"]}', "'OCR agent' is not a name"),
    ],
)
def test_a_command_that_cannot_be_read_is_named(tmp_path, value, fault):
    with pytest.raises(ImproperlyConfigured, match=f"COMMANDS: .*{fault}"):
        env.read(tmp_path, NEEDED | {"COMMANDS": value})


def test_all_faults_are_told_in_one_message(tmp_path):
    with pytest.raises(ImproperlyConfigured) as error:
        env.read(tmp_path, {"DEBUG": "perhaps", "LOG_LEVEL": "LOUD"})

    assert all(name in str(error.value) for name in ("DEBUG", "LOG_LEVEL", "SECRET_KEY", "ENCRYPTION_KEYS"))


def test_weights_must_add_up(tmp_path):
    with pytest.raises(ImproperlyConfigured, match="must add up to 1"):
        env.read(tmp_path, NEEDED | {"SCORE_MATCH": "0.5"})

    env.read(tmp_path, NEEDED | {"SCORE_MATCH": "0.5", "SCORE_SPEED": "0.1"})


def test_without_an_address_the_database_and_the_mail_lie_in_the_data_folder(tmp_path):
    assert env.database("", tmp_path)["NAME"] == str(tmp_path / "orchestra.sqlite3")
    assert env.mail("", tmp_path)["EMAIL_FILE_PATH"] == str(tmp_path / "mail")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_an_address_names_the_database(tmp_path, scheme):
    found = env.database(f"{scheme}://ada:p%40ss@db.example.com:5433/orchestra", tmp_path)

    assert (found["ENGINE"], found["PASSWORD"], found["PORT"]) == ("django.db.backends.postgresql", "p@ss", 5433)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp+tls://ada:secret@mail.example.com:587", {"EMAIL_USE_TLS": True, "EMAIL_PORT": 587}),
        ("smtps://mail.example.com:465", {"EMAIL_USE_SSL": True}),
        ("file:///var/mail", {"EMAIL_FILE_PATH": "/var/mail"}),
        ("console://", {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}),
    ],
)
def test_an_address_names_the_mail_server(tmp_path, url, expected):
    found = env.mail(url, tmp_path)

    assert {name: found.get(name) for name in expected} == expected
