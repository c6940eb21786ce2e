"""The two workflows of customer service: what they are, and what their runs are told.

``content/workflows/customer_inquiry.yaml`` reads as the story of an inquiry; ``observe.py`` follows it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from workflows.customer_service.models import Inquiry

FOLDER = Path(__file__).parent / "content" / "workflows"
INQUIRY = "customer_inquiry"
REPLY = "customer_reply"


def definitions() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and definition of each, as ``workflows.definitions.publish`` takes them."""
    for name in (INQUIRY, REPLY):
        yield name, yaml.safe_load((FOLDER / f"{name}.yaml").read_text())


def input_of(inquiry: Inquiry) -> dict[str, Any]:
    """What a run of :data:`INQUIRY` is told; ``category`` only where a person has said it."""
    return _about(inquiry) | {
        "text": inquiry.body,
        "category": inquiry.category if inquiry.category_fixed else None,
        "rejected_articles": inquiry.rejected_articles,
    }


def input_of_reply(inquiry: Inquiry, reply: str) -> dict[str, Any]:
    """What a run of :data:`REPLY` is told."""
    return _about(inquiry) | {"reply": reply}


def _about(inquiry: Inquiry) -> dict[str, Any]:
    customer = inquiry.customer
    return {
        "inquiry": inquiry.pk,
        "subject": inquiry.subject,
        "customer": {"name": customer.name if customer else "", "email": customer.email if customer else None},
    }
