"""One process of an agent with several calls at once, whatever it does."""

import asyncio
import os
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from django.utils import timezone

from agents.invoke import invoke
from agents.kinds import KINDS, commands
from agents.kinds.pipes import Process
from agents.outcomes import AgentError, Call, Done, Failed, Fault
from tests.processes import is_gone, is_unburied

LONG_S = 60.0
"""Of what must come at once, on a machine that does much else."""


def asked(behaviour, key="k", **more):
    deadline = (timezone.now() + timedelta(seconds=LONG_S)).isoformat()
    return {"id": f"{key}/1", "key": key, "attempt": 1, "input": {"behaviour": behaviour, **more}, "config": {}} | {
        "deadline": deadline,
        "correlation": "story",
    }


@pytest_asyncio.fixture
async def begin():
    """``await begin("wild")``: a process that is ready; all are gone after the test."""
    started = []

    async def start(name="wild", *, is_ready=True):
        process = await Process.start(commands.find(name))
        started.append(process)
        if is_ready:
            await process.ready(LONG_S)
        return process

    yield start
    for process in started:
        process.kill("The test is over.")
        await asyncio.wait_for(process.ended.wait(), LONG_S)


async def failure(awaitable):
    with pytest.raises(AgentError) as failed:
        await asyncio.wait_for(awaitable, LONG_S)
    return failed.value


def gone(pids):
    """None of these lives."""
    return all(map(is_gone, pids))


async def until(condition):
    async with asyncio.timeout(LONG_S):
        while not condition():  # noqa: ASYNC110  other processes set no event
            await asyncio.sleep(0.02)


class TestAnswering:
    async def test_answers_find_their_calls_in_whatever_order_they_come(self, begin):
        process = await begin()
        slow = asyncio.create_task(process.call(asked("naps", "slow", seconds=1)))
        quick = [process.call(asked(f"quick {n}", f"quick-{n}")) for n in range(20)]
        answers = await asyncio.gather(*quick)
        assert [answer["output"]["echo"] for answer in answers] == [f"quick {n}" for n in range(20)]
        assert not slow.done()
        assert (await slow)["output"] == {"slept": 1}

    async def test_a_line_of_just_under_a_megabyte_is_taken_and_one_over_it_is_not_sent(self, begin):
        process = await begin()
        answer = await process.call(asked("big", characters=1_000_000))
        assert len(answer["output"]["text"]) == 1_000_000
        failed = await failure(process.call(asked("answers", "large", text="x" * 1_100_000)))
        assert (failed.fault, failed.retryable) == (Fault.CALLER, False)
        assert (await process.call(asked("answers")))["output"] == {"echo": "answers"}, "the process is none the worse"

    async def test_what_a_process_writes_as_fast_as_it_can_leaves_the_loop_to_others(self, begin):
        process = await begin("wild-noisy")
        longest, last = 0.0, time.monotonic()
        flood = asyncio.create_task(process.call(asked("blank lines")))
        while not flood.done():
            await asyncio.sleep(0)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
        assert (await flood)["output"] == {"lines": 300_000}
        assert longest < 0.5, f"the loop stood still for {longest:.2f} s"
        assert len(process._log) <= 4096

    async def test_a_process_that_does_not_read_blocks_nobody_and_takes_little_memory(self, begin):
        process = await begin("wild-deaf")
        calls = [asyncio.create_task(process.call(asked("big", f"k{n}", text="x" * 900_000))) for n in range(20)]
        await asyncio.sleep(0.2)
        assert process._input.transport.get_write_buffer_size() < 1_000_000, "one call; the others wait"
        process.kill("It does not read.")
        outcomes = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), LONG_S)
        assert {str(outcome) for outcome in outcomes} == {"It does not read."}


