"""A process agent that behaves as the input of a call tells it: ``python -m tests.agents.kinds.wild_worker [MODE]``.

Modes are ways to begin badly: ``dies``, ``silent`` (never says that it is ready), ``noisy`` (writes a log without end),
``deaf`` (reads nothing), ``stays`` (goes on after SIGTERM and the end of its input), ``garbles`` (its version, and its
last words at the first call, are not to be printed).
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

GARBLED_WORDS = "The printer\x00 is \ud800 out of paper. " + "Really! " * 500
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
_writing = threading.Lock()


def write(text: str) -> None:
    with _writing:
        sys.stdout.write(text)
        sys.stdout.flush()


def say(call: dict[str, Any], **answer: Any) -> None:
    write(json.dumps({"id": call["id"], **answer}) + "\n")


def note(call: dict[str, Any]) -> None:
    """One line a call, which is whole whatever happens next."""
    if journal := call["config"].get("journal"):
        with Path(journal).open("a") as file:
            file.write(json.dumps([call["key"], call["attempt"]]) + "\n")


def play(call: dict[str, Any]) -> None:  # noqa: C901, PLR0912, PLR0915  a table of what can be asked
    note(call)
    asked = call["input"]
    match asked["behaviour"]:
        case "fails":
            say(call, error="The printer is out of paper.", retry_after_s=7)
        case "refuses":
            say(call, error="There is no such country.", fault="caller")
        case "sleeps":
            time.sleep(60)
        case "naps":
            time.sleep(asked["seconds"])
            say(call, output={"slept": asked["seconds"]})
        case "crashes":
            sys.stderr.write("Traceback:\n  lines\nSomething broke\n")
            sys.stderr.flush()
            os._exit(3)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "not json":
            write("Hello, operator\n")
        case "not an object":
            write("[1, 2]\n")
        case "stranger":
            write('{"id": "somebody/1", "output": 1}\n')
        case "twice":
            say(call, output=1)
            say(call, output=2)
        case "too large":
            write('{"id": "' + call["id"] + '", "output": "' + "x" * 50_000_000 + '"}\n')
        case "endless":
            while True:
                write(" " * 65536)
        case "blank lines":
            write("\n" * 300_000)
            say(call, output={"lines": 300_000})
        case "too deep":
            write('{"id": "' + call["id"] + '", "output": ' + "[" * 100 + "]" * 100 + "}\n")
        case "nul":
            say(call, output={"text": "a\x00b"})
        case "garbled":
            say(call, error=GARBLED_WORDS)
        case "garbled pending":
            say(call, pending=GARBLED_WORDS)
        case "pending":
            say(call, pending="the night run")
        case "closes":
            os.close(1)
            time.sleep(600)
        case "family":
            plain = subprocess.Popen(SLEEP)
            apart = subprocess.Popen(SLEEP, start_new_session=True)
            orphan = subprocess.run(
                [sys.executable, "-c", f"import subprocess; print(subprocess.Popen({SLEEP!r}, stdout=-3).pid)"],
                stdout=subprocess.PIPE,
                check=True,
            )
            say(call, output={"pids": [os.getpid(), plain.pid, apart.pid, int(orphan.stdout)]})
        case "works":
            until = time.monotonic() + asked["seconds"]
            while time.monotonic() < until:
                pass
            say(call, output={})
        case "big":
            say(call, output={"text": "x" * asked["characters"]})
        case _:
            say(call, output={"echo": asked["behaviour"]})


def read_slowly() -> None:
    """Take what comes, but not soon."""
    while True:
        time.sleep(600)


def main() -> None:
    mode = sys.argv[1] if len(sys.argv) > 1 else ""
    if mode == "dies":
        sys.exit("I will not work.")
    if mode == "silent":
        read_slowly()
    if mode == "noisy":
        threading.Thread(target=shout, daemon=True).start()
    if mode == "stays":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    version = "wild\ud800\x00-1" if mode == "garbles" else "wild-1"
    write(json.dumps({"ready": True, "version": version}) + "\n")
    if mode == "garbles":
        sys.stdin.readline()
        sys.exit("I will\x00 not work.")
    if mode == "deaf":
        read_slowly()
    for line in sys.stdin:
        call = json.loads(line)
        if "cancel" not in call:
            threading.Thread(target=play_safely, args=[call], daemon=True).start()
    if mode == "stays":
        read_slowly()


def play_safely(call: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):
        play(call)


def shout() -> None:
    with suppress(BrokenPipeError):
        while True:
            sys.stderr.write("I am still here. " * 1000 + "\n")


if __name__ == "__main__":
    main()
