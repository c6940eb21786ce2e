"""One call of one agent, as a value passed through named steps: resolve, perform in time, classify.

Whatever an agent does, a call comes back as an Outcome; only the cancellation of the call itself passes through.
"""

import asyncio
import logging
import math
import re
from typing import Any

from agents.kinds import KINDS
from agents.outcomes import AgentError, Call, Done, Failed, Fault, Outcome

logger = logging.getLogger(__name__)
OUTPUT_LIMIT = 1024 * 1024
MESSAGE_LIMIT = 1000
MAX_DEPTH = 32
LARGEST_INTEGER = 2**63
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


async def invoke(kind: str, call: Call, *, timeout_s: float) -> Outcome:
    """Perform ``call`` by an agent of ``kind`` within ``timeout_s`` seconds."""
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            outcome = await KINDS[kind].perform(call.config, call)
    except AgentError as error:
        return Failed(_printable(str(error)), retryable=error.retryable, fault=error.fault)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return _crashed(kind, error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the agent's edge: whatever it raises is its outcome
        if limit.expired() and isinstance(error, TimeoutError):
            return Failed(f"It did not answer within {timeout_s:g} s.", retryable=True, fault=Fault.TIMEOUT)
        return _crashed(kind, error)
    return _checked(outcome)


def _crashed(kind: str, error: BaseException) -> Failed:
    logger.warning("An agent of kind %s raised %s", kind, type(error).__name__, exc_info=error)
    return Failed(_printable(f"It crashed with {type(error).__name__}: {error}"), retryable=True, fault=Fault.AGENT)


def _printable(message: str) -> str:
    """``message`` as both databases can store it, and short enough to read."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", message)[:MESSAGE_LIMIT]


def _checked(outcome: Outcome) -> Outcome:
    if not isinstance(outcome, Done):
        return outcome
    fault = fault_of(outcome.output)
    return Failed(fault, retryable=False, fault=Fault.AGENT) if fault else outcome


def fault_of(output: Any) -> str:
    """Why ``output`` is not JSON that both databases can store, or nothing. Looks at no more than the limit allows."""
    size, rest = 0, [(output, 0)]
    while rest:
        value, depth = rest.pop()
        size += len(value) if isinstance(value, str) else 1
        if size > OUTPUT_LIMIT:
            return "Its answer is larger than 1 MB."
        if depth > MAX_DEPTH:
            return f"Its answer is nested more than {MAX_DEPTH} levels deep."
        if isinstance(value, dict):
            if not all(isinstance(key, str) for key in value):
                return "Its answer has a key that is not a text."
            rest += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list | tuple):
            rest += [(part, depth + 1) for part in value]
        elif fault := _fault_of_scalar(value):
            return fault
    return ""


def _fault_of_scalar(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, str):
        return _fault_of_text(value)
    if isinstance(value, int):
        return "" if abs(value) < LARGEST_INTEGER else "Its answer holds a whole number of more than 64 bits."
    if isinstance(value, float):
        return "" if math.isfinite(value) else "Its answer holds a number that JSON does not know."
    return f"Its answer holds a value of type {type(value).__name__}, which is not JSON."


def _fault_of_text(text: str) -> str:
    if "\x00" in text:
        return "Its answer holds a NUL character."
    try:
        text.encode()
    except UnicodeEncodeError:
        return "Its answer holds half of a surrogate pair."
    return ""
