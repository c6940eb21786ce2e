"""Calls to other servers: an HTTP client that resolves a name once and connects to that address, if it is a public one.

The transport guards, so whoever is handed the client is guarded: agents, the models' client, channels. Addresses that
are not public must be listed in OUTGOING_ALLOWED. Proxies, certificates and passwords from the environment are ignored.
The total time is the caller's affair: ``asyncio.timeout``.
"""

import asyncio
import http.cookiejar
import ssl
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing, suppress
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpcore2
import httpx2
from django.conf import settings

from orchestra.kernel import addresses, resolver
from orchestra.kernel.addresses import Address, Allowed

BODY_LIMIT = 1024 * 1024
CONNECT_S = 10.0
ATTEMPT_S = 3.0
"""What one address of a name may take if there is another one."""
MAX_REDIRECTS = 5
KEPT_ALIVE = 100
KEPT_ALIVE_S = 30.0
CHUNK = 64 * 1024
ENCODINGS: Mapping[str, int] = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
CARRIED = frozenset({"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent"})
"""The headers that a redirect to another origin keeps; all others may be credentials."""
FIRST_HOP = "orchestra.first_hop"


class OutgoingError(httpx2.TransportError):
    """A call that was not made or whose answer was not taken: a sentence for an operator; a retry does not help."""


class ForbiddenAddress(OutgoingError):
    """The address is not public and not listed."""


class ForbiddenRedirect(OutgoingError):
    """The redirect would lose the call, or its encryption."""


class AnswerTooLarge(OutgoingError):
    """The body is larger than the limit, as sent or once decompressed."""


class UnreadableAnswer(OutgoingError):
    """The body is not what its Content-Encoding says."""


def allowed() -> Allowed:
    """What the settings list: OUTGOING_ALLOWED, and the host of OPENAI_BASE_URL."""
    return _allowed(tuple(settings.OUTGOING_ALLOWED), settings.OPENAI_BASE_URL)


