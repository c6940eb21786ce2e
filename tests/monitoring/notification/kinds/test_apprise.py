"""Slack and others: only listed services, only addresses that may be called, within the time."""

import logging
import socket
import threading
from typing import Any

import pytest

from monitoring.notification.kinds import apprise as apprise_kind
from monitoring.notification.kinds.apprise import AppriseKind, fault_of, name_of
from monitoring.notification.kinds.base import Undelivered, without_keys
from monitoring.notification.letters import Letter
from tests.monitoring.notification.servers import Receiver, never

LETTER = Letter(key="k-1", kind="firing", subject="[critical] Slow", text="It is slow.")
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#alerts"


def gotify(hook: Receiver) -> str:
    return f"gotify://127.0.0.1:{hook.port}/atoken"


@pytest.fixture
def _loopback(settings: Any) -> None:
    settings.OUTGOING_ALLOWED = ["127.0.0.1"]


@pytest.mark.parametrize(
    "url",
    [
        SLACK,
        "tgram://123456789:alphanumeric_characters/12315544/",
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
        "ntfys://topic",
        "mmosts://chat.example/3ccdd113474722377935511fc85d3dd4",
        "pagerduty://A1BRTD4JD@TIiajkdnlazkcOXrIdevi7FQ",
        "zulip://botname@organization/a6k4a6k4a6k4a6k4a6k4a6k4a6k4a6k4",
    ],
)
def test_addresses_of_listed_services_are_taken(url: str) -> None:
    assert fault_of(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "slack",
        "json://localhost",
        "form://h/x",
        "file:///etc/passwd",
        "dbus://",
        "exec://x",
        "syslog://",
        "xml://h",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    assert fault_of(url).startswith("Give the address of one of these services:")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"{SLACK}?template=/etc/passwd", "Leave the parameter template out"),
        (f"{SLACK}?title=x;template=/etc/passwd", "Leave the parameter template out"),
        ("ntfys://topic?title=x;attach=http://10.0.0.1/", "Leave the parameter attach out"),
        (f"{SLACK}?redirect=yes", "Leave the parameter redirect out"),
        ("mmosts://chat.example/token?icon_url=http://10.0.0.1/", "Leave the parameter icon_url out"),
        ("zulip://bot@organization.evil.example/token", "Give the name of the organisation"),
        ("gotify://127.0.0.1/token", "127.0.0.1 is not a public address"),
        ("mmost://169.254.169.254/token", "169.254.169.254 is not a public address"),
        ("gotify://localhost/token", "is not a public address"),
        ("slack://nothing", "The service does not take this address"),
    ],
)
def test_faults_say_what_is_wrong(url: str, said: str) -> None:
    assert said in fault_of(url)
    assert [fault["path"] for fault in AppriseKind().faults({}, {"url": url})] == ["secrets.url"]


def test_what_apprise_says_of_an_address_is_not_logged(capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = seen.append  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        fault_of("slack://T1JJ3T3L2/A1BRTD4JD/short/#alerts")
    finally:
        logging.getLogger().removeHandler(handler)
    assert seen == []
    assert "T1JJ3T3L2" not in "".join(capfd.readouterr())


def test_what_apprise_says_of_a_failure_is_told_without_the_keys() -> None:
    said = ": Failed to send to TIiajkdnlazkcOXrIdevi7FQ of T1JJ3T3L2."
    assert without_keys(said, SLACK) == ": Failed to send to … of …."


def test_only_the_service_is_shown() -> None:
    assert (name_of(SLACK), name_of("mmosts://x/y"), name_of("what://")) == (
        "Slack",
        "Mattermost",
        "an unknown service",
    )


@pytest.mark.usefixtures("_loopback")
def test_a_message_arrives(hook: Receiver) -> None:
    hook.answer = lambda call: (200, {})
    assert AppriseKind().send({}, {"url": gotify(hook)}, LETTER) == "Gotify took it."
    assert b"It is slow." in hook.calls[0].body


@pytest.mark.usefixtures("_loopback")
def test_a_service_that_refuses_says_why(hook: Receiver) -> None:
    hook.answer = lambda call: (500, {})
    with pytest.raises(Undelivered, match="Gotify did not take it: Failed to send Gotify") as failure:
        AppriseKind().send({}, {"url": gotify(hook)}, LETTER)
    assert failure.value.retryable


@pytest.mark.usefixtures("_loopback")
def test_a_redirect_is_not_followed(hook: Receiver) -> None:
    hook.answer = lambda call: (302, {"Location": f"http://127.0.0.2:{hook.port}/inside"})
    with pytest.raises(Undelivered):
        AppriseKind().send({}, {"url": gotify(hook)}, LETTER)
    assert len(hook.calls) == 1


@pytest.mark.usefixtures("_loopback")
def test_a_service_that_never_answers_is_given_up(hook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise_kind, "TRY_S", 0.5)
    hook.answer = never
    with pytest.raises(Undelivered, match=r"Gotify did not answer within 0.5 s\."):
        AppriseKind().send({}, {"url": gotify(hook)}, LETTER)
    for thread in threading.enumerate():
        if thread.name == "sending by Gotify":
            thread.join()


def test_a_name_that_leads_inside_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", 0))]
    monkeypatch.setattr(apprise_kind.socket, "getaddrinfo", lambda *_, **__: inside)
    with pytest.raises(Undelivered, match=r"10.0.0.7, the address of chat.example, is not a public address") as failure:
        AppriseKind().send({}, {"url": "mmosts://chat.example/3ccdd113474722377935511fc85d3dd4"}, LETTER)
    assert not failure.value.retryable
