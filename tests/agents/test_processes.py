"""The keeper of an executor's processes, with real processes: it takes, starts, replaces them, and lets them go."""

import asyncio
import time
from datetime import timedelta
from itertools import pairwise

import psutil
import pytest
import pytest_asyncio
from django.db import connection
from django.utils import timezone

from agents import fleet, presence, processes, snapshot
from agents.kinds import KINDS
from agents.models import Agent, AgentProcess, AgentStatus
from agents.outcomes import AgentError, Call, Done
from agents.processes import PATIENCE_S, Executor, Keeper
from orchestra.kernel import pulses
from orchestra.kernel.models import Event
from tests.agents.conftest import SYSTEM
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db(transaction=True)
LONG_S = 60.0


class Host:
    """An executor's part of it: what is in flight and whether it leaves is for the test to say."""

    def __init__(self, name):
        self.name, self.busy, self.leaving, self.settled = f"executor:here:{name}:1", set(), False, 0
        self.keeper = Keeper(Executor(self.name, "here", lambda: self.busy, lambda: self.leaving, self.settle))

    def settle(self):
        self.settled += 1

    async def go_on(self, condition):
        """Look again and again until ``condition``, which is asked in a thread, since it may ask the database."""
        async with asyncio.timeout(LONG_S):
            while not await asyncio.to_thread(self.ask, condition):
                await self.keeper.tick()
                await asyncio.sleep(0.05)

    @staticmethod
    def ask(condition):
        try:
            return condition()
        finally:
            connection.close()

    async def looks(self, times):
        for _ in range(times):
            self.keeper._looked_at = float("-inf")
            await self.keeper.tick()


@pytest_asyncio.fixture
async def host():
    """``host("1")``: an executor of that number; its processes end with the test."""
    hosts = []

    def make(name="1"):
        hosts.append(Host(name))
        return hosts[-1]

    yield make
    for each in hosts:
        await each.keeper.stop()


async def ask(question):
    return await asyncio.to_thread(Host.ask, question)


def add(name="worker-1", command="wild", **config):
    values = {"name": name, "config": {"command": command, **config}}
    return fleet.create("process", values, ["work"], by=SYSTEM)


def status(agent):
    return Agent.objects.values_list("status", flat=True).get(pk=agent.pk)


def row(agent):
    return AgentProcess.objects.get(pk=agent.pk)


def told(action):
    return [event.detail.reason for event in Event.objects.filter(action=action).select_related("detail")]


def call(agent, behaviour="answers", **more):
    deadline = timezone.now() + timedelta(seconds=LONG_S)
    return Call({"behaviour": behaviour, **more}, agent.config, "k", 1, deadline, "story", agent=agent.pk)


async def test_an_agent_that_nobody_runs_is_started_and_online_once_it_is_ready(host):
    agent, here = await ask(add), host()
    assert await ask(lambda: status(agent)) == AgentStatus.STARTING
    await here.go_on(lambda: status(agent) == AgentStatus.ONLINE)
    assert await KINDS["process"].perform(agent.config, call(agent)) == Done({"echo": "answers"})
    process = await ask(lambda: row(agent))
    assert (process.holder, process.host) == (here.name, "here")
    assert psutil.pid_exists(process.pid)
    assert await ask(lambda: told("AgentStarted")) == [f"Its process is ready in {here.name}."]


async def test_a_fleet_without_processes_costs_no_statement_until_somebody_commits(host, make_agent):
    here, statements = host(), []
    await here.keeper.tick()

    def count(execute, sql, *rest):
        statements.append(sql)
        return execute(sql, *rest)

    await here.keeper._ask(lambda: connection.execute_wrappers.append(count))
    await here.looks(3)
    assert statements == []
    here.keeper.nudge()
    await here.looks(3)
    assert len(statements) == 1, statements


async def test_a_quiet_fleet_with_processes_costs_two_statements_a_look(host):
    agent, here, statements = await ask(add), host(), []
    await here.go_on(lambda: status(agent) == AgentStatus.ONLINE)
    await here.looks(2)

    def count(execute, sql, *rest):
        statements.append(sql)
        return execute(sql, *rest)

    await here.keeper._ask(lambda: connection.execute_wrappers.append(count))
    await here.looks(3)
    assert len(statements) == 6, statements