class TestEnding:
    @pytest.mark.parametrize(
        ("behaviour", "sentence"),
        [
            ("crashes", "ended with exit code 3. Its last words: “Traceback: / lines / Something broke”."),
            ("killed", "was ended by SIGKILL."),
            ("not json", "not JSON; it begins with 'Hello, operator"),
            ("not an object", "a line that is not a JSON object. Its process is replaced."),
            ("stranger", "a call that it was not sent: somebody/1. Its process is replaced."),
            ("too large", "a line of more than 1 MB."),
            ("endless", "a line of more than 1 MB."),
            ("closes", "closed its output"),
        ],
    )
    async def test_all_calls_in_flight_fail_retryably_and_hear_why(self, begin, behaviour, sentence):
        process = await begin()
        waiting = [asyncio.create_task(process.call(asked("sleeps", f"k{n}"))) for n in range(3)]
        await process.call(asked("answers"))
        outcomes = [await failure(process.call(asked(behaviour, "bad"))), *[await failure(each) for each in waiting]]
        assert all(sentence in str(outcome) for outcome in outcomes), str(outcomes[0])
        assert {(outcome.fault, outcome.retryable) for outcome in outcomes} == {(Fault.AGENT, True)}
        await asyncio.wait_for(process.ended.wait(), LONG_S)
        assert gone([process.pid])
        late = await failure(process.call(asked("answers")))
        assert late.fault == Fault.LOST, "what was never sent says nothing against the agent"

    async def test_two_answers_to_one_call_are_one_too_many(self, begin):
        process = await begin()
        assert (await process.call(asked("twice")))["output"] == 1
        await asyncio.wait_for(process.ended.wait(), LONG_S)
        assert "a call that it was not sent: k/1" in process.verdict.sentence

    async def test_a_process_that_ends_at_once_says_why_in_its_last_words(self, begin):
        process = await begin("wild-dies", is_ready=False)
        failed = await failure(process.ready(LONG_S))
        assert str(failed) == "Its process ended with exit code 1. Its last words: “I will not work.”."

    async def test_what_it_says_of_itself_can_be_printed(self, begin):
        process = await begin("wild-garbles", is_ready=False)
        assert await process.ready(LONG_S) == "wild\ufffd\ufffd-1"
        failed = await failure(process.call(asked("answers")))
        assert "Its last words: “I will\ufffd not work.”." in str(failed)

    async def test_one_that_never_says_that_it_is_ready_is_killed(self, begin):
        process = await begin("wild-silent", is_ready=False)
        assert str(await failure(process.ready(0.3))) == "It did not say within 0.3 s that it is ready."
        assert gone([process.pid])

    async def test_a_program_that_is_not_there_is_named(self, begin, settings):
        settings.COMMANDS = {"missing": ["no-such-program"]}
        process = await begin("missing", is_ready=False)
        assert "“no-such-program cannot be run: No such file or directory.”" in str(
            await failure(process.ready(LONG_S))
        )

    async def test_told_to_stop_it_is_killed_with_its_whole_family_if_it_does_not_obey(self, begin):
        process = await begin("wild-stays")
        pids = (await process.call(asked("family")))["output"]["pids"]
        assert len(pids) == 4
        assert not gone(pids[:1])
        began = time.monotonic()
        await asyncio.wait_for(process.stop("The test stops it."), LONG_S)
        assert time.monotonic() - began >= 1.9, "it had its time"
        assert gone([process.pid, *pids]), "children, those in a session of their own, and orphans"

    async def test_one_that_ends_when_its_input_does_is_not_waited_for(self, begin):
        process = await begin("echo")
        began = time.monotonic()
        await asyncio.wait_for(process.stop("The test stops it."), LONG_S)
        assert time.monotonic() - began < 1.5

    async def test_when_the_tether_itself_is_killed_nothing_is_left(self, begin):
        process = await begin()
        pids = (await process.call(asked("family")))["output"]["pids"]
        os.kill(process.pid, 9)
        await asyncio.wait_for(process.ended.wait(), LONG_S)
        await until(lambda: gone([process.pid, *pids]))

    async def test_no_zombie_stays_behind(self, begin):
        for _ in range(5):
            process = await begin("echo")
            await process.stop("Next.")
        assert list(filter(is_unburied, psutil.Process().children())) == []

    async def test_it_sees_no_keys_of_ours_or_of_others(self, begin, settings, tmp_path, monkeypatch):
        monkeypatch.setenv("COLOUR", "blue")
        monkeypatch.setenv("LC_TIME", "de_DE")
        settings.COMMANDS = {"env": ["sh", "-c", f"env > {tmp_path}/env"]}
        process = await begin("env", is_ready=False)
        await asyncio.wait_for(process.ended.wait(), LONG_S)
        seen = await asyncio.to_thread(Path(tmp_path, "env").read_text)
        assert "LC_TIME=de_DE" in seen
        assert "COLOUR" not in seen
        assert os.environ["SECRET_KEY"] not in seen
        assert not {line.partition("=")[0] for line in seen.splitlines()} & {*settings.ENV, "ORCHESTRA_TESTS"}


