"""What every kind of agent keeps to, against real servers, processes and functions; a difference is a visible skip."""

import asyncio

import pytest

from agents.invoke import MESSAGE_LIMIT, WAITS_FOR_LIMIT
from agents.kinds import KINDS
from agents.models import AgentKind
from agents.outcomes import Done, Failed, Fault, Pending
from tests.agents.kinds import stage as of
from tests.agents.kinds.stages import STAGES

SOON_S = 20.0
"""A generous bound of what must end at once; the agent itself would take a minute."""


def has(stage, behaviour):
    if behaviour in stage.lacks:
        pytest.skip(f"{stage.kind}: {stage.lacks[behaviour]}")
    return behaviour


async def test_it_answers(stage):
    assert await stage.call(has(stage, of.ANSWERS)) == Done(stage.answer)


async def test_it_may_fail_so_that_another_try_helps(stage):
    failed = await stage.call(has(stage, of.FAILS))

    assert isinstance(failed, Failed)
    assert failed.retryable
    assert failed.fault == Fault.AGENT
    assert "out of paper" in failed.message


async def test_how_long_to_wait_before_another_try_is_for_the_agent_to_say(stage):
    failed = await stage.call(has(stage, of.FAILS))

    assert failed.retry_after_s == pytest.approx(7, abs=1)


async def test_it_may_refuse_what_the_caller_asks_which_no_other_try_mends(stage):
    failed = await stage.call(has(stage, of.REFUSES))

    assert isinstance(failed, Failed)
    assert not failed.retryable
    assert failed.fault == Fault.CALLER
    assert "no such country" in failed.message


async def test_silence_is_a_timeout_and_another_try_may_help(stage):
    failed = await stage.call(has(stage, of.SLEEPS), timeout_s=0.5)

    assert isinstance(failed, Failed)
    assert failed.retryable
    assert failed.fault == Fault.TIMEOUT


async def test_a_crash_in_the_middle_is_the_agents_fault_and_another_try_may_help(stage):
    failed = await stage.call(has(stage, of.CRASHES))

    assert isinstance(failed, Failed)
    assert failed.retryable
    assert failed.fault == Fault.AGENT
    assert failed.message.endswith((".", "zero"))


@pytest.mark.parametrize("behaviour", of.BROKEN_ANSWERS)
async def test_an_answer_that_cannot_be_taken_is_said_so_and_the_next_call_goes_well(stage, behaviour):
    failed = await stage.call(has(stage, behaviour), timeout_s=SOON_S)

    assert isinstance(failed, Failed), failed
    assert failed.fault == Fault.AGENT
    assert failed.retryable == (behaviour in stage.retryable)
    assert failed.message
    assert await stage.call(of.ANSWERS) == Done(stage.answer)


async def test_what_it_says_in_words_is_stored_printable_and_short(stage):
    failed = await stage.call(has(stage, of.GARBLED))

    assert isinstance(failed, Failed)
    assert failed.retryable
    assert len(failed.message) <= MESSAGE_LIMIT
    assert "The printer\ufffd is \ufffd out of paper." in failed.message


async def test_what_it_waits_for_is_stored_printable_and_short(stage):
    waiting = await stage.call(has(stage, of.GARBLED_PENDING))

    assert isinstance(waiting, Pending)
    assert len(waiting.waits_for) <= WAITS_FOR_LIMIT
    assert waiting.waits_for.startswith("The printer\ufffd is \ufffd out of paper.")


async def test_every_attempt_carries_the_same_key(stage):
    has(stage, of.ANSWERS)
    for attempt in (1, 2):
        await stage.call(of.ANSWERS, key="step-7", attempt=attempt)

    assert stage.calls == [("step-7", 1), ("step-7", 2)]


async def test_a_call_that_is_cancelled_ends_soon_and_leaves_the_agent_usable(stage):
    task = asyncio.create_task(stage.call(has(stage, of.SLEEPS)))
    while not stage.calls:  # noqa: ASYNC110 - filled by whatever thread or process the stage has
        await asyncio.sleep(0.01)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, SOON_S)
    assert await stage.call(of.ANSWERS) == Done(stage.answer)


async def test_it_may_answer_later(stage):
    waiting = await stage.call(has(stage, of.PENDING))

    assert isinstance(waiting, Pending)
    assert waiting.waits_for


async def test_its_configuration_is_faultless(stage):
    assert KINDS[stage.kind].faults(stage.config) == []


async def test_a_fault_of_the_configuration_names_its_field(stage):
    kind = KINDS[stage.kind]
    assert stage.bad_configs, "Give the stage at least one bad configuration."
    for config, path in stage.bad_configs:
        faults = kind.faults(config)
        assert [fault.path for fault in faults] == [path], (config, faults)
        assert all(fault.message for fault in faults)


async def test_each_property_of_its_schema_has_a_title_and_each_secret_a_purpose(stage):
    kind = KINDS[stage.kind]

    assert all(part.get("title") for part in kind.schema.get("properties", {}).values())
    assert all(kind.secrets.values())


def test_every_kind_has_a_stage():
    assert {one.kind for one in STAGES} == set(KINDS)
    assert set(KINDS) <= set(AgentKind.values)
