"""The product's settings for the suite: keys and a folder of its own, whatever ``.env`` says."""

import atexit
import os
import shutil
import tempfile

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
    }

from orchestra.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick on purpose
WHITENOISE_AUTOREFRESH = True  # no look at every static file for every test client
