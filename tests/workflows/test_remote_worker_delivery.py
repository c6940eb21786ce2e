"""The worker of docs/remote_worker.py and a bad line: a finished answer is delivered, or refused, but never dropped."""

import importlib.util
import json
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from django.conf import settings

WORKER = settings.BASE_DIR / "docs" / "remote_worker.py"
SOON = timedelta(minutes=5)
LOST = 0
"""Instead of a status: the connection ends without an answer."""


class Line:
    """A server that answers as it is told to, the last answer again and again; ``asked`` is what it was asked."""

    def __init__(self):
        self.asked = []
        self.answers = {}

    def answer(self, path, body):
        self.asked.append((path.removeprefix("/api/v1/").strip("/"), body))
        known = self.answers.get(self.asked[-1][0].rpartition("/")[2], [(200, {})])
        return known.pop(0) if len(known) > 1 else known[0]


@pytest.fixture
def line():
    found = Line()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, told = found.answer(self.path, body)
            if status != LOST:
                content = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        found.address = f"http://127.0.0.1:{server.server_port}"
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture
def worker(line, monkeypatch):
    monkeypatch.setattr("sys.argv", ["remote_worker.py", line.address, "token", "far", "paint"])
    specification = importlib.util.spec_from_file_location("remote_worker_on_a_bad_line", WORKER)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    module.time = SimpleNamespace(time=time.time, sleep=lambda _: None)
    return module


def task(ends_in=SOON):
    return {"task": 7, "lease": 3, "input": {"n": 1}, "deadline": (datetime.now(UTC) + ends_in).isoformat()}


def verbs(line):
    return [path.rpartition("/")[2] for path, _ in line.asked]


def test_an_answer_is_sent_again_until_it_is_taken(worker, line):
    line.answers["complete"] = [(LOST, None), (503, {}), (429, {}), (200, {})]
    worker.do(task(), "h")
    assert verbs(line) == ["complete"] * 4
    assert line.asked[0] == line.asked[-1]
    assert line.asked[0][1] == {"lease": 3, "holder": "h", "output": {"echo": {"n": 1}, "by": "far"}}


def test_until_it_is_refused(worker, line):
    line.answers["complete"] = [(LOST, None), (409, {"code": "stale_lease"})]
    worker.do(task(), "h")
    assert verbs(line) == ["complete"] * 2


def test_or_nobody_wants_it(worker, line):
    line.answers["complete"] = [(LOST, None)]
    worker.do(task() | {"stop": True}, "h")
    worker.do(task(ends_in=-SOON), "h")
    assert verbs(line) == ["complete"] * 2


@pytest.mark.parametrize("status", [400, 413, 422])
def test_an_answer_that_is_not_taken_is_a_failure(worker, line, status):
    line.answers["complete"] = [(status, {})]
    worker.do(task(), "h")
    assert verbs(line) == ["complete", "fail"]
    assert line.asked[1][1]["retryable"] is False


@pytest.mark.parametrize("output", [object(), {1, 2}])
def test_so_is_what_is_no_json(worker, line, output):
    worker.work = lambda _: {"output": output}
    worker.do(task(), "h")
    assert verbs(line) == ["fail"]
    assert "not JSON serializable" in line.asked[0][1]["error"]


def test_what_it_raises_is_told_in_short(worker, line):
    def work(_):
        raise OSError("\x1b" + "x" * 5_000)

    worker.work = work
    worker.do(task(), "h")
    assert verbs(line) == ["fail"]
    assert len(line.asked[0][1]["error"]) == 1000


def test_one_that_was_replaced_ends_without_a_crash(worker, line, monkeypatch):
    monkeypatch.setattr(worker.signal, "signal", lambda *_: None)
    me = {"id": 1, "holder": "h", "lease_s": 3, "heartbeat_s": 3}
    line.answers = {"register": [(200, me)], "heartbeat": [(409, {})], "claim": [(409, {})], "goodbye": [(409, {})]}
    beat, has_beaten = worker.beat, threading.Event()

    def rest(_):
        raise InterruptedError

    def beat_once(me):
        with suppress(InterruptedError):
            beat(me)
        has_beaten.set()

    worker.time.sleep, worker.beat = rest, beat_once
    worker.main()
    assert has_beaten.wait(60)
    assert worker.stopping.is_set()
    assert ("agents/1/goodbye", {"holder": "h"}) in line.asked
    (beat,) = (body for path, body in line.asked if path.endswith("heartbeat"))
    assert beat["memory_bytes"] is None or 1_000_000 < beat["memory_bytes"] < 10**11
