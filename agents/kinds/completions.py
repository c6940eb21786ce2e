"""What a server of chat completions answers, piece by piece or at once, read without trusting it. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any

from agents.outcomes import AgentError, Fault, Usage
from agents.prices import Prices
from agents.printable import printable
from agents.prompts import Message, tokens_about
from orchestra.kernel import schemas

TEXT_LIMIT = 1024 * 1024
MOST_TOKENS = 2**31 - 1
"""A server that counts more does not count."""
_FENCED = re.compile(r"\s*```[A-Za-z]*\s*\n(.*)\n\s*```\s*", re.DOTALL)


class Answer:
    """Gathers the text, how it ended, and what the server counted."""

    def __init__(self, asked: list[Message], model: str, prices: Prices) -> None:
        self.asked, self.model, self.prices = asked, model, prices
        self.finish = ""
        self.counted: tuple[int, int] | None = None
        self._pieces: list[str] = []
        self._refusals: list[str] = []
        self._length = 0

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def take(self, told: Any) -> bool:
        """Take in an answer, or a piece of a streamed one; whether the text has grown. Raises AgentError on junk."""
        if not isinstance(told, Mapping) or not isinstance(told.get("choices") or [], list):
            raise self.junk()
        if isinstance(model := told.get("model"), str) and model:
            self.model = printable(model, 100)
        self.counted = _counted(told.get("usage")) or self.counted
        for choice in (told.get("choices") or [])[:1]:
            if not isinstance(choice, Mapping):
                raise self.junk()
            return self._take_choice(choice)
        return False

    def junk(self) -> AgentError:
        """The error for what is no answer of such a server."""
        sentence = "It answered with something that is no chat completion; base_url should end in /v1 or alike."
        return AgentError(sentence, retryable=False, usage=self.usage)

    def endless(self, pieces: int) -> AgentError:
        """The error for a stream that goes on although all that was asked for must have been said."""
        return self._failed(f"Its stream went on after {pieces:,} pieces, far beyond max_tokens; it was cut off.")

    @property
    def usage(self) -> Usage:
        """What the server counted; else what it comes to about, marked as such."""
        tokens_in, tokens_out = self.counted or (
            tokens_about(*(message["content"] for message in self.asked)),
            tokens_about(self.text, *self._refusals),
        )
        cost = float(self.prices.cost(tokens_in, tokens_out))
        return Usage(tokens_in, tokens_out, cost, self.model, is_estimated=self.counted is None)

    def output(self, schema: Mapping[str, Any] | None, most: int) -> Any:
        """What the agent answers with; raises AgentError where the model did not answer, or not as it should."""
        if refusal := "".join(self._refusals).strip():
            raise self._failed(f"The model refused: {refusal[:500]}", fault=Fault.CALLER)
        if self.finish == "content_filter":
            raise self._failed("The server's content filter stopped it; change the input.", fault=Fault.CALLER)
        if self.finish == "length":
            raise self._failed(
                f"The answer was cut off at {most:,} tokens; raise max_tokens of the agent, or ask for less."
            )
        if not self.finish:
            raise self._failed("The answer broke off before its end.", retryable=True)
        return {"text": self.text} if schema is None else self._fitting(schema)

    def _take_choice(self, choice: Mapping[str, Any]) -> bool:
        said = choice.get("delta") or choice.get("message") or {}
        if not isinstance(said, Mapping):
            raise self.junk()
        text, refusal = said.get("content"), said.get("refusal")
        if isinstance(finish := choice.get("finish_reason"), str):
            self.finish = finish
        if isinstance(refusal, str):
            self._add(self._refusals, refusal)
        if not isinstance(text, str) or not text:
            return False
        self._add(self._pieces, text)
        return True

    def _add(self, pieces: list[str], text: str) -> None:
        self._length += len(text)
        if self._length > TEXT_LIMIT:
            raise self._failed("Its answer is larger than 1 MB.")
        pieces.append(text)

    def _fitting(self, schema: Mapping[str, Any]) -> Any:
        """The text as JSON that fits ``schema``; models like to wrap it in a fence, which is not held against them."""
        fenced = _FENCED.fullmatch(self.text)
        try:
            value = json.loads(fenced[1] if fenced else self.text, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise self._failed(f"Its answer is not the JSON that was asked for: {error}.", retryable=True) from None
        faults = schemas.faults(schema, value, "output")
        if faults:
            more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
            said = f"Its answer does not fit output_schema at {faults[0]['path']}: {faults[0]['message']}{more}."
            raise self._failed(said, retryable=True)
        return value

    def _failed(self, sentence: str, *, retryable: bool = False, fault: Fault = Fault.AGENT) -> AgentError:
        return AgentError(sentence, retryable=retryable, fault=fault, usage=self.usage)


def _counted(usage: Any) -> tuple[int, int] | None:
    if not isinstance(usage, Mapping):
        return None
    counts = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not all(type(count) is int and 0 <= count <= MOST_TOKENS for count in counts):
        return None
    return counts  # type: ignore[return-value]  # two whole numbers, as was just asked


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")
