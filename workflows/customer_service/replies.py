"""Sends replies by Django's e-mail. The Message-ID comes from the step's key: a reply sent twice is one message."""

from dataclasses import dataclass
from email.utils import formataddr, parseaddr
from smtplib import SMTPException, SMTPRecipientsRefused

from django.conf import settings
from django.core.mail import EmailMessage

from agents.outcomes import AgentError, Fault
from workflows.customer_service.models import MessageStatus


@dataclass(frozen=True, slots=True)
class Reply:
    """What is to be sent. ``to`` is empty where the customer left no address; ``key`` is the same for all attempts."""

    inquiry: int
    to: str
    name: str
    subject: str
    text: str
    key: str

    @property
    def message_id(self) -> str:
        domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
        return f"<{self.key}@{domain}>"


def send(reply: Reply) -> dict[str, str]:
    """Send it; returns ``status`` (``sent``, or ``undeliverable`` without an address), ``message_id`` and ``to``.

    Raises :class:`AgentError` saying whether another attempt may help.
    """
    if not reply.to:
        return {"status": MessageStatus.UNDELIVERABLE, "message_id": "", "to": ""}
    try:
        _message(reply).send()
    except SMTPRecipientsRefused:
        text = f"The mail server refused the address {reply.to}; ask the customer for another."
        raise AgentError(text, retryable=False, fault=Fault.CALLER) from None
    except (SMTPException, OSError) as error:
        raise AgentError(f"The mail server did not take the reply: {error}") from error
    return {"status": MessageStatus.SENT, "message_id": reply.message_id, "to": reply.to}


def _message(reply: Reply) -> EmailMessage:
    subject = reply.subject or "Your inquiry"
    if not subject.lower().startswith("re:"):
        subject = f"Re: {subject}"
    return EmailMessage(
        subject=f"{subject} [#{reply.inquiry}]",
        body=reply.text,
        to=[formataddr((reply.name, reply.to))],
        headers={"Message-ID": reply.message_id},
    )
