"""Log lines: JSON for machines, without the locals of a traceback, which may hold secrets."""

import json
import logging
import sys

import pytest
import structlog

from orchestra.logs import formatter


def line(machine, **extra):
    record = logging.makeLogRecord(
        {"name": "desk", "levelname": "ERROR", "levelno": 40, "msg": "It %s.", "args": ("broke",)}
    )
    record.__dict__.update(extra)
    return formatter(machine=machine).format(record)


def failure():
    password = "correct horse battery"
    try:
        raise ValueError(len(password))
    except ValueError:
        return sys.exc_info()


def test_a_machine_reads_one_object_a_line():
    entry = json.loads(line(machine=True, run=7))

    assert (entry["event"], entry["level"], entry["logger"], entry["run"]) == ("It broke.", "error", "desk", 7)


def test_entries_carry_the_id_of_their_request():
    with structlog.contextvars.bound_contextvars(request_id="abc"):
        assert json.loads(line(machine=True, request=object()))["request_id"] == "abc"


@pytest.mark.parametrize("machine", [True, False])
def test_tracebacks_show_no_local_variables(machine):
    text = line(machine=machine, exc_info=failure())

    assert "ValueError" in text
    assert "correct horse" not in text


def test_a_person_reads_words():
    assert "It broke." in line(machine=False)
