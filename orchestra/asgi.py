"""HTTP and WebSocket under one roof; daphne serves ``application``."""

import os
import sys

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestra.settings")
pages = get_asgi_application()  # loads the apps, which what follows needs

from agents.polling import CLAIMS, wakeups  # noqa: E402
from monitoring.urls import sockets  # noqa: E402
from orchestra.kernel.backpressure import paced  # noqa: E402
from orchestra.kernel.long_poll import patient  # noqa: E402
from orchestra.kernel.turns import taking_turns  # noqa: E402

SWITCH_S = 0.001
"""Threads that render give way sooner than by default (5 ms) to the event loop, which tells pages what has changed."""

sys.setswitchinterval(SWITCH_S)

application = ProtocolTypeRouter(
    {
        "http": patient(paced(taking_turns(pages)), CLAIMS, wakeups.wait),
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(sockets))),
    }
)
