"""Calls to other servers, against real ones on loopback: what is refused, what is carried along, what is read."""

import asyncio
import gzip
import socket
import ssl
import zlib
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from orchestra.kernel import outgoing
from tests.agents.kinds.serving import Server, send

WITHIN_S = 30


@pytest.fixture
def listed(settings):
    settings.OUTGOING_ALLOWED = ["127.0.0.1"]


@pytest.fixture
def names(monkeypatch):
    """``names["agent.example"] = ["127.0.0.1"]``: what the system's resolver answers, and how often it was asked."""
    known, real = {}, socket.getaddrinfo

    def resolve(host, port, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        if name in known:
            answers = known[name].pop(0) if isinstance(known[name][0], list) else known[name]
            return [entry for address in answers for entry in real(address, port, *args, **kwargs)]
        return real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


async def echo(request, writer):
    send(writer, {"path": request.path, "headers": dict(request.headers), "body": request.body.decode()})


def server_of(pages):
    """A server that answers by path with status and headers, and echoes the rest."""

    async def answer(request, writer):
        if request.path in pages:
            status, headers = pages[request.path]
            send(writer, b"", status, **headers)
        else:
            await echo(request, writer)

    return Server(answer)


async def post(url, **more):
    async with asyncio.timeout(WITHIN_S):
        return await outgoing.client().post(url, json={"a": 1}, **more)


class TestAddresses:
    async def test_an_address_that_is_not_public_is_not_called(self, settings):
        settings.OUTGOING_ALLOWED = []
        async with Server(echo) as server:
            with pytest.raises(outgoing.ForbiddenAddress, match=r"127.0.0.1 is not a public address"):
                await post(server.url)

        assert server.connections == 0

    @pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.0/8"])
    async def test_one_that_is_listed_is_called(self, settings, entry):
        settings.OUTGOING_ALLOWED = [entry]
        async with Server(echo) as server:
            assert (await post(server.url)).status_code == 200

    async def test_the_models_host_counts_as_listed(self, settings):
        async with Server(echo) as server:
            settings.OUTGOING_ALLOWED, settings.OPENAI_BASE_URL = [], f"{server.url}/v1"

            assert (await post(server.url)).status_code == 200

    async def test_a_name_that_resolves_to_a_forbidden_address_is_not_called(self, names):
        names["agent.example"] = ["127.0.0.1"]
        async with Server(echo) as server:
            with pytest.raises(outgoing.ForbiddenAddress, match=r"127.0.0.1, the address of agent.example, is not"):
                await post(f"http://agent.example:{server.port}/")

        assert server.connections == 0

    async def test_a_name_is_asked_for_once_and_that_very_address_is_called(self, names, settings):
        """A name server that changes its answer between the look and the call changes nothing."""
        settings.OUTGOING_ALLOWED = ["127.0.0.2"]
        names["agent.example"] = [["127.0.0.2"], ["127.0.0.1"], ["127.0.0.1"]]
        async with Server(echo, host="127.0.0.2") as right, Server(echo, port=right.port) as wrong:
            answer = await post(f"http://agent.example:{right.port}/")

        assert answer.json()["headers"]["host"] == f"agent.example:{right.port}"
        assert (right.connections, wrong.connections, len(names["agent.example"])) == (1, 0, 2)

    async def test_of_several_addresses_only_those_that_are_allowed_are_tried(self, names, settings):
        settings.OUTGOING_ALLOWED = ["127.0.0.2", "127.0.0.3"]
        names["agent.example"] = ["127.0.0.1", "127.0.0.3", "127.0.0.2"]
        async with Server(echo, host="127.0.0.2") as right, Server(echo, port=right.port) as forbidden:
            assert (await post(f"http://agent.example:{right.port}/")).status_code == 200

        assert (right.connections, forbidden.connections) == (1, 0)

    async def test_an_address_that_swallows_calls_gives_way_to_the_next(self, names, settings, monkeypatch):
        monkeypatch.setattr(outgoing, "ATTEMPT_S", 0.3)
        settings.OUTGOING_ALLOWED = ["127.0.0.2", "127.0.0.3"]
        names["agent.example"] = ["127.0.0.3", "127.0.0.2"]
        async with Server(echo, host="127.0.0.2") as right:
            with socket.create_server(("127.0.0.3", right.port), backlog=0), ExitStack() as waiting:
                for _ in range(4):  # nobody accepts them, so the system drops what comes after
                    call = waiting.enter_context(socket.socket())
                    call.setblocking(False)
                    call.connect_ex(("127.0.0.3", right.port))
                assert (await post(f"http://agent.example:{right.port}/")).status_code == 200

    @pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "localhost"])
    async def test_no_other_spelling_helps(self, host):
        with pytest.raises(outgoing.ForbiddenAddress):
            await post(f"http://{host}:9/")

    async def test_a_name_that_does_not_exist_is_said(self):
        with pytest.raises(httpx2.ConnectError, match=r"The name nobody.invalid cannot be resolved"):
            await post("http://nobody.invalid/")

    async def test_a_server_that_is_not_there_is_said(self, listed):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]

        with pytest.raises(httpx2.ConnectError, match=f"Nothing takes calls at 127.0.0.1 port {port}"):
            await post(f"http://127.0.0.1:{port}/")

    async def test_only_http_is_spoken(self):
        with pytest.raises(outgoing.OutgoingError, match="Only http and https are called, not ftp"):
            await post("ftp://agent.example/")

    async def test_proxies_of_the_environment_are_ignored(self, listed, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
        async with Server(echo) as server:
            assert (await post(server.url)).status_code == 200


class TestRedirects:
    @pytest.mark.parametrize("status", ["307 Temporary Redirect", "308 Permanent Redirect"])
    async def test_a_call_goes_where_it_is_sent_on_to(self, listed, status):
        async with server_of({"/old": (status, {"Location": "/new"})}) as server:
            seen = (await post(f"{server.url}/old", headers={"X-Secret": "s3cret"})).json()

        assert (seen["path"], seen["body"], seen["headers"]["x-secret"]) == ("/new", '{"a":1}', "s3cret")

    async def test_nothing_that_may_be_a_secret_goes_along_to_another_origin(self, listed):
        headers = {"Authorization": "Bearer t0p", "X-Api-Key": "k3y", "X-Orchestra-Signature": "v1=00", "Cookie": "a=b"}
        async with Server(echo) as other, server_of({"/": ("307 Go", {"Location": f"{other.url}/new"})}) as server:
            seen = (await post(f"{server.url}/", headers=headers)).json()

        assert seen["headers"].keys() <= outgoing.CARRIED
        assert seen["body"] == '{"a":1}'
        assert server.requests[0].headers["authorization"] == "Bearer t0p"

    async def test_a_secret_that_was_left_behind_does_not_come_back(self, listed):
        """From A to B and back to A."""
        there = {}
        async with server_of(there) as first, server_of({"/b": ("307 Go", {"Location": f"{first.url}/end"})}) as second:
            there["/a"] = ("307 Go", {"Location": f"{second.url}/b"})
            seen = (await post(f"{first.url}/a", headers={"X-Api-Key": "k3y"})).json()

        assert seen["path"] == "/end"
        assert "x-api-key" not in seen["headers"]

    async def test_a_redirect_to_a_forbidden_address_is_not_followed(self, names, listed):
        names["inside.example"] = ["127.0.0.2"]
        async with Server(echo, host="127.0.0.2") as inside:
            for target in (inside.url, f"http://inside.example:{inside.port}"):
                async with server_of({"/": ("307 Go", {"Location": f"{target}/"})}) as server:
                    with pytest.raises(outgoing.ForbiddenAddress, match=r"127.0.0.2"):
                        await post(f"{server.url}/")

        assert inside.connections == 0

    async def test_a_redirect_to_another_scheme_is_not_followed(self, listed):
        async with server_of({"/": ("307 Go", {"Location": "ftp://127.0.0.1/"})}) as server:
            with pytest.raises((outgoing.OutgoingError, httpx2.UnsupportedProtocol)):
                await post(f"{server.url}/")

    @pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other"])
    async def test_one_that_would_lose_the_call_is_not_followed(self, listed, status):
        async with server_of({"/old": (status, {"Location": "/new"})}) as server:
            with pytest.raises(outgoing.ForbiddenRedirect, match="let it answer with 307 or 308"):
                await post(f"{server.url}/old")

        assert [request.path for request in server.requests] == ["/old"]

    async def test_five_are_followed_and_no_more(self, listed):
        pages = {f"/{hop}": ("307 Go", {"Location": f"/{hop + 1}"}) for hop in range(10)}
        async with server_of(pages) as server:
            assert (await post(f"{server.url}/5")).json()["path"] == "/10"
            with pytest.raises(httpx2.TooManyRedirects):
                await post(f"{server.url}/4")


class TestBodies:
    @pytest.mark.parametrize("encoding", ["gzip", "deflate"])
    async def test_a_compressed_answer_is_read(self, listed, encoding):
        packed = {"gzip": gzip.compress, "deflate": zlib.compress}[encoding](b'{"output": 1}')

        async def answer(request, writer):
            send(writer, packed, Content_Encoding=encoding)

        async with Server(answer) as server:
            response = await post(server.url)

        assert response.json() == {"output": 1}
        assert "content-encoding" not in response.headers

    @pytest.mark.parametrize("size", [outgoing.BODY_LIMIT, outgoing.BODY_LIMIT + 1])
    async def test_the_limit_is_exact(self, listed, size):
        async def answer(request, writer):
            send(writer, b"x" * size)

        async with Server(answer) as server:
            if size == outgoing.BODY_LIMIT:
                assert len((await post(server.url)).content) == size
            else:
                with pytest.raises(outgoing.AnswerTooLarge, match="larger than 1 MB"):
                    await post(server.url)

    async def test_another_client_may_have_another_limit(self, listed):
        async with Server(echo) as server:
            with pytest.raises(outgoing.AnswerTooLarge):
                await outgoing.client(10).post(server.url, json={})
            assert (await outgoing.client(10_000).post(server.url, json={})).status_code == 200

    async def test_a_bomb_is_given_up_where_it_passes_the_limit(self, listed):
        bomb = gzip.compress(b"0" * 50_000_000)

        async def answer(request, writer):
            send(writer, bomb, Content_Encoding="gzip")

        async with Server(answer) as server:
            with pytest.raises(outgoing.AnswerTooLarge):
                await post(server.url)

    async def test_what_is_unpacked_leaves_the_loop_to_others(self, listed):
        """Counted in turns of another task, not in time."""
        turns, packed, seen = 0, gzip.compress(b"0" * 20 * outgoing.CHUNK), set()

        async def another():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async def answer(request, writer):
            send(writer, packed, Content_Encoding="gzip")

        other = asyncio.create_task(another())
        async with Server(answer) as server, outgoing.client(10_000_000).stream("POST", server.url) as response:
            async for _ in response.aiter_raw():
                seen.add(turns)
        other.cancel()

        assert len(seen) >= 20

    @pytest.mark.parametrize(
        ("body", "encoding", "message"),
        [
            (b"not packed", "gzip", "is not gzip"),
            (gzip.compress(b"x" * 1000, mtime=0)[:-20], "gzip", "broke off"),
            (b"whatever", "br", "in the encoding 'br'"),
        ],
    )
    async def test_what_is_not_what_it_says_is_refused(self, listed, body, encoding, message):
        async def answer(request, writer):
            send(writer, body, Content_Encoding=encoding)

        async with Server(answer) as server:
            with pytest.raises(outgoing.UnreadableAnswer, match=message):
                await post(server.url)

    async def test_an_answer_that_never_ends_is_cut_off_at_the_limit(self, listed):
        async def answer(request, writer):
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while not writer.is_closing():
                writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
                await writer.drain()

        async with Server(answer) as server:
            with pytest.raises(outgoing.AnswerTooLarge):
                await post(server.url)


class TestClients:
    async def test_connections_are_kept_and_used_again(self, listed):
        async with Server(echo) as server:
            for _ in range(5):
                await post(server.url)

        assert (len(server.requests), server.connections) == (5, 1)

    async def test_what_one_server_sets_as_a_cookie_is_never_sent(self, listed):
        async def answer(request, writer):
            send(writer, {"cookie": request.headers.get("cookie")}, Set_Cookie="session=1; Path=/")

        async with Server(answer) as server:
            await post(server.url)
            assert (await post(server.url)).json() == {"cookie": None}

    def test_each_loop_has_its_own_which_is_closed_with_it(self, listed):
        made = []

        async def use():
            client = outgoing.client()
            assert client is outgoing.client()
            made.append(client)
            async with Server(echo) as server:
                await post(server.url)

        asyncio.run(use())
        asyncio.run(use())

        assert made[0] is not made[1]
        assert [client.is_closed for client in made] == [True, True]

    async def test_a_call_that_is_cancelled_gives_its_connection_up(self, listed):
        called = asyncio.Event()

        async def answer(request, writer):
            called.set()
            await asyncio.sleep(WITHIN_S)

        async with Server(answer) as server:
            task = asyncio.create_task(post(server.url))
            await called.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        async with Server(echo) as server:
            assert (await post(server.url)).status_code == 200

    async def test_the_certificate_is_checked_against_the_name_not_the_address(self, listed, names, tmp_path):
        names["agent.example"] = names["other.example"] = ["127.0.0.1"]
        for_server, for_client = certified("agent.example", tmp_path)
        async with (
            Server(echo, ssl=for_server) as server,
            httpx2.AsyncClient(transport=outgoing.GuardedTransport(verify=for_client), trust_env=False) as client,
        ):
            assert (await client.post(f"https://agent.example:{server.port}/")).status_code == 200
            with pytest.raises(httpx2.ConnectError, match=r"other.example"):
                await client.post(f"https://other.example:{server.port}/")

    async def test_a_redirect_never_leaves_encryption(self, listed, names, tmp_path):
        names["agent.example"] = ["127.0.0.1"]
        for_server, for_client = certified("agent.example", tmp_path)

        async def answer(request, writer):
            send(writer, b"", "307 Go", Location="http://agent.example/")

        async with (
            Server(answer, ssl=for_server) as server,
            httpx2.AsyncClient(
                transport=outgoing.GuardedTransport(verify=for_client), trust_env=False, follow_redirects=True
            ) as client,
        ):
            with pytest.raises(outgoing.ForbiddenRedirect, match="without encryption"):
                await client.post(f"https://agent.example:{server.port}/")


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://agent.example/call", ""),
        ("http://8.8.8.8:8080/", ""),
        ("ftp://agent.example/", "begins with http:// or https://"),
        ("agent.example/call", "begins with http:// or https://"),
        ("https:///call", "names a host"),
        ("https://agent.example:port/", "This is not an address"),
        ("https://[::1", "This is not an address"),
        ("https://ada:pw@agent.example/", "Leave name and password out"),
        ("http://localhost:8000/", "OUTGOING_ALLOWED"),
        ("http://[::ffff:10.0.0.1]/", "OUTGOING_ALLOWED"),
        ("http://2852039166/latest/", "169.254.169.254"),
    ],
)
def test_an_address_is_judged_as_far_as_can_be_told_without_asking_for_its_name(url, fault):
    found = outgoing.fault_of(url)

    assert fault in found
    assert bool(fault) == bool(found)


def certified(name, folder):
    """TLS contexts of a server that has a certificate for ``name``, and of a client that trusts it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    built = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = built.public_bytes(serialization.Encoding.PEM)
    file.write_bytes(private + public)
    for_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for_server.load_cert_chain(file)
    return for_server, ssl.create_default_context(cadata=public.decode())
