"""E-mail, by the mail server of the setting EMAIL_URL."""

import smtplib
from collections.abc import Mapping
from email.utils import parseaddr
from html import escape
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.validators import validate_email

from agents.kinds.base import faults_of_schema
from monitoring.notification.kinds.base import TRY_S, Undelivered, within
from monitoring.notification.letters import Letter
from orchestra.kernel.errors import FieldError

SERVER_S = 8
"""The most that one answer of the mail server may take."""
MOST_RECIPIENTS = 50
LASTING = range(500, 600)
"""Answers of a mail server that another try would get as well."""


class MailKind:
    """A list of recipients; everything else is the mail server's, which an administrator sets."""

    about = "An e-mail to each of a list of people, by the mail server of the setting EMAIL_URL."
    schema: Mapping[str, Any] = {
        "type": "object",
        "properties": {
            "recipients": {
                "type": "string",
                "minLength": 3,
                "maxLength": 4000,
                "title": "Recipients",
                "description": "Addresses, apart by commas, spaces or lines; each gets a copy, none sees the others.",
            }
        },
        "required": ["recipients"],
        "additionalProperties": False,
    }
    secrets: Mapping[str, str] = {}

    def faults(self, config: Mapping[str, Any], secrets: Mapping[str, str]) -> list[FieldError]:
        faults: list[FieldError] = [
            {"path": fault.path, "message": fault.message} for fault in faults_of_schema(self.schema, config)
        ]
        if faults:
            return faults
        given = recipients(config)
        wrong = [address for address in given if not _is_address(address)]
        if wrong:
            said = f"{', '.join(wrong[:3])} {'is' if len(wrong) == 1 else 'are'} no e-mail address."
            return [{"path": "config.recipients", "message": said}]
        if not 1 <= len(given) <= MOST_RECIPIENTS:
            return [{"path": "config.recipients", "message": f"Give 1 to {MOST_RECIPIENTS} addresses."}]
        return []

    def send(self, config: Mapping[str, Any], secrets: Mapping[str, str], letter: Letter) -> str:
        mail = _mail(recipients(config), letter)
        try:
            within(TRY_S, mail.send, "The mail server")
        except smtplib.SMTPRecipientsRefused as error:
            raise _refused(error) from error
        except smtplib.SMTPResponseException as error:
            said = f"The mail server answered {error.smtp_code}: {_text(error.smtp_error)}"
            raise Undelivered(said, retryable=error.smtp_code not in LASTING) from error
        except (smtplib.SMTPException, OSError) as error:
            raise Undelivered(f"The mail server cannot be reached: {error}") from error
        if not _has_server():
            return "No mail server is set, so it was written to the mail folder; set EMAIL_URL to have it sent."
        return f"The mail server took it for {len(recipients(config))} recipients."


def recipients(config: Mapping[str, Any]) -> list[str]:
    """The addresses, each once."""
    return list(dict.fromkeys(str(config["recipients"]).replace(",", " ").replace(";", " ").split()))


def _mail(to: list[str], letter: Letter) -> EmailMultiAlternatives:
    """The same Message-ID for all tries, by which mail programs recognise what they have had."""
    options: dict[str, Any] = {"timeout": SERVER_S} if settings.EMAIL_BACKEND.endswith("smtp.EmailBackend") else {}
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "orchestra"
    mail = EmailMultiAlternatives(
        subject=" ".join(letter.subject.split()),
        body=letter.text,
        bcc=to,
        headers={
            "Message-ID": f"<{letter.key}@{domain}>",
            "Auto-Submitted": "auto-generated",
            "X-Orchestra-Kind": letter.kind,
            **letter.headers,
        },
        connection=get_connection(**options),
    )
    mail.attach_alternative(_html(letter), "text/html")
    return mail


def _html(letter: Letter) -> str:
    parts = "".join(f"<p>{escape(part).replace(chr(10), '<br>')}</p>" for part in letter.text.split("\n\n"))
    head = '<!doctype html><html><head><meta charset="utf-8"></head>'
    return f"{head}<body><h2>{escape(letter.subject)}</h2>{parts}</body></html>"


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


def _has_server() -> bool:
    return not settings.EMAIL_BACKEND.endswith(("filebased.EmailBackend", "console.EmailBackend"))


def _refused(error: smtplib.SMTPRecipientsRefused) -> Undelivered:
    """None of the recipients was taken: only where that may pass is it tried again."""
    codes = [code for code, _ in error.recipients.values()]
    told = "; ".join(f"{to}: {code} {_text(text)}" for to, (code, text) in list(error.recipients.items())[:3])
    return Undelivered(f"The mail server takes none of the recipients: {told}", retryable=min(codes, default=0) < 500)


def _text(said: Any) -> str:
    return (said.decode(errors="replace") if isinstance(said, bytes) else str(said))[:300]
