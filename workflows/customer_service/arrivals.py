"""What a customer's inquiry must be like to be taken in: checked the same way whether it comes by page, API or file."""

import hashlib
from collections.abc import Mapping
from dataclasses import astuple, dataclass

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from orchestra.kernel import canonical
from orchestra.kernel.errors import FieldError, Invalid, TooLarge
from orchestra.kernel.inbound import CONTROL
from workflows.customer_service.models import Channel, Tier

MAX_BODY = 100 * 1024
"""Bytes of UTF-8."""
LINES = {"subject": 200, "name": 150, "email": 254, "external_id": 200}
"""Fields of one line and how many characters they may have."""
BEGINNING = 80
"""Characters of its text that stand for an inquiry without a subject."""
CHOICES = {"tier": Tier.values, "channel": Channel.values}


@dataclass(frozen=True, slots=True)
class Arrival:
    """An inquiry as it was received. Only ``body`` must say something; ``tier`` is empty where nobody named one."""

    body: str
    subject: str = ""
    email: str = ""
    name: str = ""
    tier: str = ""
    channel: str = Channel.EMAIL
    external_id: str = ""

    @property
    def title(self) -> str:
        """The subject, or the beginning of the text where there is none, on one line."""
        if self.subject:
            return self.subject
        line = " ".join(self.body[: 4 * BEGINNING].split())
        return line if len(line) <= BEGINNING else f"{line[: BEGINNING - 1].rstrip()}…"

    @property
    def digest(self) -> str:
        """SHA-256 of all of it: tells a repeated delivery from another inquiry under the same external_id."""
        return hashlib.sha256(canonical.text(astuple(self)).encode()).hexdigest()


def read(values: Mapping[str, str], *, paths: Mapping[str, str] | None = None) -> Arrival:
    """An arrival from texts by field name. Raises :class:`Invalid` naming every bad field, or :class:`TooLarge`.

    ``paths`` says where a field stands in what was sent, if elsewhere (``{"email": "customer.email"}``).
    """
    cleaned = {name: " ".join(values.get(name, "").split()) for name in (*LINES, *CHOICES)}
    cleaned["email"] = cleaned["email"].lower()
    cleaned["channel"] = cleaned["channel"] or Channel.EMAIL
    cleaned["body"] = values.get("body", "").replace("\r\n", "\n").strip()
    found = {name: unreadable(values.get(name, "")) or fault(name, text) for name, text in cleaned.items()}
    faults: list[FieldError] = [
        {"path": (paths or {}).get(name, name), "message": message} for name, message in found.items() if message
    ]
    if faults:
        raise Invalid(errors=faults)
    if len(cleaned["body"].encode()) > MAX_BODY:
        message = f"The text has over {MAX_BODY // 1024} KB; shorten it, or send the rest as another inquiry."
        raise TooLarge(message, errors=[{"path": "body", "message": message}])
    return Arrival(**cleaned)


def unreadable(text: str) -> str:
    """Why no database should see this text, or nothing; asked of it as received, since trimming hides some of it."""
    if CONTROL.search(text):
        return "Remove the control characters (such as NUL) from this field."
    try:
        text.encode()
    except UnicodeEncodeError:
        return "Remove the broken characters (halves of surrogate pairs) from this field."
    return ""


def fault(name: str, text: str) -> str:
    """Why a field cannot say this, or nothing."""
    if name == "body" and not text:
        return "Write what the customer asks; an empty inquiry cannot be answered."
    if name in LINES and len(text) > LINES[name]:
        return f"Give at most {LINES[name]} characters."
    if name == "email" and text and not _is_address(text):
        return "This is not an e-mail address; correct it or leave it out."
    if name in CHOICES and text and text not in CHOICES[name]:
        return f"Choose one of {', '.join(CHOICES[name])}."
    return ""


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True
