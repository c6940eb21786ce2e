"""E-mail against a real SMTP server on loopback."""

from collections.abc import Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from monitoring.notification.kinds import mail as mail_kind
from monitoring.notification.kinds.base import Undelivered
from monitoring.notification.kinds.mail import MailKind
from monitoring.notification.letters import Letter
from tests.monitoring.conftest import free_port

CONFIG = {"recipients": "ops@example.com, night@example.com\nops@example.com"}
LETTER = Letter(key="k-1", kind="firing", subject="[critical] Firing:\nSlow", text="It is <slow>.\n\nAnd more.")


class Mailbox:
    """Keeps what comes in; ``answer`` is what it says to it."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []
        self.answer = "250 OK"
        self.to_recipient = "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.to_recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.to_recipient

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.envelopes.append(envelope)
        return self.answer


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Mailbox]:
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = controller.port
    yield box
    controller.stop()


def send() -> str:
    return MailKind().send(CONFIG, {}, LETTER)


def test_everybody_gets_a_copy_and_nobody_sees_the_others(mailbox: Mailbox) -> None:
    assert send() == "The mail server took it for 2 recipients."
    [envelope] = mailbox.envelopes
    assert envelope.rcpt_tos == ["ops@example.com", "night@example.com"]
    text = envelope.content.decode()
    assert "Message-ID: <k-1@example.com>" in text
    assert "Subject: [critical] Firing: Slow" in text
    assert "night@example.com" not in text
    assert "It is <slow>." in text and "It is &lt;slow&gt;." in text


@pytest.mark.parametrize(("answer", "helps"), [("451 Come back later", True), ("554 Go away", False)])
def test_whether_another_try_helps_is_for_the_server_to_say(mailbox: Mailbox, answer: str, helps: bool) -> None:
    mailbox.answer = answer
    with pytest.raises(Undelivered, match=answer[4:]) as failure:
        send()
    assert failure.value.retryable is helps


@pytest.mark.parametrize(("answer", "helps"), [("450 Busy", True), ("550 Nobody here", False)])
def test_recipients_that_are_refused_are_named(mailbox: Mailbox, answer: str, helps: bool) -> None:
    mailbox.to_recipient = answer
    with pytest.raises(Undelivered, match=r"none of the recipients: ops@example\.com") as failure:
        send()
    assert failure.value.retryable is helps


def test_a_server_that_is_away_is_tried_again(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    with pytest.raises(Undelivered, match="cannot be reached") as failure:
        send()
    assert failure.value.retryable


def test_a_server_that_never_answers_is_given_up(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(mail_kind, "TRY_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = silent.getsockname()
        with pytest.raises(Undelivered, match=r"The mail server did not answer within 0.3 s\."):
            send()


def test_without_a_mail_server_it_says_where_the_mail_went(settings: Any, tmp_path: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)
    assert send().startswith("No mail server is set, so it was written to the mail folder; set EMAIL_URL")
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "This is needed."),
        ({"recipients": "a@b.example nobody"}, "nobody is no e-mail address."),
        ({"recipients": " , ;"}, "Give 1 to 50 addresses."),
        ({"recipients": " ".join(f"a{n}@b.example" for n in range(51))}, "Give 1 to 50 addresses."),
        ({"recipients": "a@b.example", "cc": "x"}, "There is no such setting; known: recipients."),
    ],
)
def test_faults(config: dict[str, Any], said: str) -> None:
    assert [fault["message"] for fault in MailKind().faults(config, {})] == [said]
