"""Language models beyond the contract: what is asked and counted, how each failure reads. A real server answers."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from django.utils import timezone

from agents.invoke import invoke
from agents.kinds import KINDS, llm
from agents.outcomes import AgentError, Call, Done, Failed, Fault, Usage
from agents.prices import Prices
from tests.agents.kinds import chat
from tests.agents.kinds.serving import Server, reset, send
from tests.agents.views import WRITER

SCHEMA = {"type": "object", "required": ["price"], "properties": {"price": {"type": "number"}}}

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


class Model:
    """The server's script (``says``), and calls of an agent that asks it."""

    def __init__(self):
        self.says = lambda writer: chat.stream(writer, chat.chunks("Hello there."))
        self.config = {"model": "m"}
        self.secrets = {"api_key": "sk-secret"}
        self.reports = []

    async def play(self, request, writer):
        said = self.says(writer)
        if said is not None:
            await said

    @property
    def request(self):
        return self.server.requests[-1]

    async def ask(self, input_=None, *, timeout_s=60.0, **config):
        deadline = timezone.now() + timedelta(seconds=timeout_s)
        whole = {"base_url": self.server.url + "/v1", **self.config, **config}
        call = Call(input_ or {}, whole, "key-1", 1, deadline, "story", self.secrets, report=self.reports.append)
        return await invoke("llm", call, timeout_s=timeout_s)


@pytest_asyncio.fixture
async def model(settings):
    settings.OUTGOING_ALLOWED = ["127.0.0.1"]
    played = Model()
    async with Server(played.play) as played.server:
        yield played


async def test_the_templates_are_filled_and_all_that_is_set_is_sent(model):
    await model.ask(
        {"name": "Ada", "order": {"lines": [{"sku": "a-1"}]}},
        system="You serve {{ name }}.",
        prompt="Price {{ order.lines[0].sku }} of {{ order }}!",
        output_schema=SCHEMA,
        temperature=0.2,
        max_tokens=77,
    )
    sent = model.request.json()

    assert [message["content"] for message in sent["messages"]] == [
        "You serve Ada.",
        'Price a-1 of {"lines": [{"sku": "a-1"}]}!',
    ]
    assert (sent["model"], sent["max_tokens"], sent["temperature"], sent["stream"]) == ("m", 77, 0.2, True)
    assert sent["stream_options"] == {"include_usage": True}
    assert sent["response_format"] == {"type": "json_schema", "json_schema": {"name": "output", "schema": SCHEMA}}
    assert model.request.path == "/v1/chat/completions"
    assert model.request.headers["authorization"] == "Bearer sk-secret"


async def test_without_a_prompt_the_whole_input_is_asked_as_json(model):
    await model.ask({"a": "ö"})

    assert [message["content"] for message in model.request.json()["messages"]] == ['{"a": "ö"}']


async def test_what_is_put_into_a_template_is_not_read_again(model):
    await model.ask({"a": "{{ b }}", "b": "secret"}, prompt="{{ a }}")

    assert model.request.json()["messages"][0]["content"] == "{{ b }}"


async def test_without_a_schema_the_answer_is_a_text(model):
    assert (await model.ask()).output == {"text": "Hello there."}


async def test_the_servers_count_is_taken_and_priced(model):
    model.says = lambda writer: chat.stream(writer, chat.chunks("Hi.", counted=chat.usage(1000, 20)))
    done = await model.ask(price_in=2.5, price_out=10)

    assert done == Done({"text": "Hi."}, Usage(1000, 20, 0.0027, chat.MODEL))


async def test_what_the_server_does_not_count_is_estimated_and_marked(model):
    done = await model.ask({}, prompt="Twelve bytes", price_in=1_000_000)

    assert done.usage == Usage(3, 3, 3.0, chat.MODEL, is_estimated=True)


@pytest.mark.parametrize("counted", [{"prompt_tokens": -1, "completion_tokens": 1}, {"prompt_tokens": "7"}, [], 10**30])
async def test_a_count_that_is_none_is_not_believed(model, counted):
    model.says = lambda writer: chat.stream(writer, chat.chunks("Hi.", counted=counted or [1]))

    assert (await model.ask()).usage.is_estimated


