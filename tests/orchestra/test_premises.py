"""What must hold of Redis before a tree is started; where it does not, one sentence says what to do."""

from collections.abc import Iterator

import pytest
from channels.layers import channel_layers
from django.conf import settings as configured
from django.core.management import load_command_class
from django.core.management.base import CommandError

from orchestra import env
from orchestra.supervisor import premises

CLOSED = "redis://127.0.0.1:1/0"
with_redis = pytest.mark.skipif(not configured.REDIS_URL, reason="needs Redis")


@pytest.fixture(autouse=True)
def _fresh_layers() -> Iterator[None]:
    """Layers are made once a process: here each test has its own."""
    channel_layers.backends.clear()
    yield
    channel_layers.backends.clear()


def test_a_redis_that_does_not_answer_is_refused_in_one_sentence(settings):
    settings.REDIS_URL = CLOSED

    with pytest.raises(CommandError, match=r"^Redis does not answer; check REDIS_URL in \.env, or take it out .*: .+$"):
        premises.require_redis()


def test_without_redis_nothing_is_asked(settings):
    settings.REDIS_URL = ""

    premises.require_redis()


@with_redis
def test_a_redis_that_answers_is_accepted():
    premises.require_redis()


@with_redis
def test_a_channel_layer_that_carries_nothing_is_refused(settings):
    settings.CHANNEL_LAYERS = env.channel_layers(CLOSED, "orchestra")

    with pytest.raises(CommandError, match="Redis does not answer"):
        premises.require_redis()


@pytest.mark.parametrize("command", ["up", "worker"])
@pytest.mark.django_db(transaction=True)
def test_trees_refuse_it_at_their_start(settings, command):
    settings.REDIS_URL = CLOSED

    with pytest.raises(CommandError, match="Redis does not answer"):
        premises.make_ready(load_command_class("orchestra", command))
