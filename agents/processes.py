"""The keeper of an executor's processes: takes agents that nobody runs, starts and watches them, lets them go in order.

It runs on the executor's loop in the main thread, because the kernel ties a process to the *thread* that started it.
Each look is a pass over small state machines, one for each process, so that whatever fails is tried again at the next.
What it asks of the database it asks in a thread of its own, about once a second, and nothing at all while the fleet has
no such agents and nobody commits. Leases are renewed by the executor's heart, by :meth:`Keeper.beat`.

A call is never cut off in order: a process that is to go is hidden from this executor's claims first, then claims that
were under way are waited for, then its calls; only then is its end recorded, and it is stopped and released.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django.db import InterfaceError, OperationalError, connection

from agents import fleet, presence, wanted
from agents.gauge import Gauge
from agents.kinds import KINDS, commands
from agents.kinds.pipes import Process
from agents.kinds.process import ProcessKind, start, startup_s
from agents.models import AgentKind, AgentStatus
from agents.outcomes import AgentError
from agents.presence import Figures
from agents.snapshot import NOBODY, Fleet
from agents.wanted import Wanted
from orchestra.kernel import events
from orchestra.kernel.retry import RetryPolicy

logger = logging.getLogger(__name__)

LOOK_S = 1.0
TEND_S = 0.1
"""While it has processes it tends to them this often; that costs no statement."""
FEW = 4
"""So many are started at a time: each start takes a processor, and others may have room too."""
PATIENCE_S = 5.0
"""What nobody has taken for so long is taken beyond one's share."""
UNABLE_S = 60.0
"""What could not be started since this host knows no such command is not taken again for so long."""
HEALTHY_S = 60.0
"""A process that was ready for so long has no failures behind it."""
BACKOFF = RetryPolicy(delay_s=0.5, factor=2, max_delay_s=60, jitter=False)

NOT_WANTED, DRAINED = "It is not to run any more.", "It was drained, and its last call has ended."
CHANGED, LEAVING = "Its configuration has changed.", "Its executor stops, and another takes it over."
TAKEN_OVER = "Another executor has taken over its agent."
ABANDONED = "It was to be drained when its executor ended."


@dataclass(frozen=True, slots=True)
class Executor:
    """What a keeper needs of the executor that it belongs to."""

    name: str
    host: str
    in_flight: Callable[[], Collection[int]]
    """The agents that have calls in flight; asked on the loop."""
    is_leaving: Callable[[], bool]
    """Whether it claims no more, since it stops or starts afresh."""
    settle: Callable[[], None]
    """Returns once all claims that are under way have become calls in flight; asked in a thread."""


@dataclass(eq=False, slots=True)
class _Kept:
    """One agent's process, from the taking of its lease to the giving back."""

    agent: Wanted
    process: Process | None = None
    starting: "asyncio.Task[str] | None" = None
    """Ends with the version once the process is ready; None: it is not to be started before ``due_at``."""
    is_online: bool = False
    """Whether the database knows that it is ready."""
    due_at: float = 0.0
    ready_at: float = 0.0
    failures: int = 0
    troubles: int = 0
    """How often in a row it could not be tended to, for whichever reason."""
    rests_until: float = 0.0
    closing: str = ""
    """Why it is to go, once no call needs it."""
    is_settled: bool = False
    ending: "asyncio.Task[None] | None" = None

    async def start(self) -> str:
        self.process = await start(self.agent.config)
        return await self.process.ready(startup_s(self.agent.config))

    async def end(self) -> None:
        if self.starting is not None and self.process is None:  # the system is at it, which takes a moment
            await asyncio.wait([self.starting])
        if self.process is not None:
            await self.process.stop(self.closing or LEAVING)
        if self.starting is not None:
            await asyncio.wait([self.starting])
            self.fault_of_start()

    @property
    def is_starting(self) -> bool:
        return self.starting is not None and not self.starting.done()

    def fault_of_start(self) -> str:
        """Why it could not be started, once that is known."""
        assert self.starting is not None
        error = self.starting.exception()
        if error is None:
            return ""
        return str(error) if isinstance(error, AgentError) else f"It could not be started: {error!r}."

    def how_it_ended(self) -> str:
        """What became of it; nothing while it lives."""
        fault = self.fault_of_start()
        if fault or self.process is None or not self.process.ended.is_set():
            return fault
        return self.process.verdict.sentence if self.process.verdict else "Its process ended."