async def test_the_text_is_reported_while_it_is_written(model):
    async def slowly(writer):
        chat.begin(writer)
        for word in ("One ", "two ", "three"):
            chat.write(writer, chat.event(chat.chunk(content=word)))
            await writer.drain()
            await asyncio.sleep(llm.REPORT_S * 1.5)
        chat.write(writer, chat.event(chat.chunk("stop")))
        chat.end(writer)

    model.says = slowly
    done = await model.ask()

    assert done.output == {"text": "One two three"}
    assert model.reports == ["One ", "One two ", "One two three"]


async def test_an_agent_that_does_not_stream_asks_and_is_answered_at_once(model):
    model.says = lambda writer: send(writer, chat.completion("Hi.", counted=chat.usage(4, 2)))
    done = await model.ask(stream=False)

    assert "stream" not in model.request.json()
    assert done == Done({"text": "Hi."}, Usage(4, 2, 0.0, chat.MODEL))


async def test_a_server_that_does_not_stream_may_answer_at_once_all_the_same(model):
    model.says = lambda writer: send(writer, chat.completion("Hi.", counted=chat.usage(4, 2)))

    assert (await model.ask()).output == {"text": "Hi."}


@pytest.mark.parametrize("text", ['{"price": 4.5}', '```json\n{"price": 4.5}\n```'])
async def test_an_answer_that_fits_its_schema_is_the_output(model, text):
    model.says = lambda writer: chat.stream(writer, chat.chunks(text))

    assert (await model.ask(output_schema=SCHEMA)).output == {"price": 4.5}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"price": "four"}', "output.price"),
        ("{}", "'price' is a required property"),
        ('{"price": NaN}', "NaN"),
        ("Four.", "not the JSON"),
        ("[" * 5000, "not the JSON"),
        ('{"price": ' + "9" * 5000 + "}", "not the JSON"),
    ],
)
async def test_an_answer_that_breaks_its_schema_names_the_place_and_is_asked_for_again(model, text, named):
    model.says = lambda writer: chat.stream(writer, chat.chunks(text, counted=chat.usage(9, 8)))
    failed = await model.ask(output_schema=SCHEMA)

    assert isinstance(failed, Failed)
    assert named in failed.message
    assert (failed.retryable, failed.fault) == (True, Fault.AGENT)
    assert (failed.usage.tokens_in, failed.usage.tokens_out) == (9, 8)


@pytest.mark.parametrize(
    ("finish", "named", "fault"),
    [("length", "raise max_tokens", Fault.AGENT), ("content_filter", "content filter", Fault.CALLER)],
)
async def test_an_answer_that_was_cut_says_why(model, finish, named, fault):
    model.says = lambda writer: chat.stream(writer, chat.chunks("Hel", finish=finish, counted=chat.usage(9, 8)))
    failed = await model.ask()

    assert named in failed.message
    assert (failed.retryable, failed.fault, failed.usage.tokens_out) == (False, fault, 8)


@pytest.mark.parametrize(
    ("status", "retryable", "fault"),
    [
        ("400 Bad Request", False, Fault.AGENT),
        ("401 Unauthorized", False, Fault.AGENT),
        ("403 Forbidden", False, Fault.AGENT),
        ("404 Not Found", False, Fault.AGENT),
        ("408 Request Timeout", True, Fault.AGENT),
        ("429 Too Many Requests", True, Fault.CALLER),
        ("500 Internal Server Error", True, Fault.AGENT),
        ("529 Overloaded", True, Fault.AGENT),
    ],
)
async def test_each_status_says_whether_a_retry_helps_and_whose_fault_it_is(model, status, retryable, fault):
    model.says = lambda writer: chat.error(writer, status, "No such thing as sk-secret", Retry_After="12")
    failed = await model.ask()

    assert (failed.retryable, failed.fault) == (retryable, fault)
    assert f"127.0.0.1 answered with {status[:3]}: No such thing as ••••" in failed.message
    assert failed.retry_after_s == (12 if retryable else None)
    assert failed.usage == Usage()


