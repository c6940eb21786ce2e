"""The tests' settings for worker trees, which then know the benchmarks' agents."""

from pathlib import Path

from django.apps import AppConfig

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS


class BenchAgents(AppConfig):
    name = "tests.orchestra"
    label = "bench_agents"
    path = str(Path(__file__).parent)

    def ready(self) -> None:
        from orchestra.bench import load  # noqa: F401  registers them


INSTALLED_APPS = [*INSTALLED_APPS, "tests.orchestra.tree_settings.BenchAgents"]
