"""Language models: any server that speaks the chat completions of OpenAI. docs/language-models.md is for operators."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import httpx2
from django.conf import settings

from agents import prompts
from agents.kinds import protocol
from agents.kinds.base import ConfigFault, fault_of_address, faults_of_schema
from agents.kinds.completions import Answer
from agents.outcomes import AgentError, Call, Done, Fault, Outcome, Usage
from agents.prices import Budget, Estimate, Prices
from agents.prompts import Message
from orchestra.kernel import outgoing, schemas

BODY_LIMIT = 32 * 1024 * 1024
"""A streamed answer is a few hundred bytes for each token; the text in it may have 1 MB."""
WHOLE_LIMIT = 8 * 1024 * 1024
"""Of an answer in one piece, which is read in one go."""
SPARE_PIECES = 1000
"""A stream has about a piece for each token; so many more than twice that say nothing, or nothing that was asked."""
PIECES_A_TURN = 20
"""After so many pieces others on the loop have their turn, however fast they come."""
MAX_TOKENS = 1024
REPORT_S = 0.25
OFFICIAL = "api.openai.com"
MINE = frozenset({"context_length_exceeded", "content_filter", "content_policy_violation"})
"""Codes of 400 that are about the input, not about how the agent is set up."""
REASON_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent for one call."""

    messages: list[Message]
    schema: Mapping[str, Any] | None
    most: int
    """The most tokens that the answer may have."""
    temperature: float | None


@dataclass(frozen=True, slots=True)
class Server:
    """Where it is sent, and the model there."""

    url: str
    model: str
    key: str = field(repr=False)

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or self.url


def _text(title: str, description: str, longest: int, **more: Any) -> dict[str, Any]:
    return {"type": "string", "title": title, "description": description, "maxLength": longest, **more}


def _amount(title: str, description: str, most: float) -> dict[str, Any]:
    return {"type": "number", "title": title, "description": description, "minimum": 0, "maximum": most}


class LLMKind:
    """Configuration: the server and its model, what it is asked and must answer, its prices and budgets."""

    schema: Mapping[str, Any] = {
        "type": "object",
        "properties": {
            "base_url": _text(
                "Server", "For example https://llm.example/v1; empty: OPENAI_BASE_URL.", 500, format="uri"
            ),
            "model": _text("Model", "As the server calls it; empty: OPENAI_MODEL.", 100),
            "system": _text("System message", "Who it is and how it answers. {{ customer.name }} picks input.", 20_000),
            "prompt": _text(
                "Prompt", "What it is asked. {{ order.total }} picks from the input; empty: all of it as JSON.", 20_000
            ),
            "output_schema": {
                "type": "object",
                "title": "Schema of the answer",
                "description": "A JSON Schema that its answer must fit; empty: the answer is a text.",
            },
            "temperature": _amount("Temperature", "0: the same answer each time; empty: the server's choice.", 2),
            "max_tokens": {
                "type": "integer",
                "title": "Most tokens of an answer",
                "description": f"Longer ones are cut off, which fails the step; empty: {MAX_TOKENS:,}.",
                "minimum": 1,
                "maximum": 1_000_000,
            },
            "stream": {
                "type": "boolean",
                "title": "Stream",
                "description": "Show the answer on the run's page while it is written; yes unless said otherwise.",
            },
            "price_in": _amount("Price of a million tokens in", "What the prompt costs.", 1_000_000),
            "price_out": _amount("Price of a million tokens out", "What the answer costs.", 1_000_000),
            "currency": _text("Currency", "A word such as EUR, for the pages.", 10, pattern=r"^\S*$"),
            "budget_per_run": _amount("Budget for a run", "What its calls for one run may cost together.", 1_000_000),
            "budget_per_day": _amount("Budget for a day", "What its calls of one day may cost together.", 1_000_000),
        },
        "additionalProperties": False,
    }
    secrets: Mapping[str, str] = {
        "api_key": "The server's key; empty: OPENAI_API_KEY, if the server is that of OPENAI_BASE_URL.",
    }

    def faults(self, config: Mapping[str, Any]) -> list[ConfigFault]:
        return faults_of_schema(self.schema, config) or list(_further_faults(config))

    async def perform(self, config: Mapping[str, Any], call: Call) -> Outcome:
        question, server = question_of(config, call.input), server_of(config, call.secrets)
        answer = Answer(question.messages, server.model, Prices.of(config))
        openai = await _library()
        streams = config.get("stream", True)
        client = _plain_client(openai)(
            base_url=server.url,
            api_key=server.key or "none",
            admin_api_key="",
            max_retries=0,
            http_client=outgoing.client(BODY_LIMIT if streams else WHOLE_LIMIT),
        )
        request = _request(question, server, call)
        try:
            if streams:
                await _follow(client, request, answer, call, question.most)
            else:
                raw = await client.chat.completions.with_raw_response.create(**request)
                answer.take(protocol.read(raw.http_response.content))
        except openai.APIStatusError as error:
            raise _refused(server, error) from None
        except openai.APIConnectionError as error:
            raise _broken_off(server, answer, error.__cause__ or error) from None
        except openai.APIError as error:  # told in the midst of a stream
            raise AgentError(_said(server, error.message), usage=answer.usage) from None
        except httpx2.HTTPError as error:
            raise _broken_off(server, answer, error) from None
        except ValueError:  # what should have been JSON
            raise answer.junk() from None
        return Done(answer.output(question.schema, question.most), answer.usage)