async def test_nothing_that_the_library_reads_from_the_environment_goes_along(model, monkeypatch):
    for name in ("ORG_ID", "PROJECT_ID", "ADMIN_KEY", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"OPENAI_{name}", "of-the-environment")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Corp: of-the-environment\nAuthorization: Bearer of-the-environment")
    model.secrets = {}
    await model.ask()

    assert "of-the-environment" not in str(model.request.headers)
    assert model.request.headers["authorization"] == "Bearer none"
    assert not {"openai-organization", "openai-project", "x-corp"} & model.request.headers.keys()


def test_neither_key_nor_secrets_stand_in_what_is_logged_of_a_server_or_an_agent():
    assert "t0p-secret" not in repr(llm.Server("https://llm.example/v1", "m", "t0p-secret"))
    assert "t0p-secret" not in repr(replace(WRITER, secrets={"api_key": "t0p-secret"}))


async def test_the_name_of_the_model_can_be_stored(model):
    name = "m\ud800\x00" + "x" * 200
    model.says = lambda writer: chat.stream(writer, [piece | {"model": name} for piece in chat.chunks("Hi.")])
    done = await model.ask()

    assert done.usage.model == "m\ufffd\ufffd" + "x" * 97


async def test_an_answer_that_cannot_be_stored_was_paid_all_the_same(model):
    said = chat.chunks(json.dumps({"text": "a\x00b"}), counted=chat.usage(5, 7))
    model.says = lambda writer: chat.stream(writer, said)
    failed = await model.ask(output_schema={"type": "object"})

    assert failed.message == "Its answer holds a NUL character."
    assert (failed.usage.tokens_in, failed.usage.tokens_out) == (5, 7)


async def test_a_connection_that_broke_off_without_a_word_is_named_by_what_happened(model):
    async def breaks_off(writer):
        chat.begin(writer)
        await writer.drain()
        reset(writer)

    model.says = breaks_off

    assert (await model.ask()).message == "The connection to 127.0.0.1 broke off: ReadError."


async def test_a_stream_that_says_nothing_without_end_is_cut_off(model):
    model.says = lambda writer: chat.stream(writer, [{"choices": []}] * (2 * 10 + llm.SPARE_PIECES + 1))
    failed = await model.ask(max_tokens=10)

    assert "Its stream went on after 1,021 pieces" in failed.message
    assert not failed.retryable
    assert failed.usage.is_estimated


async def test_however_fast_a_stream_comes_others_on_the_loop_have_their_turn(model, monkeypatch):
    """Counted in turns of another task, not in time."""
    turns, taken = 0, []

    async def another():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    class Counting(llm.Answer):
        def take(self, told):
            taken.append(turns)
            return super().take(told)

    async def all_at_once(writer):
        writer.write(HEAD + b"".join(map(chat.event, chat.chunks("x" * 1000, pieces=1000))))
        await writer.drain()
        writer.close()

    monkeypatch.setattr(llm, "Answer", Counting)
    model.says = all_at_once
    other = asyncio.create_task(another())
    done = await model.ask()
    other.cancel()

    assert done.output == {"text": "x" * 1000}
    assert len(set(taken)) >= 1000 / llm.PIECES_A_TURN


@pytest.mark.parametrize(("code", "fault"), [("context_length_exceeded", Fault.CALLER), ("", Fault.AGENT)])
async def test_an_input_that_is_too_long_for_the_model_is_the_callers_fault(model, code, fault):
    model.says = lambda writer: chat.error(writer, "400 Bad Request", "Too long.", code)

    assert (await model.ask()).fault == fault


async def test_no_credit_left_is_not_tried_again(model):
    model.says = lambda writer: chat.error(writer, "429 Too Many Requests", "No credit.", "insufficient_quota")

    assert not (await model.ask()).retryable


async def test_an_error_in_the_midst_of_a_stream_is_told_and_what_was_written_is_counted(model):
    said = [chat.chunk(content="Half of it"), {"error": {"message": "The engine stopped."}}]
    model.says = lambda writer: chat.stream(writer, said)
    failed = await model.ask()

    assert "The engine stopped." in failed.message
    assert failed.retryable
    assert failed.usage.tokens_out == 3
    assert failed.usage.is_estimated