async def test_memory_and_processor_time_are_those_of_the_command_and_its_children(host):
    agent, here = await ask(add), host()
    await here.go_on(lambda: status(agent) == AgentStatus.ONLINE)
    await ask(here.keeper.beat)
    working = asyncio.create_task(KINDS["process"].perform(agent.config, call(agent, "works", seconds=1.5)))
    await asyncio.sleep(1)
    await ask(here.keeper.beat)
    await working
    process = await ask(lambda: row(agent))
    command = psutil.Process(process.pid).children()[0].memory_info().rss
    assert process.memory_bytes == pytest.approx(command, rel=0.3)
    assert process.cpu_percent > 1, "it computes, however many share the processor with it"
    assert process.measured_at is not None


async def test_a_crash_is_told_and_the_process_replaced_ever_later(host):
    agent, here = await ask(lambda: add(command="wild-dies")), host()
    await here.go_on(lambda: row(agent).restarts >= 3 if AgentProcess.objects.exists() else False)
    process = await ask(lambda: row(agent))
    assert process.last_exit == "Its process ended with exit code 1. Its last words: “I will not work.”."
    moments = await ask(
        lambda: list(Event.objects.filter(action="AgentCrashed").order_by("number").values_list("happened", flat=True))
    )
    gaps = [(late - early).total_seconds() for early, late in pairwise(moments)]
    assert gaps[0] >= 0.5 and gaps[1] >= 1.0, gaps
    assert await ask(lambda: status(agent)) == AgentStatus.STARTING
    assert process.holder == here.name


async def test_one_that_worked_and_dies_is_starting_until_the_next_is_ready(host):
    agent, here = await ask(add), host()
    await here.go_on(lambda: status(agent) == AgentStatus.ONLINE)
    psutil.Process(KINDS["process"].running[agent.pk].pid).children()[0].kill()
    await here.go_on(lambda: status(agent) == AgentStatus.STARTING)
    assert agent.pk not in KINDS["process"].running
    await here.go_on(lambda: status(agent) == AgentStatus.ONLINE)
    assert await ask(lambda: told("AgentCrashed")) == ["Its process was ended by SIGKILL."]
    assert (await ask(lambda: row(agent))).restarts == 1


async def test_what_goes_wrong_with_one_process_concerns_no_other(host, monkeypatch):
    """The other is tended to in the pass in which the first one fails; the first one later, when it goes well again."""
    broken, good, here = await ask(add), await ask(lambda: add("worker-2")), host()
    started = fleet.process_started

    def start(agent, **told):
        if agent == broken.pk:
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
        return started(agent, **told)

    with monkeypatch.context() as failing:
        failing.setattr(fleet, "process_started", start)
        await here.go_on(lambda: status(good) == AgentStatus.ONLINE)
        await here.go_on(lambda: here.keeper._kept[broken.pk].troubles > 0)
        await here.looks(1)
        assert (await ask(lambda: status(broken)), await ask(lambda: status(good))) == ("starting", "online")
    await here.go_on(lambda: status(broken) == AgentStatus.ONLINE)
    assert here.keeper._kept[broken.pk].troubles == 0


async def test_a_process_that_garbles_its_words_is_started_and_seen_off_like_any_other(host):
    agent, here = await ask(lambda: add(command="wild-garbles")), host()
    await here.go_on(lambda: status(agent) == AgentStatus.ONLINE)
    with pytest.raises(AgentError):
        await KINDS["process"].perform(agent.config, call(agent))
    await here.go_on(lambda: row(agent).restarts == 1)
    assert (await ask(lambda: row(agent))).last_exit.endswith("“I will\ufffd not work.”.")