def question_of(config: Mapping[str, Any], value: Any) -> Question:
    """What an agent with ``config`` asks about the input ``value``; raises AgentError if it cannot."""
    try:
        asked = prompts.messages(config.get("system") or "", config.get("prompt") or "", value)
    except prompts.PromptError as error:
        raise AgentError(str(error), retryable=False, fault=Fault.CALLER, usage=Usage()) from error
    most = config.get("max_tokens") or MAX_TOKENS
    return Question(asked, config.get("output_schema") or None, most, config.get("temperature"))


def estimate_of(config: Mapping[str, Any], value: Any) -> Estimate:
    """The most that a call may cost; raises AgentError if it cannot be made."""
    question = question_of(config, value)
    tokens_in = prompts.tokens_at_most(question.messages, question.schema)
    return Estimate(tokens_in, question.most, Prices.of(config).cost(tokens_in, question.most))


def server_of(config: Mapping[str, Any], secrets: Mapping[str, Any]) -> Server:
    """The server of an agent; what it does not say is that of the settings. Their key goes to their server only."""
    url, model = config.get("base_url") or settings.OPENAI_BASE_URL, config.get("model") or settings.OPENAI_MODEL
    missing = _missing(url, model)
    if missing:
        raise AgentError(missing[1], retryable=False, usage=Usage())
    is_ours = url.rstrip("/") == settings.OPENAI_BASE_URL.rstrip("/")
    return Server(url, model, secrets.get("api_key") or (settings.OPENAI_API_KEY if is_ours else ""))


def _missing(url: str, model: str) -> tuple[str, str] | None:
    if not url:
        return "base_url", "Give the server's address; OPENAI_BASE_URL of the settings has none either."
    if not model:
        return "model", "Name the model; OPENAI_MODEL of the settings names none either."
    return None


def _further_faults(config: Mapping[str, Any]) -> Iterator[ConfigFault]:
    url, model = config.get("base_url") or settings.OPENAI_BASE_URL, config.get("model") or settings.OPENAI_MODEL
    if missing := _missing(url, model):
        yield ConfigFault(f"config.{missing[0]}", missing[1])
    if config.get("base_url") and (fault := fault_of_address(config["base_url"], "api_key")):
        yield ConfigFault("config.base_url", fault)
    for name in ("system", "prompt"):
        if fault := prompts.fault_of_template(config.get(name) or ""):
            yield ConfigFault(f"config.{name}", fault)
    if config.get("output_schema") and (fault := schemas.fault_of_schema(config["output_schema"])):
        yield ConfigFault("config.output_schema", fault)
    budget, prices = Budget.of(config), Prices.of(config)
    if not prices.tokens_in and not prices.tokens_out:
        for name, limit in (("budget_per_run", budget.per_run), ("budget_per_day", budget.per_day)):
            if limit is not None:
                yield ConfigFault(f"config.{name}", "Give the prices too: without them a budget limits nothing.")


async def _library() -> ModuleType:
    """The client's package: most of a second to read, which must not stand in the way of other calls."""
    return await asyncio.to_thread(_import)


def _import() -> ModuleType:
    import openai

    return openai


