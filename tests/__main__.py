"""Runs the whole suite: on SQLite, then on PostgreSQL and Redis where they answer.

``python -m tests [options of pytest]``
"""

import os
import subprocess
import sys

import psycopg
import redis

DATABASE = os.environ.get("TEST_DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379")
PARALLEL = ("-n", "2", "--dist", "worksteal")
"""Half of the time; each of the two has a database of its own, and who is done first takes over from the other."""


def main(options: list[str]) -> int:
    """Runs both halves, whatever the first one says; 0 if nothing failed."""
    failed = run("SQLite", options, DATABASE_URL="", REDIS_URL="")
    reason = why_unreachable(DATABASE, REDIS)
    if reason:
        print(f"Not run on PostgreSQL and Redis: {reason} Name others by TEST_DATABASE_URL and TEST_REDIS_URL.")
    else:
        failed |= run("PostgreSQL and Redis", options, DATABASE_URL=DATABASE, REDIS_URL=REDIS)
    return int(failed)


def run(where: str, options: list[str], **settings: str) -> bool:
    """Runs pytest under ``settings``; whether anything failed."""
    print(f"\nThe suite on {where}:", flush=True)
    command = [sys.executable, "-m", "pytest", *PARALLEL, *options]
    return subprocess.run(command, env=os.environ | settings, check=False).returncode != 0


def why_unreachable(database: str, redis_url: str) -> str:
    """A sentence for each of the two that does not answer; empty if both do."""
    reasons = []
    try:
        psycopg.connect(database, connect_timeout=2).close()
    except psycopg.OperationalError as error:
        reasons.append(f"PostgreSQL does not answer ({str(error).splitlines()[0].rstrip('.')}).")
    try:
        with redis.Redis.from_url(redis_url, socket_connect_timeout=2) as connection:
            connection.ping()
    except redis.RedisError as error:
        reasons.append(f"Redis does not answer ({str(error).rstrip('.')}).")
    return " ".join(reasons)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
