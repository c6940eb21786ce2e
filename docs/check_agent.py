"""Checks an agent against docs/agent-protocol.md. It needs Python 3.11 and nothing else.

    python check_agent.py https://agent.example/call
    python check_agent.py --input '{"order": 7}' --signing-key KEY --header 'Authorization: Bearer …' ADDRESS
    python check_agent.py -- python my_agent.py

The first two call a service, the last starts a program and speaks to it over its pipes. The calls are real ones with
the given input, so have the agent do nothing that must not be done. One line a requirement: ``passed``, ``FAILED`` with
what was seen, or ``skipped`` with why. The exit code is 0 if nothing failed, 1 if something did, 2 for a wrong use.
"""

import argparse
import hashlib
import hmac
import http.client
import json
import math
import queue
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

LARGEST = 1024 * 1024
DEEPEST = 32
READY_S = 30
AT_A_TIME = 4


class Broken(Exception):
    """The agent did not do what it should; the message says what it did."""


class Skipped(Exception):
    """It cannot be checked; the message says why."""


class Report:
    """Prints a line for each requirement, and counts."""

    def __init__(self) -> None:
        self.failed = 0

    def check(self, requirement: str, look: Callable[[], object]) -> bool:
        try:
            look()
        except Skipped as why:
            print(f"skipped  {requirement} ({why})")
        except Broken as why:
            self.failed += 1
            print(f"FAILED   {requirement}: {why}")
            return False
        else:
            print(f"passed   {requirement}")
        return True


def call_of(given: Any, *, attempt: int = 1, key: str = "", within_s: float = 30) -> dict[str, Any]:
    """A call as Orchestra sends it."""
    key = key or f"check-{uuid.uuid4().hex}"
    return {
        "id": f"{key}/{attempt}",
        "key": key,
        "attempt": attempt,
        "input": given,
        "deadline": (datetime.now(UTC) + timedelta(seconds=within_s)).isoformat(),
        "correlation": f"check-{uuid.uuid4().hex}",
        "config": {},
    }


def verdict(answer: Any, *, bare: bool) -> str:
    """Which of output, error and pending an answer is. Raises Broken if it is none, or one that cannot be taken."""
    if not isinstance(answer, dict):
        raise Broken(f"an answer is a JSON object, not {json.dumps(answer)[:60]}")
    if answer.get("error") is not None:
        return _error(answer)
    if answer.get("pending") not in (None, False):
        if not isinstance(answer["pending"], str) or not answer["pending"].strip():
            raise Broken('"pending" says in words what it waits for')
        return "pending"
    if "output" not in answer and not (bare and not {"error", "pending"} & answer.keys()):
        raise Broken('it has neither "output" nor "error" nor "pending"')
    _storable(answer.get("output", answer))
    return "output"


