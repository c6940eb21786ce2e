import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agents.invoke import OUTPUT_LIMIT, fault_of, invoke
from agents.kinds import KINDS
from agents.outcomes import Call, Done, Failed, Fault, Pending
from tests.agents import functions


def call_of(function, payload=None, attempt=1):
    return Call(
        input=payload,
        config={"function": function},
        key="key-1",
        attempt=attempt,
        deadline=datetime(2026, 3, 1, tzinfo=UTC),
        correlation="story",
    )


async def call(function, payload=None, *, timeout_s=5.0):
    return await invoke("python", call_of(function, payload), timeout_s=timeout_s)


def becomes_true(claim, *, within_s=5.0):
    until = time.monotonic() + within_s
    while not claim() and time.monotonic() < until:
        time.sleep(0.005)
    return claim()


async def test_an_async_function_answers_on_the_loop():
    assert await call("test.echo", {"text": "hello"}) == Done(
        {"input": {"text": "hello"}, "key": "key-1", "config": {"function": "test.echo"}}
    )


async def test_a_plain_function_answers_in_a_thread_of_its_own():
    outcome = await call("test.thread_name")

    assert outcome.output["thread"].startswith("agent-")


async def test_a_person_answers_later():
    assert await invoke("human", call_of(""), timeout_s=1) == Pending("a person")


@pytest.mark.parametrize(("retryable", "fault"), [(True, "agent"), (False, "caller")])
async def test_an_agent_says_itself_why_it_failed_and_whether_a_retry_helps(retryable, fault):
    payload = {"message": "The shop is closed.", "retryable": retryable, "fault": fault}

    assert await call("test.fail", payload) == Failed("The shop is closed.", retryable=retryable, fault=Fault(fault))


async def test_a_crash_is_a_failure_that_names_the_exception():
    outcome = await call("test.crash")

    assert outcome == Failed("It crashed with ZeroDivisionError: division by \ufffd zero")


@pytest.mark.parametrize(
    ("function", "exception"),
    [
        ("test.exit", "SystemExit"),
        ("test.stop_iteration", "RuntimeError"),
        ("test.cancels_itself", "CancelledError"),
        ("test.own_timeout", "TimeoutError"),
    ],
)
async def test_no_exception_of_an_agent_passes_for_something_else(function, exception):
    outcome = await call(function)

    assert isinstance(outcome, Failed)
    assert outcome.message.startswith(f"It crashed with {exception}")
    assert outcome.fault == Fault.AGENT


async def test_an_async_function_is_stopped_when_its_time_is_over():
    assert await call("test.sleep", timeout_s=0.02) == Failed(
        "It did not answer within 0.02 s.", retryable=True, fault=Fault.TIMEOUT
    )


async def test_a_thread_that_outlives_its_call_is_counted_until_it_ends(stuck_released):
    threads = KINDS["python"].threads

    outcome = await call("test.stuck", timeout_s=0.05)

    assert outcome.fault == Fault.TIMEOUT
    assert threads.abandoned == {"key-1/1": "test.stuck"}
    stuck_released.set()
    assert await asyncio.to_thread(becomes_true, lambda: not threads.abandoned)


async def test_cancelling_the_call_is_not_taken_for_the_agents_doing():
    running = asyncio.create_task(call("test.sleep"))
    await asyncio.sleep(0.01)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_function_that_this_process_does_not_know_fails_for_good_and_says_what_to_do():
    outcome = await call("test.gone")

    assert not outcome.retryable
    assert outcome.message == "No function is registered as test.gone here; restart with the code that has it."


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("number key", "a key that is not a text"),
        ("object", "a value of type Unknown, which is not JSON"),
        ("nan", "a number that JSON does not know"),
        ("nul", "a NUL character"),
        ("surrogate", "half of a surrogate pair"),
        ("huge text", "larger than 1 MB"),
        ("huge list", "larger than 1 MB"),
        ("huge number", "more than 64 bits"),
        ("deep", "nested more than 32 levels deep"),
        ("endless", "nested more than 32 levels deep"),
    ],
)
async def test_an_answer_that_cannot_be_stored_is_a_failure_that_no_retry_mends(answer, complaint):
    outcome = await call("test.answer", answer)

    assert isinstance(outcome, Failed)
    assert complaint in outcome.message
    assert (outcome.retryable, outcome.fault) == (False, Fault.AGENT)


async def test_a_pair_is_as_good_as_a_list():
    assert await call("test.answer", "tuple") == Done(functions.ANSWERS["tuple"])


@pytest.mark.parametrize(
    "secret", ["Bearer t0p-secret", "X-API-Key: t0p-secret", "t0p-secret", "Basic  t0p-secret", {"not": "a text"}]
)
async def test_no_secret_of_a_call_stands_in_what_is_said_of_it(secret, settings):
    settings.OPENAI_API_KEY = "sk-of-the-settings"
    said = "t0p-secret, sk-of-the-settings and ab were not right."
    asked = replace(
        call_of("test.fail", {"message": said, "retryable": True, "fault": "agent"}),
        secrets={"authorization": secret, "short": "ab", "empty": ""},
    )
    outcome = await invoke("python", asked, timeout_s=5)

    first = "t0p-secret" if isinstance(secret, dict) else "••••"
    assert outcome.message == f"{first}, •••• and ab were not right."


def test_an_answer_just_within_the_limit_passes():
    assert fault_of("x" * OUTPUT_LIMIT) == ""
    assert fault_of("x" * (OUTPUT_LIMIT + 1)) == "Its answer is larger than 1 MB."