@cache
def _plain_client(openai: ModuleType) -> Any:
    """The library's client without what it reads from the environment for itself and would send to any server."""

    class Orchestra(openai.AsyncOpenAI):  # type: ignore[name-defined]  # the name goes into User-Agent
        @property
        def default_headers(self) -> dict[str, str]:
            return {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": self.user_agent}

    return Orchestra


def _request(question: Question, server: Server, call: Call) -> dict[str, Any]:
    most = "max_completion_tokens" if server.host == OFFICIAL else "max_tokens"  # what others know it by
    request: dict[str, Any] = {"model": server.model, "messages": question.messages, most: question.most}
    # For the server's log. No idempotency key: after an answer that did not fit, the same one is not wanted again.
    request["extra_headers"] = {"X-Client-Request-Id": protocol.identifier(call)}
    if question.temperature is not None:
        request["temperature"] = question.temperature
    if question.schema is not None:
        wanted = {"name": "output", "schema": question.schema}
        request["response_format"] = {"type": "json_schema", "json_schema": wanted}
    return request


async def _follow(client: Any, request: dict[str, Any], answer: Answer, watched: Call, most: int) -> None:
    """Send the request and gather the answer of at most ``most`` tokens; ``watched`` is told of it as it grows."""
    stream = await client.chat.completions.create(**request, stream=True, stream_options={"include_usage": True})
    async with stream:
        if "event-stream" not in stream.response.headers.get("Content-Type", "event-stream"):
            answer.take(protocol.read(await stream.response.aread()))  # it does not stream, and answers all the same
            return
        reported, pieces = 0.0, 0
        async for piece in stream:
            pieces += 1
            if pieces > 2 * most + SPARE_PIECES:
                raise answer.endless(pieces)
            if pieces % PIECES_A_TURN == 0:
                await asyncio.sleep(0)
            told = piece.to_dict(warnings=False) if hasattr(piece, "to_dict") else piece
            if answer.take(told) and time.monotonic() - reported > REPORT_S:
                watched.report(answer.text)
                reported = time.monotonic()


def _refused(server: Server, error: Any) -> AgentError:
    """An answer of 4xx or 5xx: by the status, whether a retry helps and whose fault it is."""
    status, code = error.status_code, _code(error.body)
    said = _said(server, _reason(error), status)
    wait_s = protocol.retry_after(error.response.headers.get("Retry-After", ""))
    if status == 429 and code != "insufficient_quota":
        return AgentError(said, fault=Fault.CALLER, retry_after_s=wait_s, usage=Usage())
    if status >= 500 or status in {408, 409, 425}:
        return AgentError(said, retry_after_s=wait_s, usage=Usage())
    fault = Fault.CALLER if code in MINE else Fault.AGENT
    return AgentError(said, retryable=False, fault=fault, usage=Usage())


def _said(server: Server, reason: str, status: int = 0) -> str:
    hints = {
        401: "; set its secret api_key",
        403: "; its key may not do this",
        404: f"; look at base_url and at the model {server.model}",
    }
    answered = f"{server.host} answered with {status}" if status else f"{server.host} broke off"
    return f"{answered}: {reason}".removesuffix(": ").rstrip(".") + hints.get(status, "") + "."


def _reason(error: Any) -> str:
    """What the body says in words; ``body`` is what stood under ``error`` in it, or the whole of it."""
    body = error.body
    if isinstance(body, Mapping):
        body = body.get("message") or body.get("error") or body.get("detail") or ""
    return body.strip()[:REASON_LIMIT] if isinstance(body, str) else ""


def _code(body: Any) -> str:
    return str(body.get("code") or body.get("type") or "") if isinstance(body, Mapping) else ""


def _broken_off(server: Server, answer: Answer, cause: BaseException) -> AgentError:
    """The call did not come through: nothing was spent if it never got there."""
    if isinstance(cause, outgoing.OutgoingError):
        return AgentError(str(cause), retryable=False, usage=answer.usage if answer.text else Usage())
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout):
        fault = Fault.TIMEOUT if isinstance(cause, httpx2.ConnectTimeout) else Fault.AGENT
        return AgentError(str(cause) or f"{server.host} could not be reached.", fault=fault, usage=Usage())
    said = f"The connection to {server.host} broke off: {str(cause) or type(cause).__name__}."
    return AgentError(said, usage=answer.usage)
