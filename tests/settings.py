"""The product's settings for the suite: keys and a folder of its own, whatever ``.env`` says."""

import atexit
import json
import os
import shutil
import sys
import tempfile
from urllib.parse import urlsplit

if "ORCHESTRA_TESTS" not in os.environ:  # processes that tests start inherit what is set here
    folder = tempfile.mkdtemp(prefix="orchestra-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ |= {
        "ORCHESTRA_TESTS": "1",
        "DATA_DIR": folder,
        "DEBUG": "false",
        "SECRET_KEY": "only the tests are signed with this",
        "ENCRYPTION_KEYS": "dGhlIHRlc3RzJyBvd24ga2V5IG9mIDMyIGJ5dGVzISE=",
        "DATABASE_URL": os.environ.get("DATABASE_URL", ""),
        "REDIS_URL": os.environ.get("REDIS_URL", ""),
        "MONITORING": "false",  # its own tests switch it on; others would not expect its writes
        "COMMANDS": json.dumps(
            {
                "-".join(["wild", *mode]): [sys.executable, "-m", "tests.agents.kinds.wild_worker", *mode]
                for mode in ([], ["dies"], ["silent"], ["noisy"], ["deaf"], ["stays"], ["garbles"])
            }
        ),
    }

worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
if worker and os.environ["REDIS_URL"]:  # queues have no names of their own: a Redis database for each worker
    os.environ["REDIS_URL"] = urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{int(worker) + 1}").geturl()

from orchestra.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick on purpose
WHITENOISE_AUTOREFRESH = True  # no look at every static file for every test client
