"""Services beyond the contract: what they are sent, what each answer of HTTP comes to."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from agents.invoke import invoke
from agents.kinds import KINDS, protocol
from agents.kinds.http import signature
from agents.outcomes import Call, Done, Failed, Fault, Pending
from tests.agents.kinds.serving import Server, reset, send

DEADLINE = datetime(2026, 11, 23, 14, 0, 30, tzinfo=UTC)


@pytest.fixture
def ask(settings):
    """``await ask(answer, secrets=…, headers=…)``: the outcome of a call, and the request as the service saw it."""
    settings.OUTGOING_ALLOWED = ["127.0.0.1"]

    async def make(answer, *, secrets=None, timeout_s=30.0, **config):
        async with Server(answer) as server:
            config = {"url": f"{server.url}/call?v=1", **config}
            call = Call({"order": 7}, config, "key-1", 2, DEADLINE, "story", secrets or {})
            outcome = await invoke("http", call, timeout_s=timeout_s)
        return outcome, server.requests[-1] if server.requests else None

    return make


def answering(body, status="200 OK", **headers):
    async def answer(request, writer):
        send(writer, body, status, **headers)

    return answer


async def test_a_call_is_sent_as_the_protocol_says(ask):
    outcome, request = await ask(answering({"output": 1}), options={"language": "en"}, headers={"X-Team": "a"})

    assert outcome == Done(1)
    assert (request.method, request.path) == ("POST", "/call?v=1")
    assert request.json() == {
        "id": "key-1/2",
        "key": "key-1",
        "attempt": 2,
        "input": {"order": 7},
        "deadline": "2026-11-23T14:00:30+00:00",
        "correlation": "story",
        "config": {"language": "en"},
    }
    assert request.headers["idempotency-key"] == "key-1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-team"] == "a"
    assert not {"x-orchestra-signature", "authorization", "cookie"} & request.headers.keys()


async def test_with_a_key_the_call_is_signed_as_it_was_sent(ask):
    _, request = await ask(answering({"output": 1}), secrets={"signing_key": "t0p"})

    timestamp = request.headers["x-orchestra-timestamp"]
    assert request.headers["x-orchestra-signature"] == signature("t0p", timestamp, request.body)
    assert abs(int(timestamp) - datetime.now(UTC).timestamp()) < 60


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ("Bearer t0p", "authorization", "Bearer t0p"),
        ("Basic YTpi", "authorization", "Basic YTpi"),
        ("X-API-Key: t0p", "x-api-key", "t0p"),
    ],
)
async def test_the_authorization_may_name_its_header(ask, given, name, value):
    _, request = await ask(answering({"output": 1}), secrets={"authorization": given})

    assert request.headers[name] == value


async def test_a_secret_that_no_header_may_hold_is_said_without_saying_it(ask):
    outcome, request = await ask(answering({"output": 1}), secrets={"authorization": "Bearer a\r\nX-Evil: 1"})

    assert request is None
    assert "The secret “authorization” holds characters that no header may" in outcome.message
    assert "Evil" not in outcome.message
    assert not outcome.retryable


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "Idempotency-Key", "X-Orchestra-Signature"]
)
async def test_the_authorization_cannot_name_what_each_call_sets_itself(ask, name):
    outcome, request = await ask(answering({"output": 1}), secrets={"authorization": f"{name}: 0"})

    assert request is None
    assert outcome.message.startswith(f"The secret “authorization” names the header {name}")
    assert not outcome.retryable


async def test_a_service_that_says_our_secret_does_not_make_us_say_it(ask):
    body = {"error": "The token t0p-secret has expired."}
    for status in ("200 OK", "401 Unauthorized"):
        outcome, _ = await ask(answering(body, status), secrets={"authorization": "Bearer t0p-secret"})

        assert "The token •••• has expired." in outcome.message


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"output": None}, Done(None)),
        ({"output": [1, 2]}, Done([1, 2])),
        ({"error": None, "output": 1}, Done(1)),
        ({"price": 9.5}, Done({"price": 9.5})),
        ({}, Done({})),
        ({"pending": "the night run"}, Pending("the night run")),
        ({"error": "No paper."}, Failed("No paper.", retryable=True, fault=Fault.AGENT)),
        ({"error": "No paper.", "retryable": False}, Failed("No paper.", retryable=False, fault=Fault.AGENT)),
        ({"error": "No town.", "fault": "caller"}, Failed("No town.", retryable=False, fault=Fault.CALLER)),
        (
            {"error": "Later.", "fault": "caller", "retryable": True, "retry_after_s": 3},
            Failed("Later.", retryable=True, fault=Fault.CALLER, retry_after_s=3.0),
        ),
        ({"error": {"message": "Inside."}}, Failed("Inside.")),
        ({"error": "", "output": 1}, Failed("It failed without a word.")),
        ({"error": "Ages.", "retry_after_s": 1e12}, Failed("Ages.", retry_after_s=86_400.0)),
        ({"error": "Odd.", "retry_after_s": "soon"}, Failed("Odd.")),
    ],
)
async def test_each_answer_comes_to_its_outcome(ask, body, outcome):
    assert (await ask(answering(body)))[0] == outcome


@pytest.mark.parametrize(
    ("status", "retryable", "fault"),
    [
        ("400 Bad Request", False, Fault.CALLER),
        ("401 Unauthorized", False, Fault.CALLER),
        ("404 Not Found", False, Fault.CALLER),
        ("408 Request Timeout", True, Fault.CALLER),
        ("422 Unprocessable", False, Fault.CALLER),
        ("425 Too Early", True, Fault.CALLER),
        ("429 Too Many Requests", True, Fault.CALLER),
        ("500 Internal Server Error", True, Fault.AGENT),
        ("503 Service Unavailable", True, Fault.AGENT),
        ("304 Not Modified", False, Fault.AGENT),
    ],
)
async def test_each_status_tells_whose_fault_it_is_and_whether_a_retry_helps(ask, status, retryable, fault):
    failed, _ = await ask(answering(b"", status))

    assert (failed.retryable, failed.fault, failed.message) == (retryable, fault, f"It answered with {status}.")


@pytest.mark.parametrize(
    "body", [{"error": "No paper."}, {"detail": "No paper."}, {"message": "No paper."}, {"title": "No paper."}]
)
async def test_what_a_refusal_says_in_words_is_told(ask, body):
    failed, _ = await ask(answering(body, "500 Oh"))

    assert failed.message == "It answered with 500 Oh: No paper."


@pytest.mark.parametrize(
    "body", [b"<html>", b"\xff\xfe", b"[]", b'{"error": 5}', b'{"detail": " "}', b"x" * 2_000_000, b"[" * 100_000]
)
async def test_a_refusal_without_words_is_told_all_the_same(ask, body):
    failed, _ = await ask(answering(body, "500 Oh"))

    assert (failed.message, failed.retryable) == ("It answered with 500 Oh.", True)


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable", "500 Oh"])
async def test_it_says_when_to_come_back_in_seconds_or_by_a_date(ask, status):
    due = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)

    in_seconds, _ = await ask(answering(b"", status, Retry_After="120"))
    by_date, _ = await ask(answering(b"", status, Retry_After=due))
    past, _ = await ask(answering(b"", status, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"))
    nonsense, _ = await ask(answering(b"", status, Retry_After="tomorrow"))

    assert in_seconds.retry_after_s == 120
    assert by_date.retry_after_s == pytest.approx(90, abs=30)
    assert past.retry_after_s == 0
    assert nonsense.retry_after_s is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("²", None),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
        ("9" * 400, 86_400),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 86_400),
    ],
)
def test_a_time_that_makes_no_sense_is_none_or_a_day(header, seconds):
    assert protocol.retry_after(header) == seconds


async def test_a_connection_that_broke_off_without_a_word_is_named_by_what_happened(ask):
    async def answer(request, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        reset(writer)

    failed, _ = await ask(answer)

    assert failed.message == "The connection broke off: ReadError."


@pytest.mark.parametrize("name", ["api_key", "X-Auth-Token", "client_secret"])
@pytest.mark.parametrize(
    ("kind", "field", "more", "secret"),
    [("http", "url", {}, "authorization"), ("llm", "base_url", {"model": "m"}, "api_key")],
)
def test_an_address_that_holds_a_secret_is_refused(name, kind, field, more, secret):
    [fault] = KINDS[kind].faults({field: f"https://agent.example/v1?a=1&{name}=t0p", **more})

    assert fault.path == f"config.{field}"
    assert f"Its parameter {name} holds a secret" in fault.message
    assert f"use the secret “{secret}” instead" in fault.message
    assert "t0p" not in fault.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "it is empty"),
        (b"<html>Welcome</html>", "it begins with '<html>Welcome</html>'"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[1]", "It answered with a JSON list"),
        (b'"done"', "It answered with a JSON text"),
        (b"null", "It answered with a JSON null"),
        (b'{"error": null}', "neither output nor error"),
        (b'{"pending": false, "error": null}', "neither output nor error"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"output": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b'{"output": NaN}', "a number that JSON does not know"),
        (b'{"output": "\\ud800"}', "half of a surrogate pair"),
    ],
)
async def test_what_is_no_answer_is_said_with_what_it_is(ask, body, message):
    failed, _ = await ask(answering(body))

    assert message in failed.message
    assert (failed.retryable, failed.fault) == (False, Fault.AGENT)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 200_000 + b"\r\n\r\n",
        b"",
    ],
)
async def test_an_answer_that_is_broken_as_http_may_be_better_the_next_time(ask, raw):
    async def answer(request, writer):
        writer.write(raw)
        await writer.drain()
        writer.close()

    failed, _ = await ask(answer)

    assert failed.message.startswith("The connection broke off: ")
    assert (failed.retryable, failed.fault) == (True, Fault.AGENT)


async def test_a_service_that_trickles_is_a_timeout(ask):
    async def answer(request, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    failed, _ = await ask(answer, timeout_s=0.3)

    assert (failed.retryable, failed.fault) == (True, Fault.TIMEOUT)


async def test_a_service_that_moved_is_found_and_one_that_goes_round_in_circles_is_not(ask):
    async def moved(request, writer):
        if request.path == "/new":
            send(writer, {"output": "found"})
        else:
            send(writer, b"", "308 Moved", Location="/new")

    assert (await ask(moved))[0] == Done("found")
    circling, _ = await ask(answering(b"", "307 Go", Location="/call"))
    lost, _ = await ask(answering(b"", "302 Found", Location="/call"))

    assert "It redirects more than 5 times" in circling.message
    assert "let it answer with 307 or 308" in lost.message
    assert (circling.retryable, lost.retryable) == (False, False)


async def test_a_redirect_into_the_own_network_fails_the_call(ask):
    failed, _ = await ask(answering(b"", "307 Go", Location="http://169.254.169.254/latest/meta-data/"))

    assert "169.254.169.254 is not a public address" in failed.message
    assert (failed.retryable, failed.fault) == (False, Fault.AGENT)


async def test_many_calls_at_a_time_each_get_their_own_answer(settings):
    settings.OUTGOING_ALLOWED = ["127.0.0.1"]

    async def answer(request, writer):
        await asyncio.sleep(0.05)
        send(writer, {"output": request.json()["key"]})

    async with Server(answer) as server:
        calls = [Call({}, {"url": server.url}, str(number), 1, DEADLINE, "") for number in range(200)]
        outcomes = await asyncio.gather(*(invoke("http", call, timeout_s=60) for call in calls))

    assert outcomes == [Done(str(number)) for number in range(200)]


@pytest.mark.parametrize(
    ("headers", "path", "message"),
    [
        ({"Host": "a"}, "config.headers.Host", "set by each call itself"),
        ({"idempotency-key": "a"}, "config.headers.idempotency-key", "set by each call itself"),
        ({"X-Orchestra-Signature": "a"}, "config.headers.X-Orchestra-Signature", "set by each call itself"),
        ({"X-Api-Key": "a"}, "config.headers.X-Api-Key", "holds a secret"),
        ({"X-Auth-Token": "a"}, "config.headers.X-Auth-Token", "holds a secret"),
        ({"two words": "a"}, "config.headers.two words", "not the name of a header"),
        ({"X-A": "ä"}, "config.headers.X-A", "one line of plain letters"),
        ({"X-A": 1}, "config.headers.X-A", "Give a text."),
    ],
)
def test_headers_are_judged_one_by_one(headers, path, message):
    [fault] = KINDS["http"].faults({"url": "https://agent.example/", "headers": headers})

    assert fault.path == path
    assert message in fault.message


def test_the_configuration_is_stored_as_json():
    assert json.loads(json.dumps(KINDS["http"].schema)) == KINDS["http"].schema
