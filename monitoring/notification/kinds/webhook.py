"""A signed webhook: each notification is a POST of JSON, as docs/notifications.md describes.

Many services hand out an address that holds its key, so it is a secret: only scheme and host are shown.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2

from agents.kinds.protocol import retry_after
from monitoring.notification.kinds.base import TRY_S, Undelivered, without_keys
from monitoring.notification.letters import Letter
from orchestra.kernel import outgoing
from orchestra.kernel.errors import FieldError
from orchestra.kernel.signing import HEADER_VALUE, authorisation, signature

AGAIN = frozenset({408, 425, 429})
"""Answers of 4xx that are not about the call itself."""
OURS = frozenset({"content-length", "content-type", "host", "idempotency-key", "transfer-encoding", "connection"})
SHOWN = 300


class WebhookKind:
    """The address is all that it needs; who is called recognises us by the signature or an authorisation."""

    about = "A POST of JSON to an address, signed if a key is set."
    schema: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
    secrets: Mapping[str, str] = {
        "url": "Each notification is sent to it by POST, such as https://hooks.example/orchestra; its host is shown.",
        "signing_key": "Signs each call (HMAC-SHA256), so that the receiver knows that it is ours.",
        "authorization": "The Authorization header, such as “Bearer …”; or another header, such as “X-API-Key: …”.",
    }

    def faults(self, config: Mapping[str, Any], secrets: Mapping[str, str]) -> list[FieldError]:
        if config:
            return [{"path": "config", "message": "It has no settings; its address is the secret “url”."}]
        faults: list[FieldError] = []
        if fault := outgoing.fault_of(secrets.get("url", "")):
            faults.append({"path": "secrets.url", "message": fault})
        if given := secrets.get("authorization"):
            name, value = authorisation(given)
            if name.lower() in OURS or name.lower().startswith("x-orchestra-"):
                said = f"The header {name} is set by each call itself; name another."
                faults.append({"path": "secrets.authorization", "message": said})
            elif not HEADER_VALUE.fullmatch(value):
                said = "A header's value is one line of plain letters, digits and signs."
                faults.append({"path": "secrets.authorization", "message": said})
        return faults

    def send(self, config: Mapping[str, Any], secrets: Mapping[str, str], letter: Letter) -> str:
        url = secrets.get("url", "")
        if fault := outgoing.fault_of(url):
            raise Undelivered(fault, retryable=False)
        body = json.dumps(content(letter), ensure_ascii=False).encode()
        try:
            return asyncio.run(_post(url, body, _headers(secrets, letter, body)))
        except TimeoutError as error:
            raise Undelivered(f"It did not answer within {TRY_S:g} s.") from error
        except outgoing.OutgoingError as error:
            raise Undelivered(str(error), retryable=False) from error
        except httpx2.TooManyRedirects as error:
            said = f"It redirects more than {outgoing.MAX_REDIRECTS} times; give the last address."
            raise Undelivered(said, retryable=False) from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Undelivered(str(error) or f"The connection broke off: {type(error).__name__}.") from error


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, without anything secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…" if parts.netloc else ""


def content(letter: Letter) -> dict[str, Any]:
    """What the receiver reads."""
    return {
        "id": letter.key,
        "number": letter.number,
        "kind": letter.kind,
        "subject": letter.subject,
        "text": letter.text,
        "at": letter.at and letter.at.isoformat(),
        "alerts": list(letter.alerts),
    }


def _headers(secrets: Mapping[str, str], letter: Letter, body: bytes) -> dict[str, str]:
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Idempotency-Key": letter.key,
        "X-Orchestra-Timestamp": str(int(time.time())),
    }
    if key := secrets.get("signing_key"):
        headers["X-Orchestra-Signature"] = signature(key, headers["X-Orchestra-Timestamp"], body)
    if given := secrets.get("authorization"):
        name, value = authorisation(given)
        headers[name] = value
    return headers


async def _post(url: str, body: bytes, headers: Mapping[str, str]) -> str:
    async with asyncio.timeout(TRY_S), outgoing.client().stream("POST", url, content=body, headers=headers) as response:
        status = f"{response.status_code} {response.reason_phrase}".rstrip()
        if response.is_success:
            return f"It answered with {status}."
        said = f"It answered with {status}{await _start_of(response, url)}"
        code = response.status_code
        lasting = code < 500 and code not in AGAIN
        raise Undelivered(said, retryable=not lasting, after_s=retry_after(response.headers.get("Retry-After", "")))


async def _start_of(response: httpx2.Response, url: str) -> str:
    """What the body of an error says, if it is whole; the status says enough without. Some repeat what was called."""
    try:
        text = " ".join((await response.aread()).decode(errors="replace").split())
    except httpx2.HTTPError:
        text = ""
    called = urlsplit(url)
    text = without_keys(text, f"{called.path}?{called.query}")
    return f": {text[:SHOWN]}" if text else "."
