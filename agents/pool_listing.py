"""The lists of pools and of a pool's decisions, for page and API, and what the search across everything finds."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse

from agents import pool_figures
from agents.models import Decided, Pool, PoolDecision, PoolKind
from orchestra.kernel import registry
from orchestra.kernel.lists import Chip, Choice, ListFilter, Moment, Search
from orchestra.kernel.registry import Found


class PoolList(ListFilter[Pool]):
    """Pools by name."""

    filters = {
        "kind": Choice(PoolKind.choices, "kind"),
        "autoscales": Choice(
            (("true", "autoscaling"), ("false", "by hand")), lambda value: Q(autoscales=value == "true")
        ),
        "search": Search(("name", "description")),
    }
    order = ("name",)

    def base(self) -> QuerySet[Pool]:
        return pool_figures.with_last(Pool.objects.all())

    @property
    def offered(self) -> list[Chip]:
        """The filters that would find something, where there is more than one such."""
        kinds, ways = self._finding("kind"), self._finding("autoscales")
        return [*(kinds if len(kinds) > 1 else ()), *(ways if len(ways) > 1 else ())]

    def _finding(self, name: str) -> list[Chip]:
        return [chip for chip in self.chips(name) if chip.current or chip.count]


class DecisionList(ListFilter[PoolDecision]):
    """The decisions on one pool, the newest first."""

    filters = {
        "decided": Choice(Decided.choices, "decided"),
        "since": Moment("at__gte"),
        "until": Moment("at__lt"),
    }
    order = ("-id",)

    def __init__(self, params: Mapping[str, str], *, pool: int = 0) -> None:
        self.pool = pool
        super().__init__(params)

    @property
    def offered(self) -> list[Chip]:
        return [chip for chip in self.chips("decided") if chip.count or chip.current]

    def base(self) -> QuerySet[PoolDecision]:
        return PoolDecision.objects.filter(pool=self.pool)


def find(text: str, _user: Any, limit: int) -> list[Found]:
    """Pools with ``text`` in their name; they are few."""
    rows = Pool.objects.filter(name__icontains=text).order_by("name")[:limit]
    return [
        Found(row.name, f"{row.get_kind_display()}, {row.target} wanted", reverse("pool", args=[row.pk]))
        for row in rows
    ]


FOUND = registry.Search(410, "Pools", "users-group", find)