class TestLettingGo:
    async def test_a_drained_one_rests_once_its_last_call_has_ended_and_not_before(self, host):
        agent, here = await ask(add), host()
        await here.go_on(lambda: status(agent) == AgentStatus.ONLINE)
        seen = await ask(snapshot.read)
        assert here.keeper.reachable(seen).agents[agent.pk].holder == here.name
        here.busy = {agent.pk}
        process = KINDS["process"].running[agent.pk]
        await ask(lambda: fleet.set_status(agent.pk, AgentStatus.DRAINING, by=SYSTEM))
        await here.looks(5)
        assert (here.settled, process.takes_calls) == (1, True), "claims under way were waited for, its call goes on"
        assert here.keeper.reachable(seen).agents[agent.pk].holder == snapshot.NOBODY, "nothing is claimed any more"
        here.busy = set()
        await here.go_on(lambda: status(agent) == AgentStatus.OFFLINE and not row(agent).holder)
        assert not psutil.pid_exists(process.pid)
        assert await ask(lambda: told("AgentStopped")) == ["It was drained, and its last call has ended."]

    async def test_one_that_is_wanted_again_before_its_last_call_ended_goes_on(self, host):
        agent, here = await ask(add), host()
        await here.go_on(lambda: status(agent) == AgentStatus.ONLINE)
        here.busy, process = {agent.pk}, KINDS["process"].running[agent.pk]
        await ask(lambda: fleet.set_status(agent.pk, AgentStatus.DRAINING, by=SYSTEM))
        await here.looks(2)
        await ask(lambda: fleet.set_status(agent.pk, AgentStatus.ONLINE, by=SYSTEM))
        await here.looks(2)
        here.busy = set()
        await here.looks(2)
        assert KINDS["process"].running[agent.pk] is process
        assert here.keeper.reachable(await ask(snapshot.read)).agents[agent.pk].holder == here.name

    async def test_a_disabled_one_is_stopped_and_one_enabled_again_started(self, host):
        agent, here = await ask(add), host()
        await here.go_on(lambda: status(agent) == AgentStatus.ONLINE)
        await ask(lambda: fleet.set_status(agent.pk, AgentStatus.DISABLED, by=SYSTEM))
        await here.go_on(lambda: not row(agent).holder)
        assert await ask(lambda: status(agent)) == AgentStatus.DISABLED
        await ask(lambda: fleet.set_status(agent.pk, AgentStatus.ONLINE, by=SYSTEM))
        assert await ask(lambda: status(agent)) == AgentStatus.STARTING
        await here.go_on(lambda: status(agent) == AgentStatus.ONLINE)

    async def test_another_configuration_is_another_process_after_its_calls(self, host):
        agent, here = await ask(add), host()
        await here.go_on(lambda: status(agent) == AgentStatus.ONLINE)
        here.busy, before = {agent.pk}, KINDS["process"].running[agent.pk].pid
        await ask(lambda: fleet.change(agent.pk, {"config": {"command": "echo"}}, by=SYSTEM))
        await here.looks(3)
        assert psutil.pid_exists(before)
        here.busy = set()
        await here.go_on(lambda: row(agent).pid not in (None, before) and status(agent) == AgentStatus.ONLINE)
        assert not psutil.pid_exists(before)
        assert "Its configuration has changed." in await ask(lambda: told("AgentStopped"))

    async def test_a_removed_one_leaves_no_process(self, host):
        agent, here = await ask(add), host()
        await here.go_on(lambda: status(agent) == AgentStatus.ONLINE)
        pid = KINDS["process"].running[agent.pk].pid
        await ask(lambda: fleet.remove(agent.pk, by=SYSTEM))
        await here.go_on(lambda: not psutil.pid_exists(pid))
        await here.go_on(lambda: not here.keeper._kept)


