"""One call of one agent, as a value passed through named steps: resolve, perform in time, classify.

Whatever an agent does, a call comes back as an Outcome; only the cancellation of the call itself passes through.
"""

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings

from agents.kinds import KINDS
from agents.outcomes import AgentError, Call, Done, Failed, Fault, Outcome
from agents.printable import printable
from orchestra.kernel.secrets import MASK

logger = logging.getLogger(__name__)
OUTPUT_LIMIT = 1024 * 1024
MESSAGE_LIMIT = 1000
WAITS_FOR_LIMIT = 200
MAX_DEPTH = 32
LARGEST_INTEGER = 2**63
SHORTEST_SECRET = 4
"""What is shorter would be found in every other word."""


async def invoke(kind: str, call: Call, *, timeout_s: float) -> Outcome:
    """Perform ``call`` by an agent of ``kind`` within ``timeout_s`` seconds."""
    outcome = await _performed(kind, call, timeout_s)
    if isinstance(outcome, Done):
        fault = fault_of(outcome.output)
        return Failed(fault, retryable=False, fault=Fault.AGENT, usage=outcome.usage) if fault else outcome
    hidden = _hidden(call.secrets)
    if isinstance(outcome, Failed):
        return replace(outcome, message=_readable(outcome.message, hidden, MESSAGE_LIMIT))
    return replace(outcome, waits_for=_readable(outcome.waits_for, hidden, WAITS_FOR_LIMIT))


async def _performed(kind: str, call: Call, timeout_s: float) -> Outcome:
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            return await KINDS[kind].perform(call.config, call)
    except AgentError as error:
        return Failed(
            str(error),
            retryable=error.retryable,
            fault=error.fault,
            retry_after_s=error.retry_after_s,
            usage=error.usage,
        )
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return _crashed(kind, error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the agent's edge: whatever it raises is its outcome
        if limit.expired() and isinstance(error, TimeoutError):
            return Failed(f"It did not answer within {timeout_s:g} s.", retryable=True, fault=Fault.TIMEOUT)
        return _crashed(kind, error)


def _crashed(kind: str, error: BaseException) -> Failed:
    logger.warning("An agent of kind %s raised %s", kind, type(error).__name__, exc_info=error)
    return Failed(f"It crashed with {type(error).__name__}: {error}", retryable=True, fault=Fault.AGENT)


def _hidden(secrets: Mapping[str, Any]) -> Sequence[str]:
    """What nobody may read, longest first: each secret, and what follows ``Bearer`` or ``X-API-Key:`` in it."""
    known = [value.strip() for value in (*secrets.values(), settings.OPENAI_API_KEY) if isinstance(value, str)]
    parts = {value.split(maxsplit=words)[-1] for value in known if value for words in range(3)}
    return sorted((part for part in parts if len(part) >= SHORTEST_SECRET), key=len, reverse=True)


def _readable(text: str, hidden: Sequence[str], longest: int) -> str:
    """What an agent says in words, as it may be stored and shown: without secrets, printable, and short."""
    for secret in hidden:
        text = text.replace(secret, MASK)
    return printable(text, longest)


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