class Keeper:
    """``run`` it on the loop; ``nudge``, ``beat`` and ``reachable`` may be called in any thread."""

    def __init__(self, executor: Executor) -> None:
        kind = KINDS[AgentKind.PROCESS]
        assert isinstance(kind, ProcessKind)
        self.kind = kind
        self.executor = executor
        self._kept: dict[int, _Kept] = {}
        self._ready: frozenset[int] = frozenset()
        self._agents: Mapping[int, Wanted] = {}
        self._lost: set[asyncio.Task[None]] = set()
        self._unheld_since: dict[int, float] = {}
        self._unable_until: dict[int, float] = {}
        self._revision = -1
        self._looked_at = float("-inf")
        self._is_nudged = True
        self._has_asked = False
        self._gauge = Gauge()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="keeper")
        self._own: tuple[Fleet | None, list[int]] = (None, [])

    async def run(self) -> None:
        """Look until cancelled. Whatever fails is tried again."""
        self._loop = asyncio.get_running_loop()
        while True:
            try:
                await self.tick()
            except (OperationalError, InterfaceError) as error:
                logger.warning("The keeper's look failed and is repeated: %s", error)
                await self._ask(_hang_up)
            except Exception:  # the worker's edge: the others' processes must be tended to
                logger.exception("The keeper's look failed and is repeated")
            await asyncio.sleep(TEND_S if self._kept else LOOK_S)

    def nudge(self) -> None:
        """Somebody has committed something."""
        self._is_nudged = True

    def beat(self) -> None:
        """Renew all leases with what the processes use; called by the executor's heart, in its thread."""
        kept = [(agent, each.process) for agent, each in list(self._kept.items())]
        if not kept:
            return
        if presence.renew(self.executor.name, self._measured(kept)) < len(kept) and self._loop is not None:
            lost = {agent for agent, _ in kept} - presence.held_by(self.executor.name)
            self._loop.call_soon_threadsafe(self._lose, lost)

    def _measured(self, kept: Collection[tuple[int, Process | None]]) -> dict[int, Figures]:
        try:
            return self._gauge.read({agent: process.pid for agent, process in kept if process is not None})
        except Exception:  # whatever the system says of its processes: the leases matter more
            logger.exception("What the processes use could not be measured")
            return {}

    def reachable(self, seen: Fleet) -> Fleet:
        """The fleet without those of this executor's processes that are not ready, or are to go; for its claims."""
        if self._own[0] is not seen:
            own = [agent.id for agent in seen.agents.values() if agent.holder == self.executor.name]
            self._own = (seen, own)
        hidden = [agent for agent in self._own[1] if not self._takes_calls(agent)]
        if not hidden:
            return seen
        return replace(seen, agents={**seen.agents, **{pk: replace(seen.agents[pk], holder=NOBODY) for pk in hidden}})

    async def tick(self) -> None:
        """One pass: look what is wanted, if that is due, and bring every process a step further."""
        knows_any = bool(self._agents or self._kept)
        if time.monotonic() - self._looked_at >= LOOK_S and (knows_any or self._is_nudged):
            self._is_nudged = False
            await self._look(knows_any)
        for kept in list(self._kept.values()):
            if self.executor.is_leaving():
                kept.closing = LEAVING
            if time.monotonic() >= kept.rests_until:
                await self._tend_safely(kept)

    async def stop(self) -> None:
        """Let go of all that is left: the executor has ended its calls, or given them back."""
        kept = list(self._kept.values())
        self._ready = frozenset()
        await asyncio.gather(*(each.ending or each.end() for each in kept), *self._lost, return_exceptions=True)
        if kept or self._agents:
            online = [each.agent.id for each in kept if each.is_online]
            try:
                await self._ask(partial(self._give_back, online))
            except (OperationalError, InterfaceError) as error:
                logger.warning("The processes' leases could not be given back, they expire: %s", error)
        for each in kept:
            self._forget(each)
        self._agents = {}
        if self._has_asked:
            await self._ask(_hang_up)
            self._has_asked = False
        self._thread.shutdown(wait=False)

    # What is wanted

    async def _look(self, knows_any: bool) -> None:
        seen = await self._ask(partial(wanted.look, self._revision, any_known=knows_any))
        self._looked_at = time.monotonic()
        if seen.agents is not None:
            self._revision, self._agents = seen.revision, seen.agents
            for kept in () if self.executor.is_leaving() else self._kept.values():
                self._follow(kept)
        if not self.executor.is_leaving():
            await self._take([agent for agent in seen.unheld if agent not in self._kept])

    def _follow(self, kept: _Kept) -> None:
        """What has become of an agent decides on its process; one that is wanted again is not let go."""
        agent = self._agents.get(kept.agent.id)
        if agent is None or agent.status not in wanted.FOLLOWED:
            kept.closing = NOT_WANTED
        elif agent.status == AgentStatus.DRAINING:
            kept.closing = DRAINED
        elif agent.config != kept.agent.config:
            kept.closing = CHANGED
        elif kept.ending is None:
            kept.closing, kept.is_settled = "", False
            kept.is_online = kept.is_online and agent.status == AgentStatus.ONLINE
            if kept.is_online:
                self._ready |= {agent.id}

    async def _take(self, unheld: Collection[int]) -> None:
        """Take what nobody has: no more than a fair share, unless nobody else takes it."""
        now = time.monotonic()
        self._unheld_since = {agent: self._unheld_since.get(agent, now) for agent in unheld}
        known = [self._agents[agent] for agent in unheld if agent in self._agents]
        for agent in known:
            if agent.status == AgentStatus.DRAINING:
                await self._ask(partial(fleet.process_ended, agent.id, reason=ABANDONED, only=AgentStatus.DRAINING))
        eligible = [agent for agent in known if agent.status in fleet.WANTED]
        room = FEW - sum(kept.is_starting or not kept.starting for kept in self._kept.values() if not kept.failures)
        if not eligible or room <= 0:
            return
        total = sum(agent.status in fleet.WANTED for agent in self._agents.values())
        others = await self._ask(partial(wanted.others, self.executor.name))
        share = math.ceil(total / (len(others) + 1))
        own = [agent for agent in eligible if _is_known(agent)]
        chosen = own[: max(0, share - len(self._kept))]
        own += [agent for agent in eligible if agent not in own and self._may_tell(agent, others)]
        chosen += [each for each in own if each not in chosen and now - self._unheld_since[each.id] > PATIENCE_S]
        wishes = [agent.id for agent in chosen[:room]]
        taken = await self._ask(partial(presence.take, wishes, self.executor.name, self.executor.host))
        self._kept.update({agent: _Kept(self._agents[agent]) for agent in sorted(taken)})

    def _may_tell(self, agent: Wanted, others: Collection[Collection[str]]) -> bool:
        """Whether to take what cannot run here, so that it tells why: nobody else knows its command either."""
        known_elsewhere = any(agent.config.get("command") in known for known in others)
        return not known_elsewhere and time.monotonic() >= self._unable_until.get(agent.id, 0.0)

    # One process

    async def _tend_safely(self, kept: _Kept) -> None:
        """Whatever goes wrong with one process concerns no other: it is left alone for a while."""
        try:
            await self._tend(kept)
            kept.troubles = 0
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            kept.troubles += 1
            rest_s = BACKOFF.delay_after(kept.troubles)
            kept.rests_until = time.monotonic() + rest_s
            logger.exception("The process of %s could not be tended to; again in %g s", kept.agent.name, rest_s)

    async def _tend(self, kept: _Kept) -> None:
        if kept.ending is not None:
            await self._finish(kept)
        elif kept.closing:
            await self._close(kept)
        elif kept.starting is None:
            if time.monotonic() >= kept.due_at:
                kept.starting = asyncio.create_task(kept.start(), name=f"start of {kept.agent.name}")
        elif kept.starting.done():
            if how := kept.how_it_ended():
                await self._bury(kept, how)
            elif not kept.is_online:
                await self._welcome(kept)

    async def _welcome(self, kept: _Kept) -> None:
        """It says that it is ready: from now on it can be called, here."""
        assert kept.process is not None and kept.starting is not None
        agent, pid = kept.agent.id, kept.process.pid
        if not await self._ask(partial(presence.started, agent, self.executor.name, pid)):
            self._lose({agent})
            return
        self.kind.running[agent] = kept.process
        self._ready |= {agent}
        kept.ready_at = time.monotonic()
        told = {"host": self.executor.host, "pid": pid, "version": kept.starting.result()}
        reason = f"Its process is ready in {self.executor.name}."
        kept.is_online = await self._ask(partial(fleet.process_started, agent, reason=reason, **told))
        if not kept.is_online:  # the next look says why
            self._ready -= {agent}

    async def _bury(self, kept: _Kept, how: str) -> None:
        """It ended by itself: it is started again, the later the more often it failed."""
        agent = kept.agent.id
        self._ready -= {agent}
        self.kind.running.pop(agent, None)
        if not await self._ask(partial(presence.ended, agent, self.executor.name, how)):
            self._lose({agent})
            return
        await self._ask(partial(fleet.process_ended, agent, reason=how, crashed=True))
        if not _is_known(kept.agent):  # another host may learn of the command before this one does
            logger.warning("%s: %s It is left to others.", kept.agent.name, how)
            self._unable_until[agent] = time.monotonic() + UNABLE_S
            kept.ending = asyncio.create_task(kept.end(), name=f"end of {kept.agent.name}")
            return
        was_healthy = kept.is_online and time.monotonic() - kept.ready_at > HEALTHY_S
        failures = 1 if was_healthy else kept.failures + 1
        logger.warning("%s: %s It is started again in %g s.", kept.agent.name, how, BACKOFF.delay_after(failures))
        due_at = time.monotonic() + BACKOFF.delay_after(failures)
        self._kept[agent] = _Kept(kept.agent, failures=failures, due_at=due_at)

    async def _close(self, kept: _Kept) -> None:
        """Let it go as soon as no call needs it."""
        agent, why = kept.agent.id, kept.closing
        self._ready -= {agent}
        if not kept.is_settled:
            await self._ask(self.executor.settle)
            kept.is_settled = True
        if agent in self.executor.in_flight():
            return
        if why == DRAINED:
            rests = await self._ask(partial(fleet.process_ended, agent, reason=why, only=AgentStatus.DRAINING))
            if not rests:  # it is wanted again, or less: the next look says which
                return
        elif kept.is_online:
            await self._ask(partial(fleet.process_ended, agent, reason=why))
        kept.is_online = False
        kept.ending = asyncio.create_task(kept.end(), name=f"end of {kept.agent.name}")

    async def _finish(self, kept: _Kept) -> None:
        """Its process is gone: the next may have the agent."""
        if kept.ending is not None and kept.ending.done():
            await self._ask(partial(presence.release, self.executor.name, [kept.agent.id]))
            self._forget(kept)

    def _lose(self, agents: Collection[int]) -> None:
        """Others have taken what this executor failed to renew."""
        for kept in [self._kept[agent] for agent in agents if agent in self._kept]:
            kept.closing = TAKEN_OVER
            if kept.process is not None:
                kept.process.kill(TAKEN_OVER)
            self._forget(kept)
            if kept.ending is None:  # it may be starting this instant
                lost = asyncio.create_task(kept.end(), name=f"end of {kept.agent.name}")
                self._lost.add(lost)
                lost.add_done_callback(self._lost.discard)

    def _forget(self, kept: _Kept) -> None:
        self._ready -= {kept.agent.id}
        if self._kept.get(kept.agent.id) is kept:
            del self._kept[kept.agent.id]
            self.kind.running.pop(kept.agent.id, None)

    def _takes_calls(self, agent: int) -> bool:
        process = self.kind.running.get(agent)
        return agent in self._ready and process is not None and process.takes_calls

    def _give_back(self, online: Collection[int]) -> None:
        if online:
            with events.recording(fleet.KEEPER):
                for agent in sorted(online):
                    fleet.process_ended(agent, reason=LEAVING)
        presence.release(self.executor.name)

    async def _ask(self, question: Callable[[], Any]) -> Any:
        """The answer of something that talks to the database or waits for a lock."""
        self._has_asked = True
        return await asyncio.get_running_loop().run_in_executor(self._thread, question)


def _is_known(agent: Wanted) -> bool:
    """Whether this host has the command of ``agent``."""
    return agent.config.get("command") in commands.names()


def _hang_up() -> None:
    """Close the connection of this thread."""
    connection.close()
