"""What customer service adds to pages of other floors, and to the left bar."""

from typing import Any

from django.http import HttpRequest

from orchestra.kernel.lists import COUNT_LIMIT
from orchestra.kernel.registry import Badge
from workflows.customer_service.models import DUE, Inquiry
from workflows.models import Run


def waiting() -> Badge | None:
    """How many inquiries wait for a person."""
    count = Inquiry.objects.filter(DUE).order_by()[: COUNT_LIMIT + 1].count()
    return Badge(count, "wait for a person", "failed") if count else None


def served_inquiry(run: Run, request: HttpRequest) -> dict[str, Any] | None:
    """The inquiry that a run serves."""
    if run.serves_kind != "inquiry" or not run.serves_id.isdigit():
        return None
    inquiry = Inquiry.objects.listed().filter(pk=int(run.serves_id)).first()
    return {"inquiry": inquiry} if inquiry else None