class TestSharing:
    async def test_two_executors_take_a_fair_share_each(self, host):
        agents = await ask(lambda: [add(f"worker-{n}", "echo") for n in range(4)])
        one, other = host("1"), host("2")
        await ask(lambda: [pulses.beat(f"executor:here:{n}") for n in (1, 2)])
        async with asyncio.timeout(LONG_S):
            while await ask(lambda: {status(agent) for agent in agents}) != {AgentStatus.ONLINE}:
                await one.looks(1)
                await other.looks(1)
        holders = await ask(lambda: [row(agent).holder for agent in agents])
        assert sorted(holders) == [one.name] * 2 + [other.name] * 2

    async def test_what_nobody_else_takes_is_taken_beyond_the_share(self, host):
        agents = await ask(lambda: [add(f"worker-{n}", "echo") for n in range(2)])
        here = host("1")
        await ask(lambda: pulses.beat("executor:here:2"))  # beats, and does nothing
        await here.go_on(lambda: {status(agent) for agent in agents} == {AgentStatus.ONLINE, AgentStatus.STARTING})
        began = time.monotonic()
        await here.go_on(lambda: {status(agent) for agent in agents} == {AgentStatus.ONLINE})
        assert time.monotonic() - began > PATIENCE_S / 2

    async def test_a_host_without_the_command_leaves_the_agent_to_one_that_has_it(self, host, settings, monkeypatch):
        monkeypatch.setattr(processes, "PATIENCE_S", 0.0)
        await ask(add)
        here = host("1")
        settings.COMMANDS = {}
        await ask(lambda: pulses.beat("executor:here:2", {"commands": ["wild"]}))
        await here.looks(3)
        assert not here.keeper._kept

    async def test_a_command_that_no_host_has_is_told_and_the_agent_given_back(self, host, settings, monkeypatch):
        monkeypatch.setattr(processes, "PATIENCE_S", 0.0)
        agent, here, known = await ask(add), host("1"), settings.COMMANDS
        settings.COMMANDS = {}
        await here.go_on(lambda: "This host knows no command wild" in "".join(told("AgentCrashed")))
        await here.go_on(lambda: not row(agent).holder)
        await here.looks(3)
        assert not here.keeper._kept
        settings.COMMANDS = known
        await here.go_on(lambda: status(agent) == AgentStatus.ONLINE)

    async def test_one_that_leaves_hands_over_after_its_calls(self, host):
        agent, one, other = await ask(add), host("1"), host("2")
        await one.go_on(lambda: status(agent) == AgentStatus.ONLINE)
        one.busy, one.leaving = {agent.pk}, True
        await one.looks(3)
        await other.looks(3)
        assert (await ask(lambda: row(agent))).holder == one.name
        one.busy = set()
        await one.go_on(lambda: not row(agent).holder)
        await other.go_on(lambda: status(agent) == AgentStatus.ONLINE)
        assert (await ask(lambda: row(agent))).holder == other.name

    async def test_a_lease_that_was_taken_over_ends_the_process_here(self, host):
        agent, one = await ask(add), host("1")
        await one.go_on(lambda: status(agent) == AgentStatus.ONLINE)
        process = KINDS["process"].running[agent.pk]
        one.keeper._loop = asyncio.get_running_loop()

        def steal():
            AgentProcess.objects.update(lease_expires_at=timezone.now())
            assert presence.take([agent.pk], "executor:there:9:9", "there") == {agent.pk}

        await ask(steal)
        await ask(one.keeper.beat)
        await asyncio.wait_for(process.ended.wait(), LONG_S)
        assert one.keeper._kept == {}
        assert (await ask(lambda: row(agent))).holder == "executor:there:9:9"

    async def test_drained_while_nobody_ran_it_it_rests(self, host):
        agent, here = await ask(add), host()

        def drain():
            with arranged():
                Agent.objects.update(status=AgentStatus.ONLINE)
            fleet.set_status(agent.pk, AgentStatus.DRAINING, by=SYSTEM)

        await ask(drain)
        await here.go_on(lambda: status(agent) == AgentStatus.OFFLINE)

    async def test_stopped_it_leaves_no_process_and_no_lease(self, host):
        agents = await ask(lambda: [add(f"worker-{n}") for n in range(3)])
        here = host()
        await here.go_on(lambda: {status(agent) for agent in agents} == {AgentStatus.ONLINE})
        pids = [process.pid for process in KINDS["process"].running.values()]
        await here.keeper.stop()
        assert not any(map(psutil.pid_exists, pids))
        assert await ask(lambda: presence.held_by(here.name)) == set()
        assert await ask(lambda: {status(agent) for agent in agents}) == {AgentStatus.STARTING}
        assert len(await ask(lambda: told("AgentStopped"))) == 3
