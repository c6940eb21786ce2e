"""Slack, Teams, Discord and others, by the library apprise: one address says which, and holds its keys.

Only services that are listed here may be named: apprise also knows how to write files, run commands and call any
address. Where the address names a server, its name is looked up right before each call, and must lead to an address
that may be called; between that look and the call it could change, which a name server under foreign control could use.
Redirects are not followed.
"""

import io
import logging
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from monitoring.models import NotificationKind
from monitoring.notification.kinds.base import TRY_S, Undelivered, within, without_keys
from monitoring.notification.letters import Letter
from orchestra.kernel import addresses, outgoing
from orchestra.kernel.errors import FieldError

FIXED: Mapping[str, str] = {
    "discord": "Discord",
    "gchat": "Google Chat",
    "incidentio": "incident.io",
    "opsgenie": "Opsgenie",
    "pagerduty": "PagerDuty",
    "pbul": "Pushbullet",
    "pover": "Pushover",
    "slack": "Slack",
    "squadcast": "Squadcast",
    "tgram": "Telegram",
    "twist": "Twist",
    "webex": "Webex",
    "zulip": "Zulip",
}
"""Services at addresses of their own."""
HOSTED: Mapping[str, str] = {
    "gotify": "Gotify",
    "gotifys": "Gotify",
    "matrix": "Matrix",
    "matrixs": "Matrix",
    "mmost": "Mattermost",
    "mmosts": "Mattermost",
    "ntfy": "ntfy",
    "ntfys": "ntfy",
    "rocket": "Rocket.Chat",
    "rockets": "Rocket.Chat",
    "workflows": "Microsoft Teams",
}
"""Services at the address that is given."""
PARAMETERS = frozenset(
    {"channel", "entity", "fields", "footer", "format", "from", "image", "mode", "msgtype", "overflow", "priority"}
    | {"region", "sound", "stream", "tags", "thread", "title", "to", "topic", "ts", "tts", "type", "ver", "version"}
)
"""What may follow the question mark: nothing that names a file, an address or how to connect."""
URGENT = (NotificationKind.FIRING, NotificationKind.REPEAT, NotificationKind.ESCALATION, NotificationKind.REMINDER)


class AppriseKind:
    """One address with its keys is all there is to it; as it is a secret, only the service's name is shown."""

    about = (
        "Slack, Teams, Discord, Telegram, PagerDuty, Mattermost, ntfy and others, each by one address with its keys."
    )
    schema: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
    secrets: Mapping[str, str] = {
        "url": "The address as apprise writes it, such as slack://TokenA/TokenB/TokenC/#alerts or ntfys://host/topic.",
    }

    def faults(self, config: Mapping[str, Any], secrets: Mapping[str, str]) -> list[FieldError]:
        if config:
            return [{"path": "config", "message": "It has no settings; everything is in the secret “url”."}]
        fault = fault_of(secrets.get("url", ""))
        return [{"path": "secrets.url", "message": fault}] if fault else []

    def send(self, config: Mapping[str, Any], secrets: Mapping[str, str], letter: Letter) -> str:
        url = secrets.get("url", "")
        if fault := fault_of(url):
            raise Undelivered(fault, retryable=False)
        service = name_of(url)
        within(TRY_S, lambda: _send(url, letter), service)
        return f"{service} took it."


def name_of(url: str) -> str:
    """The service that an address is of, without anything secret."""
    scheme = url.partition("://")[0].lower()
    return FIXED.get(scheme) or HOSTED.get(scheme) or "an unknown service"


def fault_of(url: str) -> str:
    """Why an address is refused, as far as can be told without asking a name server; or nothing."""
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    if scheme not in {*FIXED, *HOSTED}:
        known = ", ".join(f"{one}://" for one in sorted({*FIXED, *HOSTED}))
        return f"Give the address of one of these services: {known}; for anything else use a signed webhook."
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return "This is not an address; compare it with the service's page at appriseit.com."
    for name in _parameters(url):
        if name.lower() not in PARAMETERS:
            return f"Leave the parameter {name[:50]} out; only {', '.join(sorted(PARAMETERS))} are taken."
    if scheme == "zulip" and "." in host:
        return "Give the name of the organisation at zulipchat.com only; other servers are not called."
    if scheme in HOSTED and (fault := addresses.fault_of_host(host, outgoing.allowed())):
        return fault
    return "" if _instance(url) is not None else "The service does not take this address; compare it with its page."


def _parameters(url: str) -> list[str]:
    """The names of what follows the question mark; apprise reads them after a # as well, and parts them at a ; too."""
    query = url.partition("?")[2].replace(";", "&")
    return [name for name, _ in parse_qsl(query, keep_blank_values=True)]


def _instance(url: str) -> Any:
    """The service, as apprise makes it. What it says of an address that it refuses holds the address, with its keys."""
    import apprise

    asset = apprise.AppriseAsset(
        http_redirects=False, app_id="Orchestra", app_desc="Orchestra", plugin_paths=[], storage_mode="memory"
    )
    return apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)


def _send(url: str, letter: Letter) -> None:
    import apprise

    service = _instance(url)
    if service is None:
        raise Undelivered("The service does not take this address; give it anew.", retryable=False)
    if url.partition("://")[0].lower() in HOSTED and getattr(service, "mode", "") not in ("cloud", "t2bot"):
        _check_host(service.host)
    if hasattr(service, "discovery"):
        service.discovery = False  # it would ask the server for another address
    kind = apprise.NotifyType.FAILURE if letter.kind in URGENT else apprise.NotifyType.INFO
    with _Heard() as heard:
        took = service.notify(body=letter.text, title=letter.subject, notify_type=kind)
    if not took:
        raise Undelivered(f"{name_of(url)} did not take it{without_keys(heard.said, url.partition('://')[2])}")


def _check_host(host: str) -> None:
    """Raise :class:`Undelivered` unless every address of the host may be called."""
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Undelivered(f"The name {host} cannot be resolved: {error}") from error
    for entry in entries:
        address = ip_address(str(entry[4][0]).partition("%")[0])
        if not outgoing.allowed().permits(host, address):
            raise Undelivered(addresses.refusal(host, address), retryable=False)


class _Heard:
    """What apprise says in its log while it sends: the only place where it says why it failed."""

    def __enter__(self) -> Self:
        self._text = io.StringIO()
        self._handler = logging.StreamHandler(self._text)
        self._handler.setLevel(logging.WARNING)
        logging.getLogger("apprise").addHandler(self._handler)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self._handler)

    @property
    def said(self) -> str:
        lines = self._text.getvalue().strip().splitlines()
        return f": {lines[0][:300]}" if lines else "; it does not say why."