def fault_of(url: str) -> str:
    """Why a call to ``url`` would be refused, as far as can be told without asking a name server; or nothing."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL):
        return "This is not an address; give one such as https://agent.example/call."
    if parts.scheme not in ("http", "https") or not host:
        return "Give an address that begins with http:// or https:// and names a host."
    if parts.username is not None or parts.password is not None:
        return "Leave name and password out of the address; everyone who may see it would see them."
    return addresses.fault_of_host(host, allowed())


def client(limit: int = BODY_LIMIT) -> httpx2.AsyncClient:
    """The client of the running event loop whose answers may have ``limit`` bytes; closed with the loop, never by you.

    It follows at most :data:`MAX_REDIRECTS` redirects, keeps no cookies, and sets no limit to the time of an answer.
    """
    of_loop = _CLIENTS.setdefault(asyncio.get_running_loop(), {})
    if limit not in of_loop:
        made = _new_client(GuardedTransport(limit))
        of_loop[limit] = made, _closed_with(asyncio.get_running_loop(), made)
    return of_loop[limit][0]


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """What carries the requests; ``verify`` is for tests with certificates of their own."""

    def __init__(self, limit: int = BODY_LIMIT, *, verify: ssl.SSLContext | None = None) -> None:
        self.limit = limit
        context = verify or _trusted()
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(  # the one that it made asks names again for every connection
            ssl_context=context,
            max_connections=None,  # agents have slots of their own
            max_keepalive_connections=KEPT_ALIVE,
            keepalive_expiry=KEPT_ALIVE_S,
            network_backend=GuardedNetwork(),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        _check_hop(request)
        request.headers["Accept-Encoding"] = "gzip, deflate"
        response = await super().handle_async_request(request)
        response.stream = _Bounded(response, self.limit, request.url.host)
        if "Content-Encoding" in response.headers:
            del response.headers["Content-Encoding"]
            response.headers.pop("Content-Length", None)
        return response


class GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """Connects: asks for the name once, and goes to an address that may be called, to no other."""

    def __init__(self) -> None:
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the backend's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            with anyio.fail_after(timeout):
                return await self._connect(host, port)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(f"{host} did not answer within {timeout:g} s.") from error

    async def _connect(self, host: str, port: int) -> httpcore2.AsyncNetworkStream:
        failure = httpcore2.ConnectError(f"The name {host} has no address.")
        permitted = _permitted(host, await _resolved(host))
        for address in permitted:
            patience_s = ATTEMPT_S if address is not permitted[-1] else None
            try:
                return await self._network.connect_tcp(str(address), port, patience_s)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                failure = httpcore2.ConnectError(f"Nothing takes calls at {address} port {port}, which is {host}.")
        raise failure


class _Bounded(httpx2.AsyncByteStream):
    """A body that ends with an error where it grows beyond the limit, decompressed here, so that bombs stay small."""

    def __init__(self, response: httpx2.Response, limit: int, host: str) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        self._stream, self._limit, self._host = response.stream, limit, host
        self._encoding = response.headers.get("Content-Encoding", "identity").strip().lower()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async with aclosing(self._decoded()) as parts:
            async for part in parts:
                size += len(part)
                if size > self._limit:
                    raise self._too_large()
                yield part

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def _decoded(self) -> AsyncGenerator[bytes, None]:
        if self._encoding in ("", "identity"):
            async for part in self._stream:
                yield part
            return
        if self._encoding not in ENCODINGS:
            raise UnreadableAnswer(f"{self._host} answered in the encoding {self._encoding[:40]!r}; send it as it is.")
        decoder, received = zlib.decompressobj(ENCODINGS[self._encoding]), 0
        async for part in self._stream:
            received += len(part)
            if received > self._limit:
                raise self._too_large()
            for piece in self._inflated(decoder, part):
                yield piece
                await asyncio.sleep(0)  # nothing is waited for between two, and others want their turn
        if not decoder.eof and received:
            raise UnreadableAnswer(f"The compressed answer of {self._host} broke off.")

    def _inflated(self, decoder: Any, part: bytes) -> Iterable[bytes]:
        try:
            while part and not decoder.eof:
                yield decoder.decompress(part, CHUNK)
                part = decoder.unconsumed_tail
        except zlib.error as error:
            raise UnreadableAnswer(f"The answer of {self._host} is not {self._encoding}: {error}") from error

    def _too_large(self) -> AnswerTooLarge:
        return AnswerTooLarge(f"The answer of {self._host} is larger than {self._limit / 1024 / 1024:g} MB.")


def _check_hop(request: httpx2.Request) -> None:
    """Refuse what may not be called, and leave credentials behind where a redirect leads to another origin.

    A redirect's request carries the extensions of the one before, by which the first hop is known.
    """
    if request.url.scheme not in ("http", "https"):
        raise OutgoingError(f"Only http and https are called, not {request.url.scheme}.")
    origin, method = request.url.origin, request.method
    first, first_method = request.extensions.setdefault(FIRST_HOP, (origin, method))
    if method != first_method:
        raise ForbiddenRedirect(f"{first.host} redirects in a way that loses the call; let it answer with 307 or 308.")
    if origin == first:
        return
    if first.scheme == "https" and origin.scheme != "https":
        raise ForbiddenRedirect(f"{first.host} redirects to {origin}, without encryption; give an https address.")
    for name in set(request.headers) - CARRIED:
        del request.headers[name]


async def _resolved(host: str) -> list[Address]:
    if (known := addresses.literal(host)) is not None:
        return [known]
    try:
        return await resolver.addresses_of(host)
    except (OSError, ValueError) as error:
        raise httpcore2.ConnectError(f"The name {host} cannot be resolved: {error}") from error


def _permitted(host: str, found: list[Address]) -> list[Address]:
    permitted = [address for address in found if allowed().permits(host, address)]
    if found and not permitted:
        raise ForbiddenAddress(addresses.refusal(host, found[0]))
    return permitted


@lru_cache(maxsize=8)
def _allowed(listed: tuple[str, ...], model_url: str) -> Allowed:
    model_host = urlsplit(model_url).hostname
    return addresses.read([*listed, *([model_host] if model_host else [])])


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """The authorities that this machine trusts; read once, since that takes tens of milliseconds."""
    return httpx2.create_ssl_context(trust_env=False)


_Kept = tuple[httpx2.AsyncClient, AsyncGenerator[None, None]]
_CLIENTS: dict[asyncio.AbstractEventLoop, dict[int, _Kept]] = {}


def _new_client(transport: GuardedTransport) -> httpx2.AsyncClient:
    no_cookies = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    return httpx2.AsyncClient(
        transport=transport,
        trust_env=False,
        headers={"User-Agent": "Orchestra"},
        cookies=no_cookies,  # the client is shared: what one agent sets is no other's business
        follow_redirects=True,
        max_redirects=MAX_REDIRECTS,
        timeout=httpx2.Timeout(None, connect=CONNECT_S),
    )


def _closed_with(loop: asyncio.AbstractEventLoop, made: httpx2.AsyncClient) -> AsyncGenerator[None, None]:
    """Begin a generator that closes the client when it is closed: ``asyncio.run`` closes those begun in its loop."""

    async def waiting() -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            _CLIENTS.pop(loop, None)
            await made.aclose()

    generator = waiting()
    with suppress(StopIteration):
        generator.__anext__().send(None)
    return generator
