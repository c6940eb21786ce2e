"""A worker for Orchestra in the standard library: python remote_worker.py ADDRESS TOKEN NAME CAPABILITY …"""

import json
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from urllib.request import Request, urlopen

URL, TOKEN, NAME, *CAPABILITIES = sys.argv[1:]
HEADERS = {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
SLOTS, MEMORY = 4, Path("/proc/self/statm")
stopping = threading.Event()
working: dict[int, dict] = {}  # the tasks in hand, by number


def work(task: dict) -> dict:
    """What this worker is there for: returns {"output": …}, or {"error": "…", …} as docs/agent-protocol.md has it.

    Once "stop" is in the task, nobody wants it any more.
    """
    time.sleep((task["input"] or {}).get("seconds", 0))
    return {"output": {"echo": task["input"], "by": NAME}}


def post(path: str, **body: object) -> tuple[int, object]:
    """The status of the answer, or 0 if none came, and what it says."""
    try:
        request = Request(f"{URL}/api/v1/{path}/", json.dumps(body).encode(), HEADERS)
        with urlopen(request, timeout=40) as answer:  # longer than the longest claim
            return answer.status, json.load(answer)
    except Exception as error:  # no network, no server, no JSON, or a status that is an error
        print(f"{path}: {error}", flush=True)
        return getattr(error, "code", 0), str(error)


def do(task: dict, holder: str) -> None:
    try:
        answer = dict(work(task))
        json.dumps(answer)
    except Exception as error:  # whatever it is, the server decides what follows
        answer = {"error": f"{type(error).__name__}: {error}"[:1000]}
    ends_at = datetime.fromisoformat(task["deadline"]).timestamp()
    while True:  # until it is taken, or refused: with 409 the task is somebody else's now
        verb = "fail" if "error" in answer else "complete"
        status, said = post(f"tasks/{task['task']}/{verb}", lease=task["lease"], holder=holder, **answer)
        if "stop" in task or time.time() > ends_at or not (status in (0, 400, 413, 422, 429) or status >= 500):
            return
        if status in (400, 413, 422):
            answer = {"error": f"Its answer was not taken: {said}", "retryable": False}
        time.sleep(1)


def serve(me: dict) -> None:
    while not stopping.is_set():
        status, claimed = post(f"agents/{me['id']}/claim", holder=me["holder"], wait_s=5)
        for task in claimed if status == 200 else ():
            working[task["task"]] = task
            do(task, me["holder"])
            del working[task["task"]]
        if status != 200:
            stopping.wait(1)


def beat(me: dict) -> None:
    """Say three times a lease that this worker lives, and what it works on."""
    while True:
        used = int(MEMORY.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if MEMORY.exists() else None
        status, told = post(f"agents/{me['id']}/heartbeat", holder=me["holder"], memory_bytes=used, tasks=list(working))
        for number in told["stop"] if status == 200 else ():
            working.get(number, {})["stop"] = True
        if status == 409:  # another worker registered under this name
            stopping.set()
        time.sleep(min(me["lease_s"], me["heartbeat_s"]) / 3)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    itself = {"max_concurrency": SLOTS, "host": socket.gethostname(), "pid": os.getpid()}
    status, me = post("agents/register", name=NAME, capabilities=CAPABILITIES, **itself)
    if status != 200:
        sys.exit(1)
    threading.Thread(target=beat, args=[me], daemon=True).start()
    with ThreadPoolExecutor(SLOTS) as threads:
        list(threads.map(serve, [me] * SLOTS))  # each ends what it has in hand
    post(f"agents/{me['id']}/goodbye", holder=me["holder"])


if __name__ == "__main__":
    main()
