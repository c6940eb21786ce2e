"""How calls that we make are signed and authorised, so that who is called knows that they are ours. Pure."""

import hashlib
import hmac
import re

OWN_HEADER = re.compile(r"([A-Za-z0-9-]{1,100}):\s+(\S.*)")
"""A secret that names its header, such as ``X-API-Key: abc``."""
HEADER_VALUE = re.compile(r"[\x20-\x7e]*")


def signature(key: str, timestamp: str, body: bytes) -> str:
    """``v1=`` and the HMAC-SHA256 of ``timestamp.body``, in hexadecimal digits."""
    return "v1=" + hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def authorisation(given: str) -> tuple[str, str]:
    """The header that a secret stands for and its value: Authorization, unless it names another."""
    named = OWN_HEADER.fullmatch(given)
    return (named[1], named[2]) if named else ("Authorization", given)
