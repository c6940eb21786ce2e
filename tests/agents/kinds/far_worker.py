"""The worker of docs/remote_worker.py, which behaves as the input of a task tells it; ARGUMENTS are the example's."""

import importlib.util
import json
import os
import time
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "remote_worker.py"
specification = importlib.util.spec_from_file_location("remote_worker", EXAMPLE)
assert specification is not None and specification.loader is not None
example = importlib.util.module_from_spec(specification)
specification.loader.exec_module(example)

GARBLED_WORDS = "The printer\x00 is \ud800 out of paper. " + "Really! " * 500


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else []


def play(task: dict[str, Any]) -> Any:
    with Path(os.environ["JOURNAL"]).open("a") as journal:
        journal.write(json.dumps([task["key"], task["attempt"]]) + "\n")
    match task["input"]["behaviour"]:
        case "answers":
            return {"output": {"echo": "answers"}}
        case "fails":
            return {"error": "The printer is out of paper.", "retry_after_s": 7}
        case "garbled":
            return {"error": GARBLED_WORDS}
        case "refuses":
            return {"error": "There is no such country.", "retryable": False, "fault": "caller"}
        case "sleeps":
            return {"output": time.sleep(60)}
        case "crashes":
            return {"output": 1 / 0}
        case "too large":
            return {"output": "x" * 50_000_000}
        case "too deep":
            return {"output": nested(100)}
        case "nul":
            return {"output": "a\x00b"}


if __name__ == "__main__":
    example.work = play
    example.main()
