"""A process agent: answers with what it was asked. ``python -m agents.examples.echo_worker``.

It shows the whole protocol of docs/agent-protocol.md in the standard library alone. If the input is a table,
``seconds`` in it says how long the answer takes, and ``fail`` that the call fails, with this sentence.
"""

import json
import os
import sys
import threading
import time
from typing import Any

VERSION = "1"

_writing = threading.Lock()
_cancelled: dict[str, threading.Event] = {}


def say(line: dict[str, Any]) -> None:
    """One object a line; the lock keeps answers of several calls apart."""
    with _writing:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def answer(call: dict[str, Any], cancelled: threading.Event) -> None:
    asked = call["input"] if isinstance(call["input"], dict) else {}
    if not cancelled.wait(float(asked.get("seconds", 0))):
        if "fail" in asked:
            say({"id": call["id"], "error": str(asked["fail"]), "retryable": False})
        else:
            output = {"echo": call["input"], "attempt": call["attempt"], "pid": os.getpid(), "at": time.time()}
            say({"id": call["id"], "output": output | call["config"]})
    _cancelled.pop(call["id"], None)


def main() -> None:
    """At the end of the input Python waits for the threads: what has begun is finished."""
    say({"ready": True, "version": VERSION})
    for line in sys.stdin:
        message = json.loads(line)
        if "cancel" in message:
            if message["cancel"] in _cancelled:
                _cancelled[message["cancel"]].set()
        elif "input" in message:
            event = _cancelled[message["id"]] = threading.Event()
            threading.Thread(target=answer, args=(message, event)).start()


if __name__ == "__main__":
    main()