def header(text: str) -> tuple[str, str]:
    """``Name: value``, taken apart."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is no header; write it as 'Name: value'")
    return name.strip(), value.strip()


def _error(answer: dict[str, Any]) -> str:
    if not isinstance(answer["error"], str) or not answer["error"].strip():
        raise Broken('"error" is a sentence that says what went wrong')
    if _is_unstorable(answer["error"]):
        raise Broken('"error" holds a NUL character or half of a surrogate pair')
    if not isinstance(answer.get("retryable", True), bool):
        raise Broken('"retryable" is true or false')
    if answer.get("fault", "agent") not in ("agent", "caller"):
        raise Broken('"fault" is "agent" or "caller"')
    wait = answer.get("retry_after_s", 0)
    if isinstance(wait, bool) or not isinstance(wait, int | float) or wait < 0:
        raise Broken('"retry_after_s" is a number of seconds')
    return "error"


def _is_unstorable(text: str) -> bool:
    return "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text)


def _storable(output: Any) -> None:
    if len(json.dumps(output, ensure_ascii=False).encode("utf-8", "replace")) > LARGEST:
        raise Broken("its output is larger than 1 MB")
    rest = [(output, 0)]
    while rest:
        value, depth = rest.pop()
        if depth > DEEPEST:
            raise Broken(f"its output is nested more than {DEEPEST} levels deep")
        if isinstance(value, str) and _is_unstorable(value):
            raise Broken("its output holds a NUL character or half of a surrogate pair")
        if isinstance(value, float) and not math.isfinite(value):
            raise Broken("its output holds a number that JSON does not know")
        if isinstance(value, int) and abs(value) >= 2**63:
            raise Broken("its output holds a whole number of more than 64 bits")
        if isinstance(value, dict):
            rest += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            rest += [(part, depth + 1) for part in value]


def read(text: bytes) -> Any:
    if len(text) > LARGEST:
        raise Broken("its answer is larger than 1 MB")
    try:
        return json.loads(text.decode())
    except (ValueError, RecursionError):
        raise Broken(f"it is not JSON in UTF-8: {text[:60]!r}") from None


# --- A service -------------------------------------------------------------------------------------------------------


class Service:
    """An agent behind an address."""

    bare = True

    def __init__(self, wanted: argparse.Namespace) -> None:
        self.wanted, self.address = wanted, urlsplit(wanted.agent[0])
        self.headers = dict(wanted.header)

    def call(self, call: dict[str, Any]) -> Any:
        status, body = self.post(json.dumps(call).encode(), key=call["key"])
        if not 200 <= status < 300:
            raise Broken(f"it answered with {status}: {body[:60]!r}")
        return read(body)

    def post(self, body: bytes, *, key: str = "check", **signed: str) -> tuple[int, bytes]:
        """Status and body of the answer; ``signed`` may give another ``timestamp`` or ``signature``."""
        connection = self.connection()
        try:
            connection.request("POST", self.target, body, self._headers(body, key, **signed))
            answer = connection.getresponse()
            return answer.status, answer.read(2 * LARGEST)
        except TimeoutError:
            raise Broken(f"it did not answer within {self.wanted.timeout:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise Broken(f"the connection failed: {error or type(error).__name__}") from None
        finally:
            connection.close()

    def connection(self) -> http.client.HTTPConnection:
        host, port = self.address.hostname or "", self.address.port
        if self.address.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=self.wanted.timeout, context=context)
        return http.client.HTTPConnection(host, port, timeout=self.wanted.timeout)

    @property
    def target(self) -> str:
        return (self.address.path or "/") + (f"?{self.address.query}" if self.address.query else "")

    def _headers(self, body: bytes, key: str, timestamp: str = "", signature: str = "") -> dict[str, str]:
        timestamp = timestamp or str(int(time.time()))
        headers = self.headers | {
            "Content-Type": "application/json",
            "Idempotency-Key": key,
            "X-Orchestra-Timestamp": timestamp,
        }
        if self.wanted.signing_key:
            signed = hmac.new(self.wanted.signing_key.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
            headers["X-Orchestra-Signature"] = signature or f"v1={signed.hexdigest()}"
        return headers

    def own_checks(self, report: Report) -> None:
        report.check("a body that is not JSON is refused with 4xx", lambda: self._refused(b"{not json"))
        report.check("a call that breaks off does no harm", self._breaks_off)
        report.check("a call with a wrong signature is refused with 4xx", self._forged)
        report.check("a call that was signed an hour ago is refused with 4xx", self._old)

    def end(self, report: Report) -> None:
        """A service goes on."""

    def _refused(self, body: bytes, **signed: str) -> None:
        status, _ = self.post(body, **signed)
        if not 400 <= status < 500:
            raise Broken(f"it answered with {status}")

    def _breaks_off(self) -> None:
        with socket.create_connection((self.address.hostname or "", self.connection().port), timeout=10) as half:
            half.sendall(f"POST {self.target} HTTP/1.1\r\nHost: check\r\nContent-Length: 1000\r\n\r\n{{".encode())

    def _forged(self) -> None:
        self._needs_a_key()
        self._refused(json.dumps(call_of(self.wanted.input)).encode(), signature="v1=" + "0" * 64)

    def _old(self) -> None:
        self._needs_a_key()
        self._refused(json.dumps(call_of(self.wanted.input)).encode(), timestamp=str(int(time.time()) - 3600))

    def _needs_a_key(self) -> None:
        if not self.wanted.signing_key:
            raise Skipped("no --signing-key was given")


# --- A program -------------------------------------------------------------------------------------------------------


class Program:
    """An agent that is a process and speaks JSON lines."""

    bare = False

    def __init__(self, wanted: argparse.Namespace) -> None:
        self.wanted = wanted
        self.process = subprocess.Popen(wanted.agent, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.greeting: queue.Queue[bytes] = queue.Queue()
        self.answers: dict[str, queue.Queue[dict[str, Any]]] = {}
        self.strays: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def call(self, call: dict[str, Any]) -> Any:
        answers = self.answers.setdefault(call["id"], queue.Queue())
        self.send(call)
        deadline = time.monotonic() + self.wanted.timeout
        while True:
            try:
                return answers.get(timeout=0.1)
            except queue.Empty:
                if self.process.poll() is not None:
                    raise Broken(f"it ended with exit code {self.process.returncode}") from None
                if time.monotonic() > deadline:
                    seen = f"; it wrote {self.strays[-1]}" if self.strays else ""
                    raise Broken(f"no line with this id within {self.wanted.timeout:g} s{seen}") from None

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise Broken("it no longer reads its standard input") from None

    def ready(self) -> None:
        try:
            line = self.greeting.get(timeout=READY_S)
        except queue.Empty:
            raise Broken(f"it wrote nothing within {READY_S} s") from None
        if not line:
            raise Broken("it closed its output, or ended, before it wrote a line")
        greeting = read(line)
        if not isinstance(greeting, dict) or greeting.get("ready") is not True:
            raise Broken(f'its first line is {line[:60]!r}, not {{"ready": true}}')

    def own_checks(self, report: Report) -> None:
        report.check("a line that it does not know is ignored", lambda: self._goes_on({"hello": "agent"}))
        report.check("the cancelling of a call does no harm", self._cancels)

    def end(self, report: Report) -> None:
        report.check("each line on its standard output is an answer with the id of a call", self._no_strays)
        report.check("it ends, with exit code 0, once its standard input has ended", self._ends)
        self.process.kill()
        self.process.wait()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        self.greeting.put(self.process.stdout.readline(LARGEST))
        while line := self.process.stdout.readline(2 * LARGEST):
            try:
                answer = read(line)
                self.answers[answer["id"]].put(answer)
            except Broken as why:
                self.strays.append(f"{line[:60]!r} ({why})")
            except (KeyError, TypeError):
                self.strays.append(repr(line[:60]))

    def _goes_on(self, message: dict[str, Any]) -> None:
        self.send(message)
        verdict(self.call(call_of(self.wanted.input)), bare=False)

    def _cancels(self) -> None:
        call = call_of(self.wanted.input)
        self.answers[call["id"]] = queue.Queue()  # it may answer all the same
        self.send(call)
        self._goes_on({"cancel": call["id"]})

    def _no_strays(self) -> None:
        if self.strays:
            raise Broken(f"it wrote {self.strays[0]}; what is not an answer belongs on standard error")

    def _ends(self) -> None:
        assert self.process.stdin is not None
        with suppress(OSError):  # it may be gone already
            self.process.stdin.close()
        try:
            code = self.process.wait(self.wanted.timeout)
        except subprocess.TimeoutExpired:
            raise Broken(f"it is still there after {self.wanted.timeout:g} s") from None
        if code != 0:
            raise Broken(f"its exit code is {code}")


# --- All agents ------------------------------------------------------------------------------------------------------


def answered(agent: Service | Program, given: Any, **more: Any) -> str:
    return verdict(agent.call({**call_of(given, within_s=agent.wanted.timeout), **more}), bare=agent.bare)


def again(agent: Service | Program, given: Any) -> None:
    """The same key twice: with effects, the second time must find what the first one did."""
    key = f"check-{uuid.uuid4().hex}"
    first, second = (verdict(agent.call(call_of(given, key=key, attempt=n)), bare=agent.bare) for n in (1, 2))
    if first != second:
        raise Broken(f"the first attempt gave an {first}, the second an {second}")


def at_a_time(agent: Service | Program, given: Any) -> None:
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for one in [pool.submit(answered, agent, given) for _ in range(AT_A_TIME)]:
            one.result()


def check(agent: Service | Program, given: Any) -> int:
    """Check everything; the number of requirements that failed."""
    report = Report()
    if isinstance(agent, Program) and not report.check(f"it is ready within {READY_S} s, and says so", agent.ready):
        agent.process.kill()
        return report.failed
    if report.check("it answers a call with output, error or pending", lambda: answered(agent, given)):
        report.check("a second attempt with the same key is answered like the first", lambda: again(agent, given))
        report.check("what it does not know in a call is ignored", lambda: answered(agent, given, news={"a": 1}))
        report.check(f"{AT_A_TIME} calls at a time are each answered", lambda: at_a_time(agent, given))
        agent.own_checks(report)
        report.check("after all of that it still answers", lambda: answered(agent, given))
    agent.end(report)
    return report.failed


def main(arguments: list[str]) -> int:
    is_command = "--" in arguments
    parser = argparse.ArgumentParser(description="Checks an agent against docs/agent-protocol.md.")
    parser.add_argument("--input", type=json.loads, default={}, help="what the agent is asked, in JSON")
    parser.add_argument("--signing-key", default="", help="the key that calls are signed with")
    parser.add_argument(
        "--header", action="append", type=header, default=[], help="a header of each call, as 'Name: value'"
    )
    parser.add_argument("--timeout", type=float, default=30, help="seconds that one answer may take, and its end")
    parser.add_argument("agent", nargs="+", help="an address, or after -- the words of a command")
    wanted = parser.parse_args(arguments)
    if is_command:
        if shutil.which(wanted.agent[0]) is None:
            parser.error(f"there is no program {wanted.agent[0]}")
        agent: Service | Program = Program(wanted)
    elif wanted.agent[0].startswith(("http://", "https://")) and len(wanted.agent) == 1:
        agent = Service(wanted)
    else:
        parser.error("give an address that begins with http:// or https://, or a command after --")
    failed = check(agent, wanted.input)
    print(f"{failed} requirement{'s' if failed != 1 else ''} failed." if failed else "All of them are kept.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
