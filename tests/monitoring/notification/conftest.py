"""Routes, channels and servers to notify."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from monitoring.models import Channel, Route
from monitoring.notification import channels, routes
from orchestra.kernel.access import Actor
from tests.monitoring.notification.servers import Receiver, receiving

ADMIN = Actor.system("test")


@pytest.fixture
def hook() -> Iterator[Receiver]:
    """A web server on loopback."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def _loopback_allowed(settings: Any) -> None:
    settings.OUTGOING_ALLOWED = ["127.0.0.1"]


@pytest.fixture
def make_channel(db: None) -> Callable[..., Channel]:
    def make(name: str = "In the browser", kind: str = "browser", **values: Any) -> Channel:
        return channels.create(kind, {"name": name, **values}, by=ADMIN)

    return make


@pytest.fixture
def webhook(make_channel: Callable[..., Channel], hook: Receiver, _loopback_allowed: None) -> Channel:
    """A channel to the web server on loopback."""
    return make_channel("Hook", "webhook", secrets={"url": hook.url, "signing_key": "k3y"})


@pytest.fixture
def make_route(db: None) -> Callable[..., Route]:
    def make(name: str = "All", *to: Channel, **values: Any) -> Route:
        return routes.create({"name": name, "channels": [one.pk for one in to], **values}, by=ADMIN)

    return make
