"""Services elsewhere: each call is a POST of JSON, signed if a key is set, as docs/agent-protocol.md describes."""

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2

from agents.kinds import protocol
from agents.kinds.base import ConfigFault, fault_of_address, faults_of_schema
from agents.outcomes import AgentError, Call, Failed, Fault, Outcome
from orchestra.kernel import outgoing, secrets
from orchestra.kernel.signing import HEADER_VALUE, authorisation, signature

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
OURS = frozenset(
    {"accept-encoding", "connection", "content-length", "content-type", "cookie", "host", "idempotency-key"}
    | {"proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"}
)
AGAIN = frozenset({408, 425, 429})
"""Answers of 4xx that are not about the call itself."""
REASON_LIMIT = 300


class HttpKind:
    """Configuration: the address, headers that are no secret, and options that each call brings along."""

    schema: Mapping[str, Any] = {
        "type": "object",
        "properties": {
            "url": {
                "type": "string",
                "format": "uri",
                "maxLength": 2000,
                "title": "Address",
                "description": "Calls are sent to it by POST, for example https://agent.example/call.",
            },
            "headers": {
                "type": "object",
                "title": "Headers",
                "description": "Sent with each call, and shown to everyone: nothing secret.",
                "additionalProperties": {"type": "string", "maxLength": 1000},
                "maxProperties": 50,
            },
            "options": {
                "type": "object",
                "title": "Options",
                "description": 'The agent reads them in each call, under "config".',
            },
        },
        "required": ["url"],
        "additionalProperties": False,
    }
    secrets: Mapping[str, str] = {
        "signing_key": "Signs each call (HMAC-SHA256), so that the agent knows that it is ours.",
        "authorization": "The Authorization header, such as “Bearer …”; or another header, such as “X-API-Key: …”.",
    }

    def faults(self, config: Mapping[str, Any]) -> list[ConfigFault]:
        faults = faults_of_schema(self.schema, config)
        if faults:
            return faults
        if fault := fault_of_address(config["url"], "authorization"):
            faults.append(ConfigFault("config.url", fault))
        return faults + list(_faults_of_headers(config.get("headers", {})))

    async def perform(self, config: Mapping[str, Any], call: Call) -> Outcome:
        body = protocol.encode(protocol.message(call))
        try:
            async with outgoing.client().stream(
                "POST", config["url"], content=body, headers=_headers(config, call, body)
            ) as response:
                return await _outcome(response)
        except outgoing.OutgoingError as error:
            return protocol.broken(str(error))
        except httpx2.ConnectTimeout as error:
            return Failed(str(error), fault=Fault.TIMEOUT)
        except httpx2.TooManyRedirects:
            return protocol.broken(f"It redirects more than {outgoing.MAX_REDIRECTS} times; give the last address.")
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return Failed(_broken_off(error))


def _faults_of_headers(headers: Mapping[str, str]) -> Iterator[ConfigFault]:
    for name, value in headers.items():
        path = f"config.headers.{name}"
        if not HEADER_NAME.fullmatch(name):
            yield ConfigFault(path, "This is not the name of a header; use letters, digits and hyphens.")
        elif _is_ours(name):
            yield ConfigFault(path, "It is set by each call itself; leave it out.")
        elif secrets.is_secret(name.replace("-", "_")):
            yield ConfigFault(path, "It holds a secret; give it as the secret “authorization” instead.")
        elif not HEADER_VALUE.fullmatch(value):
            yield ConfigFault(path, "A header's value is one line of plain letters, digits and signs.")


def _is_ours(name: str) -> bool:
    """Whether a header of this name is ours to set, or nobody's: it would change what is called, or what is signed."""
    return name.lower() in OURS or name.lower().startswith("x-orchestra-")


def _headers(config: Mapping[str, Any], call: Call, body: bytes) -> dict[str, str]:
    headers = {
        **config.get("headers", {}),
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Idempotency-Key": call.key,
        "X-Orchestra-Timestamp": str(int(time.time())),
    }
    if key := call.secrets.get("signing_key"):
        headers["X-Orchestra-Signature"] = signature(key, headers["X-Orchestra-Timestamp"], body)
    if given := call.secrets.get("authorization"):
        name, value = authorisation(given)
        if _is_ours(name):
            said = f"The secret “authorization” names the header {name}, which each call sets itself; name another."
            raise AgentError(said, retryable=False)
        if not HEADER_VALUE.fullmatch(value):
            said = "The secret “authorization” holds characters that no header may; set it anew."
            raise AgentError(said, retryable=False)
        headers[name] = value
    return headers


async def _outcome(response: httpx2.Response) -> Outcome:
    if not response.is_success:
        return await _refused(response)
    try:
        answer = protocol.read(await response.aread())
    except ValueError as error:
        return protocol.broken(str(error))
    return protocol.outcome_of(answer, bare=True)


async def _refused(response: httpx2.Response) -> Failed:
    """Any answer but 2xx: 4xx is the caller's fault and stays so, 5xx the agent's and may pass."""
    status = response.status_code
    said = f"It answered with {status} {response.reason_phrase}".rstrip() + _reason(await _start_of(response))
    wait_s = protocol.retry_after(response.headers.get("Retry-After", ""))
    if 400 <= status < 500:
        return Failed(said, retryable=status in AGAIN, fault=Fault.CALLER, retry_after_s=wait_s)
    return Failed(said, retryable=status >= 500, fault=Fault.AGENT, retry_after_s=wait_s)


async def _start_of(response: httpx2.Response) -> bytes:
    """What an error's body holds, if it is short and whole; the status says enough without."""
    try:
        return await response.aread()
    except httpx2.HTTPError:
        return b""


def _reason(body: bytes) -> str:
    """What the body says in words: ours, or that of RFC 9457 and others alike."""
    try:
        told = protocol.read(body)
    except ValueError:
        return "."
    for name in ("error", "detail", "message", "title"):
        if isinstance(told, Mapping) and isinstance(told.get(name), str) and told[name].strip():
            return f": {told[name].strip()[:REASON_LIMIT]}"
    return "."


def _broken_off(error: httpx2.HTTPError | httpx2.InvalidURL) -> str:
    if isinstance(error, httpx2.ConnectError):
        return str(error) or "It could not be reached."
    return f"The connection broke off: {str(error) or type(error).__name__}."
