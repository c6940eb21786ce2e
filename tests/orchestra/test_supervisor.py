"""The supervised tree, with real processes: whatever is killed comes back, and nothing stays behind."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.orchestra.running_tree import START_S, RunningTree, free_port, manage, wait_until

HEAL_S = 45


def soaked(*victims: str) -> list[Any]:
    return [pytest.param(victim, marks=pytest.mark.soak) for victim in victims]


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("migrated")
    assert manage(folder, "migrate", "--verbosity", "0").wait() == 0
    return folder


@pytest.fixture(scope="module")
def start(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], RunningTree]]:
    """Starts a tree, and kills it when the tests are over."""
    trees: list[RunningTree] = []

    def start() -> RunningTree:
        folder = tmp_path_factory.mktemp("tree")
        shutil.copytree(migrated, folder, dirs_exist_ok=True)
        trees.append(RunningTree(folder))
        wait_until(trees[-1].is_ready, START_S)
        trees[-1].look()
        return trees[-1]

    yield start
    for tree in trees:
        tree.end()


@pytest.fixture(scope="module")
def tree(start: Callable[[], RunningTree]) -> RunningTree:
    """One tree for all that heal."""
    return start()


def test_a_killed_web_process_is_replaced_and_no_connection_is_refused(tree):
    killed = tree.process("web")
    killed.kill()
    killed.wait()

    assert tree.answers("/healthz")
    assert tree.process("web") != killed


@pytest.mark.parametrize("victim", ["main", "main/sentinel", "main/worker", *soaked("main/pusher", "main/monitor")])
def test_the_main_cluster_works_again_when_a_process_of_it_was_killed(tree, victim):
    tree.process(victim).kill()
    killed_at = tree.beats("ping:main")

    wait_until(lambda: tree.beats("ping:main") != killed_at and _works(tree, "main/worker"), HEAL_S)


@pytest.mark.parametrize("victim", ["executors/executor", *soaked("executors", "executors/sentinel")])
def test_an_executor_is_at_work_again_when_it_or_what_it_stands_on_was_killed(tree, victim):
    before = {name for name, _ in tree.beats("executor:%")}
    tree.process(victim).kill()

    wait_until(lambda: {name for name, _ in tree.beats("executor:%")} - before, HEAL_S)


@pytest.mark.parametrize("victim", soaked("executors/pusher", "executors/monitor"))
def test_an_executor_outlives_the_other_processes_of_its_cluster(tree, victim):
    executor = tree.process("executors/executor")
    killed = tree.process(victim)
    killed.kill()

    wait_until(lambda: _works(tree, victim) and tree.process(victim) != killed, HEAL_S)
    assert tree.process("executors/executor") == executor


def test_a_second_tree_on_the_same_folder_is_refused(tree):
    second = manage(tree.folder, "up", "--port", str(free_port()), stderr=subprocess.PIPE, text=True)

    assert f"already running on {tree.folder} (process {tree.supervisor.pid})" in second.communicate()[1]
    assert second.returncode == 1


def test_a_busy_port_is_said(tree, migrated):
    refused = manage(migrated, "up", "--port", str(tree.port), stderr=subprocess.PIPE, text=True)

    assert "Address already in use. Choose another port with --port or PORT." in refused.communicate()[1]
    assert refused.returncode == 1


@pytest.mark.parametrize("command", ["up", "worker"])
def test_a_database_that_is_not_migrated_is_refused_with_the_command_that_mends_it(tmp_path, command):
    refused = manage(tmp_path, command, stderr=subprocess.PIPE, text=True)

    assert "Bring it up to date with: .venv/bin/python manage.py migrate" in refused.communicate()[1]
    assert refused.returncode == 1


def test_told_to_stop_it_leaves_no_process_and_no_executor(start):
    tree = start()
    tree.supervisor.terminate()

    assert tree.supervisor.wait(timeout=15) == 0
    wait_until(tree.is_gone, 1)
    assert tree.beats("executor:%") == set()
    assert tree.log.rstrip().splitlines()[-1].count("Everything has stopped.")


def test_told_to_stop_twice_at_once_it_lets_what_is_at_work_come_to_its_end(start):
    tree = start()
    for number in (signal.SIGTERM, signal.SIGINT):
        tree.supervisor.send_signal(number)
        time.sleep(0.3)

    assert tree.supervisor.wait(timeout=15) == 0
    assert "Told to stop again" not in tree.log


@pytest.mark.soak
def test_told_to_stop_twice_it_kills_what_does_not_stop(start):
    tree = start()
    tree.process("main/sentinel").suspend()
    tree.supervisor.send_signal(signal.SIGINT)
    time.sleep(4)
    assert tree.supervisor.poll() is None
    tree.supervisor.send_signal(signal.SIGINT)

    assert tree.supervisor.wait(timeout=6) == 0
    wait_until(tree.is_gone, 1)


def test_killed_it_leaves_no_process_within_two_seconds(start):
    tree = start()
    tree.supervisor.kill()

    wait_until(tree.is_gone, 2)


def _works(tree: RunningTree, path: str) -> bool:
    """Whether there is such a process, now."""
    try:
        return tree.process(path).is_running()
    except (StopIteration, ValueError, psutil.NoSuchProcess):
        return False
