"""Reads the settings that a deployment may choose, from the environment or ``.env``, strictly and all at once.

:data:`SETTINGS` is the whole list; docs/deployment.md has the same one, and a test compares them. A name in ``.env``
that is not listed, or a value that does not parse, stops the start with one message that names them all.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import environ
from django.core.exceptions import ImproperlyConfigured
from redis import ConnectionPool
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

from orchestra.kernel import addresses


def _text(value: str) -> str:
    return value


def _flag(value: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    try:
        return words[value.strip().lower()]
    except KeyError:
        raise ValueError("give true or false") from None


def _names(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _targets(value: str) -> list[str]:
    names = _names(value)
    addresses.read(names)
    return names


def _ranges(value: str) -> list[str]:
    names = _names(value)
    for name in names:
        try:
            ip_network(name)
        except ValueError:
            raise ValueError(f"give addresses and ranges such as 10.0.0.0/8, not {name!r}") from None
    return names


def _positive(value: str) -> int:
    number = int(value) if value.strip().isdigit() else 0
    if number < 1:
        raise ValueError("give a whole number of at least 1")
    return number


def _count(value: str) -> int:
    if not value.strip().isdigit():
        raise ValueError("give a whole number, 0 or more")
    return int(value)


def _share(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise ValueError("give a number from 0 to 1") from None
    if not 0 <= number <= 1:
        raise ValueError("give a number from 0 to 1")
    return number


def _level(value: str) -> str:
    if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ValueError("give DEBUG, INFO, WARNING or ERROR")
    return value.upper()


def _zone(value: str) -> str:
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("give a time zone by its name, for example Europe/Berlin") from None


def _commands(value: str) -> dict[str, list[str]]:
    """A table of command lines: nothing else that Orchestra is told can name a program."""
    example = 'give a JSON table of names and their words, for example {"worker": ["python3", "worker.py"]}'
    try:
        table = json.loads(value or "{}")
    except json.JSONDecodeError as error:
        raise ValueError(f"{example}; it is not JSON at character {error.pos + 1}") from None
    if not isinstance(table, dict):
        raise ValueError(example)  # noqa: TRY004  what a setting's reader raises
    for name, words in table.items():
        if not _COMMAND.fullmatch(name):
            raise ValueError(f"{name!r} is not a name; use up to 50 small letters, digits, dots, - and _")
        if not isinstance(words, list) or not words or not all(isinstance(word, str) and word for word in words):
            raise ValueError(f"{name!r} must be a list of words: the program, then its arguments")
    return table


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value and urlsplit(value).scheme not in schemes:
            raise ValueError(f"give an address that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return value

    return parse


_COMMAND = re.compile(r"[a-z0-9][a-z0-9_.-]{0,49}")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its value when it is not given, how its text is read, and what it is for."""

    default: str
    parse: Callable[[str], Any]
    purpose: str


SETTINGS: Mapping[str, Setting] = {
    "SECRET_KEY": Setting("", _text, "Signs sessions and forms; the set-up generates it. Keep it secret."),
    "ENCRYPTION_KEYS": Setting("", _names, "Fernet keys for stored secrets, newest first; `rotate_keys` re-encrypts."),
    "DEBUG": Setting("false", _flag, "Shows errors in full to everyone. Never in production."),
    "DATABASE_URL": Setting("", _url("sqlite", "postgres", "postgresql"), "The database; SQLite in data/ by default."),
    "REDIS_URL": Setting(
        "", _url("redis", "rediss", "unix"), "Redis as doorbell, broker and channel layer; none by default."
    ),
    "ALLOWED_HOSTS": Setting("localhost,127.0.0.1,[::1]", _names, "Host names that the pages are served under."),
    "CSRF_TRUSTED_ORIGINS": Setting("", _names, "Origins with scheme that forms may come from, behind a TLS proxy."),
    "HTTPS": Setting(
        "false", _flag, "True behind a TLS proxy: secure cookies, HSTS, and its scheme header is believed."
    ),
    "PROXY_COUNT": Setting(
        "0", _count, "How many proxies stand in front; their addresses are skipped in the audit trail."
    ),
    "EMAIL_URL": Setting(
        "", _url("smtp", "smtps", "smtp+tls", "file", "console"), "Outgoing mail; a folder by default."
    ),
    "EMAIL_FROM": Setting("Orchestra <orchestra@example.com>", _text, "The sender of replies and notices."),
    "PUBLIC_URL": Setting(
        "", _url("http", "https"), "Where people reach the pages; links in notifications begin with it."
    ),
    "OPENAI_BASE_URL": Setting(
        "", _url("http", "https"), "The OpenAI-compatible server of language models that name none of their own."
    ),
    "OPENAI_API_KEY": Setting("", _text, "Its key; it goes to no other server."),
    "OPENAI_MODEL": Setting("", _text, "The model of agents that name none of their own."),
    "OUTGOING_ALLOWED": Setting(
        "",
        _targets,
        "Hosts, addresses and ranges (10.0.0.0/8) that agents may be called at although they are not public.",
    ),
    "METRICS_OPEN_TO": Setting(
        "127.0.0.1/32,::1/128",
        _ranges,
        "Addresses and ranges that may read /metrics without a token; behind a proxy PROXY_COUNT must be right.",
    ),
    "DATA_DIR": Setting("data", _text, "Folder of the SQLite database, mail and exports."),
    "TIME_ZONE": Setting("UTC", _zone, "Time zone of pages and business hours."),
    "LOG_LEVEL": Setting("INFO", _level, "DEBUG, INFO, WARNING or ERROR."),
    "EXECUTORS": Setting("0", _count, "Executors on this host; 0 means one on SQLite, two on PostgreSQL."),
    "EXECUTOR_SLOTS": Setting("4000", _positive, "Calls in flight at a time in one executor."),
    "LEASE_S": Setting("15", _positive, "Seconds after which work of a dead executor is given to another."),
    "COMMANDS": Setting(
        "",
        _commands,
        "Programs that process agents and launchers of pools may name: a JSON table of names and lists of words.",
    ),
    "RESOURCE_LEASE_S": Setting(
        "60", _positive, "Seconds after which what a holder left behind is free again; renewed while its run lives."
    ),
    "MONITORING": Setting("true", _flag, "Collect metrics every 30 s, watch thresholds, notify people and advise."),
    "RUN_RETENTION_DAYS": Setting(
        "365", _count, "Days after their end that runs are kept; 0 keeps them for ever. The audit trail always stays."
    ),
    "REVIEW_LEASE_S": Setting(
        "900", _positive, "Seconds that a claimed inquiry stays with its reviewer without a keystroke."
    ),
    "SCORE_MATCH": Setting("0.4", _share, "Weight of the capability match in the choice of an agent."),
    "SCORE_SUCCESS": Setting("0.3", _share, "Weight of the success rate."),
    "SCORE_SPEED": Setting("0.2", _share, "Weight of the speed."),
    "SCORE_AVAILABILITY": Setting("0.1", _share, "Weight of free slots."),
    "ALLOCATION_TIME_LIMIT_S": Setting("10", _positive, "Seconds after which a plan is taken as it is by then."),
}


