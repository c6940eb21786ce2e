"""What the search across everything finds of resources: by name, type and number."""

from typing import Any

from django.db.models import Case, Q, Value, When
from django.urls import reverse
from django.utils.http import urlencode

from agents.models import Resource
from orchestra.kernel.lists import number_in
from orchestra.kernel.registry import Found, Search


def find(text: str, _user: Any, limit: int) -> list[Found]:
    """Resources whose name begins with the text first; they are few, so every name is looked at."""
    wanted = Q(name__icontains=text) | Q(type__icontains=text)
    if (number := number_in(text)) is not None:
        wanted |= Q(pk=number)
    rank = Case(When(name__istartswith=text, then=Value(0)), default=Value(1))
    rows = Resource.objects.filter(wanted).order_by(rank, "name")[:limit]
    return [Found(row.name, _detail(row), reverse("resource", args=[row.pk])) for row in rows]


def more(text: str) -> str:
    return f"{reverse('resources')}?{urlencode({'search': text})}"


def _detail(resource: Resource) -> str:
    units = f"{resource.capacity} unit{'s' if resource.capacity > 1 else ''} of {resource.type}"
    return units if resource.enabled else f"{units}, disabled"


SEARCH = Search(420, "Resources", "package", find, more)
