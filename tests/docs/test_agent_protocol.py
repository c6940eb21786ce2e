"""docs/agent-protocol.md and docs/check_agent.py, against agents that keep to the protocol and agents that do not."""

import asyncio
import json
import re
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from agents.kinds import protocol
from agents.kinds.http import signature
from agents.kinds.pipes import Command, Process
from agents.outcomes import AgentError, Call, Done
from tests.agents.kinds.serving import Server, send

DOCS = Path(__file__).resolve().parents[2] / "docs"
DOCUMENT = (DOCS / "agent-protocol.md").read_text()
VERIFYING, PROCESS = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
CALL, ERROR = (json.loads(text) for text in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL))
KEY = "t0p"
LIMIT_S = 120

BAD_PROGRAMS = {
    "silent": ("pass", "FAILED   it is ready within 30 s, and says so"),
    "greedy": ('print(\'{"ready": "yes"}\'); input()', "its first line is"),
    "rude": ("print('Welcome!'); input()", "it is not JSON in UTF-8: b'Welcome!"),
    "deaf": ("print('{\"ready\": true}', flush=True); import sys; sys.stdin.read()", "no line with this id within"),
    "bare": ('answer = {"id": call["id"], "price": 9}', 'neither "output" nor "error" nor "pending"'),
    "deep": ('answer = {"id": call["id"], "output": eval("[" * 40 + "]" * 40)}', "more than 32 levels deep"),
    "mute": ('answer = {"id": call["id"], "error": ""}', '"error" is a sentence'),
    "garbled": (
        'answer = {"id": call["id"], "error": "No\\0."}',
        '"error" holds a NUL character or half of a surrogate',
    ),
    "large": ('answer = {"id": call["id"], "error": "x" * 1100000}', "its answer is larger than 1 MB"),
    "vague": ('answer = {"id": call["id"], "error": "No.", "fault": "nobody"}', '"fault" is "agent" or "caller"'),
    "chatty": ('print("thinking"); answer = {"id": call["id"], "output": 1}', "belongs on standard error"),
    "fickle": (
        'answer = {"id": call["id"]} | ({"output": 1} if call["attempt"] == 1 else {"error": "Again?"})',
        "the first attempt gave an output, the second an error",
    ),
    "strict": ('assert len(call) == 7; answer = {"id": call["id"], "output": 1}', "FAILED   what it does not know"),
}