def read(root: Path, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Every setting's value: environment first, then ``.env`` under ``root``, then the default.

    Raises :class:`ImproperlyConfigured` with all faults in one message.
    """
    given, faults = _given(root, environment)
    values: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        try:
            values[name] = setting.parse(given.get(name, setting.default))
        except ValueError as fault:
            faults.append(f"{name}: {fault}.")
    faults += _contradictions(values)
    if faults:
        raise ImproperlyConfigured("The settings need mending. " + " ".join(faults))
    return values


def _given(root: Path, environment: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    faults: list[str] = []
    from_file: dict[str, str] = {}
    if (root / ".env").exists():

        class FileOnly(environ.Env):
            ENVIRON = from_file  # read_env writes there; by default into this process's environment

        FileOnly.read_env(root / ".env", overwrite=True)
        unknown = sorted(from_file.keys() - SETTINGS.keys())
        faults = [f"{name} in .env is not a setting; docs/deployment.md lists them all." for name in unknown]
    return from_file | {name: environment[name] for name in SETTINGS if name in environment}, faults


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    faults = []
    weights: list[Any] = [values.get(f"SCORE_{part}") for part in ("MATCH", "SUCCESS", "SPEED", "AVAILABILITY")]
    if None not in weights and abs(sum(weights) - 1) > 1e-6:
        faults.append("SCORE_MATCH, SCORE_SUCCESS, SCORE_SPEED and SCORE_AVAILABILITY must add up to 1.")
    if not values.get("SECRET_KEY"):
        faults.append("SECRET_KEY is missing: run `make setup`, which writes one into .env.")
    if not values.get("ENCRYPTION_KEYS"):
        faults.append("ENCRYPTION_KEYS is missing: run `make setup`, which writes one into .env.")
    return faults


def database(url: str, data: Path) -> dict[str, Any]:
    """Django's settings of the database behind ``url``, or of the SQLite file in ``data`` if it is empty."""
    if not url:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(data / "orchestra.sqlite3")}
    return dict(environ.Env.db_url_config(url.replace("postgresql://", "postgres://", 1)))


def broker(url: str, *, is_worker: bool) -> dict[str, Any]:
    """django-q2's settings of the broker: Redis, or the database if ``url`` is empty.

    A worker that fetches messages sits a restart of Redis out (for 4 s); whoever sends one does not wait for that.
    """
    if not url:
        return {"orm": "default"}
    retry = Retry(ExponentialBackoff(base=0.05, cap=0.5), 10) if is_worker else Retry(NoBackoff(), 1)
    return {"redis": {"connection_pool": ConnectionPool.from_url(url, socket_connect_timeout=1, retry=retry)}}


def channel_layers(url: str, database_name: str) -> dict[str, Any]:
    """Channels' settings: Redis, or no layer at all if ``url`` is empty. Its channels know no database numbers."""
    if not url:
        return {}
    host = {"address": url, "socket_connect_timeout": 1, "retry": AsyncRetry(NoBackoff(), 0)}
    config = {"hosts": [host], "prefix": f"orchestra:{database_name}:"}
    return {"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": config}}


def mail(url: str, data: Path) -> dict[str, Any]:
    """Django's mail settings behind ``url``, or a folder of files under ``data`` if it is empty."""
    if not url:
        return {
            "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "EMAIL_FILE_PATH": str(data / "mail"),
        }
    if url.startswith("file://"):
        path = urlsplit(url).path
        return {"EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend", "EMAIL_FILE_PATH": path}
    return dict(
        environ.Env.email_url_config(
            url.replace("console://", "consolemail://", 1).replace("smtps://", "smtp+ssl://", 1)
        )
    )
