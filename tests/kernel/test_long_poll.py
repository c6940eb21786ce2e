"""Long polls: asked again when the bell rings, answered in time, forgotten when the client leaves."""

import asyncio
from types import SimpleNamespace

import pytest

from orchestra.kernel.long_poll import AT_ONCE, MAX_BODY, SCOPE, patient, poll_of

SOON_S = 10.0
PATH = r"/claim/\d+/"


class View:
    """An application that has something once ``ready`` is set, and says how often and how many at a time it looked."""

    def __init__(self, wait_s=5.0):
        self.ready = False
        self.wait_s = wait_s
        self.bodies = []
        self.at_once = self.most = 0

    async def __call__(self, scope, receive, send):
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        message = await receive()
        self.bodies.append(message["body"])
        poll = scope.get(SCOPE)
        found = self.ready
        if poll is not None and not found:
            poll.again("letters", self.wait_s)
        await asyncio.sleep(0.01)
        self.at_once -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"found" if found else b"nothing"})


class Bell:
    """Rings when it is told to; ``waits`` are those that were asked of it."""

    def __init__(self):
        self.rung = asyncio.Event()
        self.waits = []

    async def __call__(self, subject, pause_s, timeout_s):
        self.waits.append((subject, pause_s))
        try:
            async with asyncio.timeout(timeout_s):
                await self.rung.wait()
        except TimeoutError:
            pass
        self.rung.clear()


class Client:
    def __init__(self, *parts, path="/claim/1/", method="POST"):
        self.scope = {"type": "http", "method": method, "path": path}
        self.messages = asyncio.Queue()
        self.answer = b""
        self.statuses = []
        for number, part in enumerate(parts or (b"{}",), 1):
            more = number < len(parts)
            self.messages.put_nowait({"type": "http.request", "body": part, "more_body": more})

    def leave(self):
        self.messages.put_nowait({"type": "http.disconnect"})

    async def send(self, message):
        self.answer += message.get("body", b"")
        if "status" in message:
            self.statuses.append(message["status"])

    async def ask(self, application):
        await asyncio.wait_for(application(self.scope, self.messages.get, self.send), SOON_S)
        return self.answer


async def until(claim):
    async with asyncio.timeout(SOON_S):
        while not claim():  # noqa: ASYNC110 - what the test waits for has no event
            await asyncio.sleep(0.005)


async def test_what_is_there_is_answered_at_once():
    view, bell = View(), Bell()
    view.ready = True
    assert await Client().ask(patient(view, PATH, bell)) == b"found"
    assert bell.waits == []


async def test_it_is_asked_again_when_the_bell_rings_and_each_time_with_the_whole_body():
    view, bell, client = View(), Bell(), Client(b'{"a":', b"1}")
    asking = asyncio.create_task(client.ask(patient(view, PATH, bell)))
    await until(lambda: bell.waits)
    view.ready = True
    bell.rung.set()
    assert await asking == b"found"
    assert view.bodies == [b'{"a":1}', b'{"a":1}']


async def test_looks_that_find_nothing_come_ever_more_rarely():
    view, bell = View(), Bell()
    asking = asyncio.create_task(Client().ask(patient(view, PATH, bell)))
    for looks in range(1, 5):
        await until(lambda looks=looks: len(bell.waits) == looks)
        bell.rung.set()
    await until(lambda: len(bell.waits) == 5)
    pauses = [pause_s for _, pause_s in bell.waits]
    assert pauses == sorted(pauses)
    assert pauses[-1] > 5 * pauses[0]
    asking.cancel()


async def test_when_the_time_is_over_the_last_answer_is_sent():
    assert await Client().ask(patient(View(wait_s=0.2), PATH, Bell())) == b"nothing"


async def test_who_does_not_want_to_wait_does_not():
    bell = Bell()
    assert await Client().ask(patient(View(wait_s=0), PATH, bell)) == b"nothing"
    assert bell.waits == []


async def test_a_client_that_leaves_is_forgotten():
    view, bell, client = View(), Bell(), Client()
    asking = asyncio.create_task(client.ask(patient(view, PATH, bell)))
    await until(lambda: bell.waits)
    client.leave()
    assert await asking == b""
    assert len(view.bodies) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("leaves", [True, False])
async def test_what_was_handed_to_a_client_who_left_meanwhile_is_taken_back(leaves):
    client, taken_back = Client(), []

    async def view(scope, receive, send):
        await receive()
        scope[SCOPE].hands_over(lambda: taken_back.append("letter"))
        if leaves:
            client.leave()
            await until(client.messages.empty)
            await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"letter"})

    answer = await client.ask(patient(view, PATH, Bell()))
    assert (answer, taken_back) == ((b"", ["letter"]) if leaves else (b"letter", []))


async def test_only_so_many_look_at_a_time():
    view = View(wait_s=0)
    application = patient(view, PATH, Bell())
    await asyncio.gather(*(Client().ask(application) for _ in range(20)))
    assert len(view.bodies) == 20
    assert view.most == AT_ONCE


async def test_other_addresses_and_methods_know_nothing_of_it():
    for client in (Client(path="/claim/1/more"), Client(method="GET")):
        assert await client.ask(patient(View(), PATH, Bell())) == b"nothing"


async def test_a_body_that_no_poll_needs_is_refused():
    client, view = Client(b"x" * MAX_BODY, b"x"), View()
    await client.ask(patient(view, PATH, Bell()))
    assert (client.statuses, view.bodies) == ([413], [])


def test_without_a_server_there_is_no_poll():
    assert poll_of(SimpleNamespace()) is None
