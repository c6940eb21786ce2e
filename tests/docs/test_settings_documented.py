"""docs/deployment.md and the code say the same of settings, checks and backups."""

import os
import re
import subprocess
import sys
from pathlib import Path

from orchestra.env import SETTINGS
from tests.orchestra.running_tree import manage

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "deployment.md").read_text()


def test_every_setting_is_documented_with_its_default_and_purpose_and_no_other():
    documented = re.findall(r"^\| `([A-Z_]+)` \| (?:none|`(.*)`) \| (.*) \|$", DOCUMENT, re.MULTILINE)

    assert documented == [(name, setting.default, setting.purpose) for name, setting in SETTINGS.items()]


def test_every_system_check_is_documented_and_no_other():
    documented = re.findall(r"^\| (orchestra\.[EW]\d+) \|", DOCUMENT, re.MULTILINE)
    in_code = re.findall(r'id="(orchestra\.[EW]\d+)"', (ROOT / "orchestra" / "checks.py").read_text())

    assert sorted(documented) == sorted(in_code)


def test_every_management_command_it_names_exists():
    commands = {path.stem for path in (ROOT / "orchestra" / "management" / "commands").glob("*.py")}
    django = {"check", "migrate"}

    assert set(re.findall(r"manage\.py (\w+)", DOCUMENT)) <= commands | django


def test_every_heading_is_in_the_contents():
    contents = re.findall(r"^- \[(.+)\]\(#", DOCUMENT, re.MULTILINE)

    assert contents == re.findall(r"^## (.+)$", DOCUMENT, re.MULTILINE)


def test_a_backup_made_and_verified_as_documented_is_whole(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    assert manage(data, "migrate", "--verbosity", "0").wait() == 0
    assert manage(data, "create_token", "ada", "--role", "viewer", stdout=subprocess.DEVNULL).wait() == 0
    commands = [line for line in DOCUMENT.splitlines() if "VACUUM INTO" in line or "DATABASE_URL=sqlite" in line]
    script = "\n".join(commands).replace(".venv/bin/python", sys.executable).replace("manage.py", f"{ROOT}/manage.py")
    result = subprocess.run(
        ["sh", "-ec", script],
        check=False,
        cwd=tmp_path,
        env=os.environ | {"DATA_DIR": str(data), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )

    assert len(commands) == 2
    assert result.returncode == 0, result.stderr
    assert re.match(r"The audit trail is whole: [1-9]", result.stdout)
