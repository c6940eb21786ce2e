"""Daphne on the tests' own database, for tests of what speaks to the API from outside."""

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from django.conf import settings
from django.db import connection

from tests.orchestra.running_tree import free_port
from tests.workflows.real_executors import LEASE_S, until


@contextmanager
def serving(**given: str) -> Iterator[str]:
    """The address of a server that answers; it is ended with the block."""
    database, port = connection.settings_dict, free_port()
    url = (
        f"sqlite:///{database['NAME']}"
        if connection.vendor == "sqlite"
        else f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    )
    environment = os.environ | {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "LEASE_S": str(LEASE_S),
        "ORCHESTRA_PROCESS": "web",
        **given,
    }
    command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "--verbosity", "0"]
    process = subprocess.Popen([*command, "orchestra.asgi:application"], env=environment, cwd=settings.BASE_DIR)

    def answers() -> bool:
        assert process.poll() is None, "daphne ended"
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as client, suppress(OSError):
            client.request("GET", "/healthz")
            return client.getresponse().status == 200
        return False

    try:
        until(answers, within_s=60)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