async def test_an_answer_without_an_end_is_no_answer(model):
    model.says = lambda writer: chat.stream(writer, chat.chunks("Half", finish=None))
    failed = await model.ask()

    assert "broke off" in failed.message
    assert failed.retryable


@pytest.mark.parametrize(
    "junk", ["5", '"x"', "[]", '{"choices": 7}', '{"choices": [7]}', '{"choices": [{"delta": 7}]}']
)
@pytest.mark.parametrize("streams", [True, False])
async def test_junk_is_called_junk(model, junk, streams):
    def says(writer):
        if streams:
            chat.begin(writer)
            chat.write(writer, chat.event(junk))
            chat.end(writer)
        else:
            send(writer, junk.encode())

    model.says = says
    failed = await model.ask(stream=streams)

    assert isinstance(failed, Failed), failed
    assert "no chat completion" in failed.message
    assert (failed.retryable, failed.fault) == (False, Fault.AGENT)


async def test_a_server_that_is_not_there_costs_nothing_and_is_tried_again(model):
    failed = await model.ask(base_url="http://127.0.0.1:1/v1")

    assert "127.0.0.1" in failed.message
    assert (failed.retryable, failed.fault, failed.usage) == (True, Fault.AGENT, Usage())


async def test_an_address_that_may_not_be_called_is_not_tried_again(model, settings):
    settings.OUTGOING_ALLOWED = []
    failed = await model.ask()

    assert (failed.retryable, failed.usage) == (False, Usage())
    assert model.server.connections == 0


async def test_a_cancelled_call_closes_its_connection(model):
    gone = asyncio.Event()

    async def endless(writer):
        chat.begin(writer)
        try:
            while True:
                chat.write(writer, chat.event(chat.chunk(content="x")))
                await writer.drain()
                await asyncio.sleep(0.01)
        finally:
            gone.set()

    model.says = endless
    failed = await model.ask(timeout_s=0.5)
    await asyncio.wait_for(gone.wait(), 20)

    assert failed.fault == Fault.TIMEOUT
    assert failed.usage is None  # it stays counted at the most that it may have cost


async def test_server_model_and_key_are_those_of_the_settings_where_none_are_given(model, settings):
    settings.OPENAI_BASE_URL, settings.OPENAI_MODEL = f"{model.server.url}/v1", "ours"
    settings.OPENAI_API_KEY, model.secrets = "sk-ours", {}
    assert KINDS["llm"].faults({}) == []
    done = await model.ask(base_url="", model="")

    assert done.output == {"text": "Hello there."}
    assert model.request.json()["model"] == "ours"
    assert model.request.headers["authorization"] == "Bearer sk-ours"


async def test_the_key_of_the_settings_goes_to_no_other_server(model, settings):
    settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY, model.secrets = "https://llm.example/v1", "sk-ours", {}
    await model.ask()

    assert "sk-ours" not in json.dumps(dict(model.request.headers))


def test_the_official_server_is_told_the_limit_by_its_newer_name():
    question = llm.question_of({"max_tokens": 9}, {})
    call = Call({}, {}, "k", 1, timezone.now(), "")
    official = llm._request(question, llm.Server("https://api.openai.com/v1", "m", ""), call)

    assert official["max_completion_tokens"] == 9
    assert "max_tokens" not in official


def test_the_estimate_is_never_less_than_what_can_be_counted():
    config = {"prompt": "äöü {{ text }}", "output_schema": SCHEMA, "max_tokens": 50, "price_in": 1, "price_out": 3}
    most = llm.estimate_of(config, {"text": "x" * 100})

    assert most.tokens_in >= len(("äöü " + "x" * 100).encode()) + len(json.dumps(SCHEMA))
    assert most.tokens_out == 50
    assert most.cost == Prices.of(config).cost(most.tokens_in, 50)


@pytest.mark.parametrize("value", [{"text": "x" * 1_100_000}, {"rows": [{"text": "y" * 1000}] * 1200}])
def test_a_prompt_that_is_too_long_is_refused_before_it_is_sent(value):
    with pytest.raises(AgentError, match="1,000,000 characters") as refused:
        llm.question_of({}, value)

    assert refused.value.fault == Fault.CALLER
    assert not refused.value.retryable
