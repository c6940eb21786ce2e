"""Exports of the audit trail."""

import csv
import http.client
import io
import json
import socket
import time
from contextlib import closing

import pytest

from monitoring.audit import export
from orchestra.kernel import accounts, events
from orchestra.kernel.access import Actor
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Event
from tests.audit import actions, last_event
from tests.conftest import SETUP
from tests.monitoring.happenings import ENGINE, INQUIRY, happened

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def token(operator):
    return accounts.create_token(SETUP, operator, name="export", role="viewer")[1]


@pytest.fixture
def fetch(web_server, token):
    """``fetch("?format=csv")``: status, headers and text of an export."""

    def ask(query, key=token):
        connection = http.client.HTTPConnection("127.0.0.1", web_server, timeout=30)
        with closing(connection):
            connection.request("GET", f"/api/v1/audit/export/{query}", headers={"Authorization": f"Token {key}"})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()

    return ask


def test_rows_of_a_file_are_events_with_all_their_columns():
    event = happened(before={"status": "new"}, after={"status": "in_review"}, reason="It is mine")

    row = export.row_of(event)

    assert (row["number"], row["action"], row["hash"], row["reason"]) == (1, "InquiryClaimed", event.hash, "It is mine")
    assert (row["before"], row["after"]) == ({"status": "new"}, {"status": "in_review"})


def test_as_csv(fetch):
    _, headers, text = fetch("?format=csv&target=user")

    rows = list(csv.DictReader(io.StringIO(text)))
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert ".csv" in headers["Content-Disposition"]
    assert [row["action"] for row in rows] == ["UserCreated"]
    assert json.loads(rows[0]["after"])["username"] == "olga"


def test_as_json_lines(fetch):
    _, headers, text = fetch("?format=jsonl&action=UserCreated")

    assert headers["Content-Type"] == "application/x-ndjson; charset=utf-8"
    assert [json.loads(line)["after"]["username"] for line in text.splitlines()] == ["olga"]


def test_begin_and_end_are_in_the_trail(fetch):
    fetch("?format=jsonl&action=UserCreated")

    ended, begun = Event.objects.select_related("detail").order_by("-number")[:2]
    assert [begun.action, ended.action] == ["AuditExportStarted", "AuditExportFinished"]
    assert json.loads(begun.detail.after) == {
        "filter": {"action": "UserCreated"},
        "format": "jsonl",
        "head": begun.number - 1,
    }
    assert json.loads(ended.detail.after) == {"rows": 1}
    assert begun.correlation == ended.correlation


def test_what_happens_after_it_began_is_not_in_it(fetch):
    *_, text = fetch("?format=jsonl")

    assert [json.loads(line)["action"] for line in text.splitlines()] == ["UserCreated", "TokenCreated"]


@pytest.mark.parametrize("query", ["?format=xml", "?flavour=plain", "?since=soon"])
def test_what_it_does_not_know_is_refused_before_it_begins(fetch, query):
    status, *_ = fetch(query)

    assert status == 422
    assert "AuditExportStarted" not in actions()


def test_strangers_get_nothing(fetch):
    assert fetch("?format=csv", key="no such key")[0] == 401


def test_secrets_are_masked():
    row = export.row_of(happened("AgentChanged", after={"config": {"api_key": "sk-1"}}))

    assert "sk-1" not in export.json_lines([row]) + export.csv_lines([row])


@pytest.mark.parametrize("label", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", " =1+1"])
def test_cells_that_begin_like_formulas_are_text(label):
    row = export.row_of(happened(by=Actor("person", "6", label), target=Ref("inquiry", 1, label)))

    cells = next(csv.reader(io.StringIO(export.csv_lines([row]))))

    assert cells.count(f"'{label}") == 2
    assert not [cell for cell in cells if cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t"))]


@pytest.fixture
def reader(web_server, token):
    """The connection of somebody who has asked for an export of 30 MB and read its first bytes."""
    with events.recording(ENGINE):
        for _ in range(3_000):
            events.record("InquiryReceived", target=INQUIRY, after={"text": "x" * 10_000})
    with socket.create_connection(("127.0.0.1", web_server), timeout=30) as connection:
        connection.sendall(
            b"GET /api/v1/audit/export/?format=jsonl HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Connection: close\r\nAuthorization: Token " + token.encode() + b"\r\n\r\n"
        )
        connection.recv(1_000)
        yield connection


def wait_for_the_end():
    """The action and the rows of the event that ends the export."""
    for _ in range(150):
        event = last_event()
        if event.action in {"AuditExportFinished", "AuditExportAborted"}:
            return event.action, json.loads(event.detail.after)["rows"]
        time.sleep(0.1)
    return None


def test_an_export_waits_for_its_reader(reader):
    time.sleep(2)
    assert last_event().action == "AuditExportStarted"  # it is not waiting in the server's memory

    while reader.recv(1_000_000):
        pass
    assert wait_for_the_end() == ("AuditExportFinished", 3_002)


def test_an_export_that_breaks_off_says_how_many_rows_went_out(reader):
    reader.close()

    action, rows = wait_for_the_end()
    assert action == "AuditExportAborted"
    assert rows < 3_000
