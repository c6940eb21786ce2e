"""One running process of an agent: JSON lines on its pipes, several calls at once, matched by their ids. Pure.

Whatever the process does, whoever waits for an answer hears of it: an answer, or an AgentError that says what became of
the process. Lines are read one at a time and never more of them into memory than :data:`LINE_LIMIT` allows twice.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import SubprocessStreamProtocol
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from agents.kinds import protocol
from agents.outcomes import AgentError, Fault
from agents.printable import printable

LINE_LIMIT = 1024 * 1024
GRACE_S = 2.0
"""What a process that is told to stop has before it is killed with all that it started."""
EXIT_WITHIN_S = 5.0
"""A process that has closed its output should be gone by then."""
LOG_BYTES = 4096
LOG_LINES = 3
LOG_SHOWN = 300
SAID = 1000
"""Characters of a verdict, which may quote what the process wrote."""
LINES_A_TURN = 50
"""After so many lines others on the loop have their turn, however fast the process writes."""
MARK = "AGENT_PROCESS"
"""In the environment of a process and all that it starts: by its value they are told from others."""
_TETHER = str(Path(__file__).parents[1] / "tether.py")


@dataclass(frozen=True, slots=True)
class Command:
    """What is run: its words, where, and with which environment."""

    words: Sequence[str]
    folder: str
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a process takes no more calls, and whose fault it is that those in flight are lost."""

    sentence: str
    fault: Fault

    def error(self) -> AgentError:
        return AgentError(self.sentence, retryable=True, fault=self.fault)


def tethered(words: Sequence[str]) -> list[str]:
    """The words that run a command below a tether, for as long as this process lives: see ``tether.py``."""
    return [sys.executable, "-I", "-S", _TETHER, str(os.getpid()), str(GRACE_S), *words]


class _Pipes(SubprocessStreamProtocol):
    """Its own ``wait`` would wait for the pipes too, which children may hold open."""

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit, loop)
        self.exited = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set()