class TestTimesAndCancelling:
    """Through the kind, as an executor calls it."""

    @pytest_asyncio.fixture
    async def held(self, begin):
        """Agent 1 is a process that runs here."""
        process = KINDS["process"].running[1] = await begin()
        yield process
        with suppress(KeyError):
            del KINDS["process"].running[1]

    def call(self, behaviour, key="k", timeout_s=LONG_S, **more):
        deadline = timezone.now() + timedelta(seconds=timeout_s)
        given = {"behaviour": behaviour, **more}
        return invoke("process", Call(given, {}, key, 1, deadline, "story", agent=1), timeout_s=timeout_s)

    async def test_a_call_out_of_time_takes_its_process_along_and_the_others_are_lost_by_no_fault_of_theirs(self, held):
        family = await self.call("family", "family")
        others = [asyncio.create_task(self.call("sleeps", f"other-{n}")) for n in range(3)]
        await self.call("answers", "first")
        timed_out = await self.call("sleeps", "late", timeout_s=0.5)
        assert timed_out == Failed("It did not answer within 0.5 s.", fault=Fault.TIMEOUT)
        lost = await asyncio.wait_for(asyncio.gather(*others), LONG_S)
        why = "A call to it was not answered in time, so its process was killed."
        assert lost == [Failed(why, retryable=True, fault=Fault.LOST)] * 3
        await until(lambda: gone([held.pid, *family.output["pids"]]))

    async def test_a_cancelled_call_leaves_the_process_and_the_other_calls_alone_and_its_late_answer_is_dropped(
        self, held
    ):
        other = asyncio.create_task(self.call("naps", "other", seconds=1.5))
        cancelled = asyncio.create_task(self.call("naps", "cancelled", seconds=0.7))
        await self.call("answers", "first")
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert await other == Done({"slept": 1.5})
        assert held.takes_calls
        assert held._given_up == set(), "its answer has come, and went nowhere"

    async def test_the_echo_worker_hears_that_a_call_is_cancelled(self, begin):
        process = KINDS["process"].running[2] = await begin("echo")
        deadline = timezone.now() + timedelta(seconds=LONG_S)
        call = Call({"seconds": 600}, {"options": {"a": 1}}, "k", 1, deadline, "story", agent=2)
        task = asyncio.create_task(invoke("process", call, timeout_s=LONG_S))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        quick = Call({"x": 1}, {"options": {"a": 1}}, "k2", 1, deadline, "story", agent=2)
        done = await invoke("process", quick, timeout_s=LONG_S)
        del KINDS["process"].running[2]
        assert (done.output["echo"], done.output["a"]) == ({"x": 1}, 1)
        threads = psutil.Process(psutil.Process(process.pid).children()[0].pid).num_threads()
        assert threads <= 2, "the cancelled call waits no more"

    async def test_a_call_by_hand_in_a_thread_of_its_own_has_a_process_of_its_own_that_ends_with_it(self):
        deadline = timezone.now() + timedelta(seconds=LONG_S)
        call = Call({"x": 1}, {"command": "echo"}, "test-1", 1, deadline, "story")
        done = await asyncio.to_thread(asyncio.run, invoke("process", call, timeout_s=LONG_S))
        assert done.output["echo"] == {"x": 1}
        assert gone([done.output["pid"]])

    async def test_an_agent_whose_process_is_elsewhere_is_lost_not_at_fault(self):
        outcome = await self.call("answers")
        assert (outcome.fault, outcome.retryable) == (Fault.LOST, True)
