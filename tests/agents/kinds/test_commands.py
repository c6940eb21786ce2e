"""The programs that agents may be, and what they are told of our own environment."""

from agents.kinds import commands
from orchestra import env


def test_a_program_gets_what_it_takes_to_run_and_no_key_of_anybodys(monkeypatch):
    runs = {"PATH": "/bin", "HOME": "/root", "LC_ALL": "C", "PYTHONPATH": "/x", "TMPDIR": "/x/tmp", "VIRTUAL_ENV": "/v"}
    keeps = dict.fromkeys((*env.SETTINGS, "DJANGO_SETTINGS_MODULE", "ORCHESTRA_PROCESS"), "t0p")
    others = {"AWS_SECRET_ACCESS_KEY": "t0p", "PGPASSWORD": "t0p", "OPENAI_ORG_ID": "t0p", "LD_PRELOAD": "/x.so"}
    monkeypatch.setattr("os.environ", runs | keeps | others)

    assert commands.find("echo").environment == runs