class Process:
    """Made by :meth:`start`, on the loop that it is used on; ends by itself, by :meth:`kill` or by :meth:`stop`."""

    def __init__(self, transport: asyncio.SubprocessTransport, pipes: _Pipes, mark: str) -> None:
        self.pid = transport.get_pid()
        """Of its tether; the command and all that it started are below."""
        self.ended = asyncio.Event()
        self.verdict: Verdict | None = None
        self._transport = transport
        self._exited = pipes.exited
        self._mark = mark
        self._input, self._output, self._errors = pipes.stdin, pipes.stdout, pipes.stderr
        self._ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._pending: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        self._given_up: set[str] = set()
        self._writing = asyncio.Lock()
        self._log = b""
        self._logging = asyncio.create_task(self._read_log(), name="agent's log")
        self._serving = asyncio.create_task(self._serve(), name="agent's pipes")

    @classmethod
    async def start(cls, command: Command) -> Self:
        """Start it below a tether of its own. Raises AgentError if the system does not let us."""
        loop, token = asyncio.get_running_loop(), uuid4().hex
        try:
            transport, pipes = await loop.subprocess_exec(
                lambda: _Pipes(LINE_LIMIT, loop),
                *tethered(command.words),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=command.folder,
                env={**command.environment, MARK: token},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise AgentError(f"Its process could not be started: {error}") from error
        return cls(transport, pipes, f"{MARK}={token}")

    @property
    def takes_calls(self) -> bool:
        return self.verdict is None and self._ready.done()

    async def ready(self, within_s: float) -> str:
        """Wait until it says that it is ready; returns its version. Raises AgentError, and kills it, if it does not."""
        try:
            async with asyncio.timeout(within_s):
                return await asyncio.shield(self._ready)
        except TimeoutError:
            self.kill(f"It did not say within {within_s:g} s that it is ready.", Fault.AGENT)
            await self.ended.wait()
            raise self._verdict().error() from None

    async def call(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send a call and wait for its answer. Cancelled, it only stops waiting: see :meth:`give_up`."""
        if not self.takes_calls:
            raise AgentError(self._verdict().sentence, fault=Fault.LOST)
        line = protocol.encode(message) + b"\n"
        if len(line) > LINE_LIMIT:
            raise AgentError(
                "The call is larger than 1 MB; a process is not sent that much.", retryable=False, fault=Fault.CALLER
            )
        identifier = message["id"]
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[identifier] = answer
        try:
            await self._send(line)
            return await answer
        finally:
            self._pending.pop(identifier, None)

    def give_up(self, identifier: str) -> None:
        """Tell it that nobody waits for this answer any more; it may answer all the same."""
        if self.verdict is None:
            self._given_up.add(identifier)
            pipe = self._input
            if pipe is not None and pipe.transport.get_write_buffer_size() < LINE_LIMIT:
                pipe.write(protocol.encode({"cancel": identifier}) + b"\n")

    def kill(self, why: str, fault: Fault = Fault.LOST) -> None:
        """Kill it at once with all that it started; calls in flight fail with ``why``."""
        self._condemn(why, fault)
        self._signal(signal.SIGUSR1)

    async def stop(self, why: str) -> None:
        """End it in order, by force after :data:`GRACE_S`, and wait for that."""
        self._condemn(why, Fault.LOST)
        if self._input is not None:
            self._input.close()
        self._signal(signal.SIGTERM)
        await self.ended.wait()

    async def _send(self, line: bytes) -> None:
        pipe = self._input
        async with self._writing:
            if self.verdict is None and pipe is not None:
                pipe.write(line)
                with suppress(ConnectionError):  # it is gone, which whoever reads its output will tell
                    await pipe.drain()

    async def _serve(self) -> None:
        """Take answers until there are no more, see the process off, and tell whoever still waits."""
        reading = asyncio.create_task(self._read_answers(), name="agent's answers")
        exiting = asyncio.create_task(self._exited.wait(), name="agent's exit")
        await asyncio.wait({reading, exiting}, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():  # what it wrote before it ended is still to be read
            await self._bury_family()
            await asyncio.wait({reading}, timeout=EXIT_WITHIN_S)
        if reading.done() and (fault := reading.result()):
            self.kill(f"{fault} Its process is replaced.", Fault.AGENT)
        how = await self._see_off(reading)
        exiting.cancel()
        self._condemn(how + self._last_words(), Fault.AGENT)
        error = self._verdict().error()
        if not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()  # heard, even if nobody waits
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(error)
        self.ended.set()

    async def _read_answers(self) -> str:
        """What is wrong with the line that ended it; nothing if the output was closed."""
        pipe, lines = self._output, 0
        assert pipe is not None
        while True:
            try:
                line = await pipe.readuntil(b"\n")
            except asyncio.LimitOverrunError:
                return "It wrote a line of more than 1 MB."
            except asyncio.IncompleteReadError:
                return ""
            if fault := self._take(line):
                return fault
            lines += 1
            if lines % LINES_A_TURN == 0:
                await asyncio.sleep(0)

    def _take(self, line: bytes) -> str:
        """Hand a line to whoever waits for it; what is wrong with it, if nobody does."""
        if not line.strip():
            return ""
        try:
            answer = protocol.read(line)
        except ValueError as error:
            return str(error)
        if not isinstance(answer, Mapping):
            return "It wrote a line that is not a JSON object."
        if "ready" in answer and "id" not in answer:
            if not self._ready.done():
                self._ready.set_result(printable(str(answer.get("version") or ""), 50))
            return ""
        identifier = str(answer.get("id"))
        waiting = self._pending.pop(identifier, None)
        if waiting is not None:
            if not waiting.done():
                waiting.set_result(answer)
        elif identifier in self._given_up:
            self._given_up.discard(identifier)
        else:
            return f"It answered a call that it was not sent: {identifier[:80]}."
        return ""

    async def _see_off(self, reading: "asyncio.Task[str]") -> str:
        """Wait for the end of a process that has closed its output or is being killed; returns how it ended."""
        rest = asyncio.create_task(self._read_the_rest(reading), name="agent's last output")
        try:
            async with asyncio.timeout(EXIT_WITHIN_S + (GRACE_S if self.verdict else 0)):
                await self._exited.wait()
        except TimeoutError:
            self.kill("It closed its output, so its process was killed.", Fault.AGENT)
            await self._exited.wait()
        await self._bury_family()
        await asyncio.wait([self._logging, rest], timeout=EXIT_WITHIN_S)
        for task in (self._logging, rest, reading):
            task.cancel()
        self._transport.close()
        code = self._transport.get_returncode() or 0
        return f"Its process was ended by {_name_of(-code)}" if code < 0 else f"Its process ended with exit code {code}"

    async def _bury_family(self) -> None:
        """If its tether was killed itself, nobody has seen to what the process had started."""
        if self._transport.get_returncode() == -signal.SIGKILL:
            await asyncio.to_thread(_kill_strays, self._mark)

    async def _read_the_rest(self, reading: "asyncio.Task[str]") -> None:
        """Answers are no longer taken, but what is left in the pipe would keep it open."""
        await asyncio.wait([reading])
        while self._output is not None and await self._output.read(LINE_LIMIT):
            pass

    async def _read_log(self) -> None:
        pipe = self._errors
        assert pipe is not None
        while chunk := await pipe.read(LOG_BYTES):
            self._log = (self._log + chunk)[-LOG_BYTES:]
            await asyncio.sleep(0)

    def _last_words(self) -> str:
        lines = [line.strip() for line in self._log.decode(errors="replace").splitlines() if line.strip()]
        said = " / ".join(lines[-LOG_LINES:])[-LOG_SHOWN:]
        return f". Its last words: “{said}”." if said else "."

    def _condemn(self, why: str, fault: Fault) -> None:
        """The first reason stays."""
        if self.verdict is None:
            self.verdict = Verdict(printable(why, SAID), fault)

    def _verdict(self) -> Verdict:
        return self.verdict or Verdict("Its process is not ready yet.", Fault.LOST)

    def _signal(self, number: int) -> None:
        if self._transport.get_returncode() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _kill_strays(mark: str) -> None:
    """Kill whatever inherited ``mark`` and lives: what a killed tether could not see off."""
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark.encode() in environment.read_bytes().split(b"\0"):
                os.kill(int(environment.parent.name), signal.SIGKILL)


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
