"""What an agent elsewhere is sent and may answer, whatever carries it: docs/agent-protocol.md in code. Pure."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from agents.outcomes import Call, Done, Failed, Fault, Outcome, Pending

LONGEST_WAIT_S = 86_400.0
"""The most of a ``retry_after_s`` that we believe."""
KEYS = frozenset({"output", "error", "pending"})
ANSWERS = '{"output": …}, {"error": "a sentence"} or {"pending": "what it waits for"}'


def identifier(call: Call) -> str:
    """The name of one attempt: what it is cancelled and answered by."""
    return f"{call.key}/{call.attempt}"


def message(call: Call) -> dict[str, Any]:
    """The call as it is sent: the agent sees of its configuration only what stands under ``options``."""
    later = {"task": call.task, "lease": call.lease} if call.task else {}
    return {
        "id": identifier(call),
        "key": call.key,
        "attempt": call.attempt,
        "input": call.input,
        "deadline": call.deadline.isoformat(),
        "correlation": call.correlation,
        "config": call.config.get("options") or {},
        **later,
    }


def encode(value: Any) -> bytes:
    """One line of JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def read(text: bytes | str) -> Any:
    """The JSON value in ``text``. Raises ValueError with a sentence that says why there is none."""
    try:
        if isinstance(text, bytes):
            text = text.decode()
        return json.loads(text)
    except RecursionError:
        raise ValueError("Its answer is nested too deep.") from None
    except UnicodeDecodeError:
        raise ValueError("Its answer is not UTF-8.") from None
    except ValueError:
        begins = f"; it begins with {text[:80]!r}" if text else "; it is empty"
        raise ValueError(f"Its answer is not JSON{begins}.") from None


def outcome_of(answer: Any, *, bare: bool = False) -> Outcome:
    """What ``answer`` comes to. If ``bare``, an object without any of :data:`KEYS` is itself the output."""
    if not isinstance(answer, Mapping):
        return broken(f"It answered with a JSON {_kind(answer)}; it should be an object: {ANSWERS}.")
    if answer.get("error") is not None:
        return _failed(answer)
    if answer.get("pending") not in (None, False):
        return Pending(_text(answer["pending"]) or "an answer", seconds(answer.get("within_s")))
    if "output" in answer:
        return Done(answer["output"])
    if bare and not KEYS & answer.keys():
        return Done(dict(answer))
    return broken(f"It answered with neither output nor error; an answer is {ANSWERS}.")


def broken(sentence: str) -> Failed:
    """An agent that does not keep to the protocol; it would not the next time either."""
    return Failed(sentence, retryable=False, fault=Fault.AGENT)


def seconds(value: Any) -> float | None:
    """``value`` as seconds to wait, if it is a number that makes sense."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return min(max(0.0, float(value)), LONGEST_WAIT_S)


def retry_after(header: str) -> float | None:
    """Seconds from a Retry-After header, which gives seconds or a date (RFC 9110, 10.2.3)."""
    header = header.strip()
    if header.isascii() and header.isdecimal():
        return seconds(int(header[:9]))
    try:
        due = parsedate_to_datetime(header)
        due = due if due.tzinfo else due.replace(tzinfo=UTC)
        return seconds((due - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):  # the calendar ends with the year 9999
        return None


def _failed(answer: Mapping[str, Any]) -> Failed:
    fault = Fault.CALLER if answer.get("fault") == "caller" else Fault.AGENT
    retryable = answer.get("retryable")
    return Failed(
        _text(answer["error"]) or "It failed without a word.",
        retryable=retryable if isinstance(retryable, bool) else fault == Fault.AGENT,
        fault=fault,
        retry_after_s=seconds(answer.get("retry_after_s")),
    )


def _text(value: Any) -> str:
    if isinstance(value, Mapping) and isinstance(value.get("message"), str):
        value = value["message"]
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).strip()


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "list"
    return "text" if isinstance(value, str) else "null" if value is None else "value that is no object"
