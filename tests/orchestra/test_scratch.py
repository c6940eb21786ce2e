"""The Redis database of a benchmark: an empty one of its own, and no other is ever emptied."""

import pytest
from django.conf import settings as configured
from django.core.management.base import CommandError
from redis import Redis

from orchestra.bench import scratch

pytestmark = pytest.mark.skipif("not configured.REDIS_URL", reason="needs Redis")


def test_a_benchmark_gets_an_empty_redis_database_that_is_not_the_configured_one():
    with scratch._scratch_redis(configured.REDIS_URL) as url, Redis.from_url(url) as own:
        used = Redis.from_url(configured.REDIS_URL).connection_pool.connection_kwargs.get("db", 0)

        assert own.connection_pool.connection_kwargs["db"] != used
        assert own.keys() == [scratch.CLAIM.encode()]


def test_two_benchmarks_at_a_time_have_two():
    with scratch._scratch_redis(configured.REDIS_URL) as one, scratch._scratch_redis(configured.REDIS_URL) as other:
        assert one != other


def test_flushing_leaves_the_benchmark_its_claim():
    with scratch._scratch_redis(configured.REDIS_URL) as url, Redis.from_url(url) as own:
        own.set("message", "1")
        scratch.flush_redis(url)

        assert own.keys() == [scratch.CLAIM.encode()]


def test_afterwards_it_is_empty_again():
    with scratch._scratch_redis(configured.REDIS_URL) as url:
        pass

    with Redis.from_url(url) as own:
        assert own.dbsize() == 0


def test_a_redis_database_of_somebody_else_is_never_emptied():
    with Redis.from_url(configured.REDIS_URL) as theirs:
        theirs.set("theirs", "1")
        try:
            with pytest.raises(CommandError, match="not the benchmark's own"):
                scratch.flush_redis(configured.REDIS_URL)

            assert theirs.get("theirs") == b"1"
        finally:
            theirs.delete("theirs")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h:1/0", "redis://h:1/5"),
        ("rediss://u:p@h", "rediss://u:p@h/5"),
        ("unix:///run/redis?db=1", "unix:///run/redis?db=5"),
    ],
)
def test_the_number_is_put_into_any_kind_of_address(url, expected):
    assert scratch._with_number(url, 5) == expected
