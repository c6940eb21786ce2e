"""Names of hosts to addresses, by the system's resolver, which blocks: each lookup has a thread of its own.

The loop's own few threads would not do: names whose server is silent would hold all others up, and an ending
loop would wait for them. These threads are daemons, and whoever asks for a name that is being asked for waits along.
"""

import asyncio
import socket
import threading
from contextlib import suppress
from ipaddress import ip_address

from orchestra.kernel.addresses import Address

_PENDING: dict[tuple[asyncio.AbstractEventLoop, str], asyncio.Future[list[Address]]] = {}
"""Lookups under way; each entry is written by its own loop only."""


async def addresses_of(host: str) -> list[Address]:
    """The addresses of ``host``, in the system's order, each once. Raises OSError or UnicodeError if there is none."""
    loop = asyncio.get_running_loop()
    found = _PENDING.get((loop, host))
    if found is None:
        found = _PENDING[loop, host] = loop.create_future()
        found.add_done_callback(lambda _: _PENDING.pop((loop, host), None))
        threading.Thread(target=_look_up, args=(host, found), name=f"resolver {host}", daemon=True).start()
    return await asyncio.shield(found)


def _look_up(host: str, found: asyncio.Future[list[Address]]) -> None:
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        answer: list[Address] | Exception = list(dict.fromkeys(ip_address(entry[4][0]) for entry in entries))
    except (OSError, ValueError) as error:
        answer = error
    with suppress(RuntimeError):  # the loop has ended in the meantime
        found.get_loop().call_soon_threadsafe(_settle, found, answer)


def _settle(found: asyncio.Future[list[Address]], answer: list[Address] | Exception) -> None:
    if isinstance(answer, Exception):
        found.set_exception(answer)
        found.exception()  # whoever asked may have gone; then nobody takes it, which is no mistake
    else:
        found.set_result(answer)
