"""A worker process of the tests: one executor on the tests' database, until it is told to stop.

``python -m tests.workflows.executor_process`` with DATABASE_URL set to the tests' own database.
"""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from tests.agents import functions  # noqa: E402, F401  registers the functions
from workflows import executor  # noqa: E402

if __name__ == "__main__":
    print(executor.run(), flush=True)
