"""What a language model is asked: templates filled with the input of a step, and how many tokens that is. Pure.

A template picks from the input by JMESPath in ``{{ … }}``; it runs no code, and what it puts in is not read again.
"""

import json
from collections.abc import Mapping
from typing import Any

from orchestra.kernel import queries

MOST_CHARACTERS = 1_000_000
BYTES_A_TOKEN = 4
"""What English text comes to in the usual vocabularies: good enough to tell what a server did not count."""
FRAME_TOKENS = 16
"""The most that a message costs beside its text: its role and its marks."""

Message = dict[str, str]


class PromptError(Exception):
    """A prompt cannot be made of this input; the message says why."""


def fault_of_template(text: str) -> str:
    """Why ``text`` is no template, or nothing."""
    return queries.fault_of_template(text) if queries.is_template(text) else ""


def messages(system: str, prompt: str, value: Any) -> list[Message]:
    """What is sent: the system's text, if any, and the prompt; an empty prompt is the whole input as JSON.

    Raises :class:`PromptError` where a template does not fit the input, or the text would be too long.
    """
    try:
        asked = queries.fill(prompt, value, _text_of) if prompt.strip() else _json_of(value)
        told = queries.fill(system, value, _text_of) if system.strip() else ""
    except queries.ExpressionError as error:
        raise PromptError(f"The prompt does not fit this input: {error}") from error
    if len(asked) + len(told) > MOST_CHARACTERS:
        raise _too_long()
    first: list[Message] = [{"role": "system", "content": told}] if told else []
    return [*first, {"role": "user", "content": asked}]


def tokens_at_most(asked: list[Message], schema: Mapping[str, Any] | None = None) -> int:
    """More tokens than the messages can have: a token is a byte at least; a schema is read by the model as well."""
    texts = [message["content"] for message in asked]
    framed = FRAME_TOKENS * (len(texts) + 1)
    return framed + sum(_bytes_of(text) for text in texts) + (_bytes_of(json.dumps(schema)) if schema else 0)


def tokens_about(*texts: str) -> int:
    """About how many tokens the texts have."""
    return sum(-(-_bytes_of(text) // BYTES_A_TOKEN) for text in texts)


def _bytes_of(text: str) -> int:
    return len(text.encode(errors="replace"))


def _text_of(value: Any) -> str:
    """Texts as they are; anything else as JSON."""
    return value if isinstance(value, str) else _json_of(value)


def _json_of(value: Any) -> str:
    """As JSON, given up as soon as it is too long: a query may hold its input many times over."""
    parts, length = [], 0
    for part in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        length += len(part)
        if length > MOST_CHARACTERS:
            raise _too_long()
        parts.append(part)
    return "".join(parts)


def _too_long() -> PromptError:
    return PromptError(f"The prompt would have over {MOST_CHARACTERS:,} characters; give the step less input.")