def run(*arguments, **options):
    """Exit code and lines of the check; run where nothing of ours can be imported."""
    done = subprocess.run(
        [sys.executable, "-I", DOCS / "check_agent.py", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        **options,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


async def run_beside(*arguments):
    """The same while this loop serves."""
    return await asyncio.to_thread(run, *arguments)


def program(folder, answering='answer = {"id": call["id"], "output": {"echo": call["input"]}}'):
    """The process of the document, which may answer otherwise."""
    code = PROCESS.replace('answer = {"id": call["id"], "output": {"echo": call["input"]}}', answering)
    if "answer =" not in answering:
        code = answering
    file = folder / "agent.py"
    file.write_text(code)
    return sys.executable, "-I", str(file)


def words(lines, word):
    return [line.removeprefix(word).strip() for line in lines if line.startswith(word)]


class TestTheDocument:
    def test_its_call_is_what_agents_are_sent(self):
        call = Call(
            CALL["input"],
            {"options": CALL["config"]},
            CALL["key"],
            1,
            time_of(CALL["deadline"]),
            "5f0c6a1e9b7d4a6f8a55",
        )

        assert protocol.message(call) == CALL

    def test_its_error_is_understood(self):
        failed = protocol.outcome_of(ERROR)

        assert (failed.retryable, failed.fault, failed.retry_after_s) == (True, "agent", 60)

    def test_its_verification_accepts_what_we_sign_and_nothing_else(self):
        written = {}
        exec(compile(VERIFYING, "agent-protocol.md", "exec"), written)  # noqa: S102 - our own document
        now, old = str(int(time.time())), str(int(time.time()) - 301)

        def is_ours(timestamp, key, body):
            headers = {"X-Orchestra-Timestamp": timestamp, "X-Orchestra-Signature": signature(key, timestamp, b"{}")}
            return written["is_ours"](KEY, headers, body)

        assert is_ours(now, KEY, b"{}")
        assert not is_ours(now, KEY, b"{ }")
        assert not is_ours(now, "other", b"{}")
        assert not is_ours(old, KEY, b"{}")

    def test_its_worked_example_is_right(self):
        timestamp, body, expected = re.search(
            r"timestamp `(\d+)` and the body `(.*?)` give\s+`(.*?)`", DOCUMENT
        ).groups()

        assert signature("check", timestamp, body.encode()) == expected

    def test_every_heading_is_in_the_contents(self):
        contents = re.findall(r"^- \[(.+)\]\(#", DOCUMENT, re.MULTILINE)

        assert contents == re.findall(r"^## (.+)$", DOCUMENT, re.MULTILINE)


class TestItsUse:
    def test_a_header_without_a_colon_is_said(self):
        code, _, said = run("--header", "Authorization Bearer x", "http://127.0.0.1:1/")

        assert code == 2
        assert "'Authorization Bearer x' is no header; write it as 'Name: value'" in said


class TestTheCheckOfAProgram:
    def test_the_documents_own_process_keeps_all(self, tmp_path):
        code, lines, said = run("--input", '{"order": 7}', "--", *program(tmp_path))

        assert (code, lines[-1]) == (0, "All of them are kept."), (lines, said)
        assert len(words(lines, "passed")) == 10

    @pytest.mark.parametrize("name", BAD_PROGRAMS)
    def test_a_bad_one_is_told_what_it_does_wrong(self, tmp_path, name):
        answering, expected = BAD_PROGRAMS[name]

        code, lines, _ = run("--timeout", "3", "--", *program(tmp_path, answering))

        assert code == 1
        assert any(expected in line for line in lines), lines
        assert "failed." in lines[-1]

    def test_one_that_stays_after_its_input_has_ended_is_told(self, tmp_path):
        stays = PROCESS + "\nimport time; time.sleep(60)"
        (tmp_path / "agent.py").write_text(stays)

        code, lines, _ = run("--timeout", "5", "--", sys.executable, "-I", str(tmp_path / "agent.py"))

        assert code == 1
        assert words(lines, "FAILED") == [
            "it ends, with exit code 0, once its standard input has ended: it is still there after 5 s"
        ]


class TestTheCheckOfAService:
    async def test_a_good_one_keeps_all(self):
        async with Server(good) as server:
            code, lines, said = await run_beside("--signing-key", KEY, "--header", "X-Team: a", f"{server.url}/call")

        assert (code, lines[-1]) == (0, "All of them are kept."), (lines, said)
        assert all(request.headers["x-team"] == "a" for request in server.requests if "x-team" in request.headers)
        assert len(words(lines, "passed")) == 9

    async def test_without_a_key_what_needs_one_is_skipped(self):
        async with Server(trusting) as server:
            code, lines, _ = await run_beside(server.url)

        assert code == 0
        assert len(words(lines, "skipped")) == 2

    async def test_one_that_believes_everybody_is_told(self):
        async with Server(trusting) as server:
            code, lines, _ = await run_beside("--signing-key", KEY, server.url)

        assert code == 1
        assert words(lines, "FAILED") == [
            "a call with a wrong signature is refused with 4xx: it answered with 200",
            "a call that was signed an hour ago is refused with 4xx: it answered with 200",
        ]

    async def test_one_that_does_not_speak_the_protocol_is_told(self):
        async def answer(request, writer):
            send(writer, b"<html>Welcome</html>")

        async with Server(answer) as server:
            code, lines, _ = await run_beside(server.url)

        assert code == 1
        assert "it is not JSON in UTF-8: b'<html>Welcome</html>'" in lines[0]

    async def test_one_that_is_not_there_is_told(self):
        async with Server(good) as server:
            pass
        code, lines, _ = await run_beside(server.url)

        assert code == 1
        assert "the connection failed" in lines[0]


@pytest.mark.parametrize(
    "arguments", [[], ["agent.example"], ["--input", "{", "http://a/"], ["--", "no-such-program-at-all"]]
)
def test_a_wrong_use_is_told_from_a_failure(arguments):
    code, _, said = run(*arguments)

    assert code == 2
    assert "usage:" in said


async def test_what_the_check_accepts_orchestra_accepts(tmp_path):
    """The document's process, called by the kind itself."""
    process = await Process.start(Command(program(tmp_path), str(tmp_path), {}))
    try:
        assert await process.ready(LIMIT_S) == "1"
        call = Call({"order": 7}, {}, "key", 1, time_of(CALL["deadline"]), "")
        assert protocol.outcome_of(await process.call(protocol.message(call))) == Done({"echo": {"order": 7}})
    except AgentError as error:
        pytest.fail(str(error))
    finally:
        await process.stop("The test is over.")


async def good(request, writer):
    """A service as the document asks for one."""
    timestamp, given = (request.headers.get(f"x-orchestra-{name}", "") for name in ("timestamp", "signature"))
    if given != signature(KEY, timestamp, request.body) or abs(time.time() - int(timestamp)) > 300:
        send(writer, {"error": "This call is not signed with our key."}, "401 Unauthorized")
        return
    await trusting(request, writer)


async def trusting(request, writer):
    try:
        call = request.json()
    except ValueError:
        send(writer, {"error": "This is not JSON."}, "400 Bad Request")
        return
    send(writer, {"output": {"echo": call["input"]}})


def time_of(text):
    return datetime.fromisoformat(text)
