"""The list of agents, for page and API."""

from dataclasses import replace

from django.db.models import Count, QuerySet

from agents.figures import with_recent
from agents.models import Agent, AgentKind, AgentStatus, Circuit
from agents.ports import with_load
from agents.spent import with_today
from orchestra.kernel.lists import Chip, Choice, Exact, ListFilter, Named, Page, Search

MOST_POOLS = 6


class AgentList(ListFilter[Agent]):
    """Agents by name, with health, capabilities, calls in flight and last hour, in a constant number of queries."""

    filters = {
        "status": Choice(AgentStatus.choices, "status"),
        "kind": Choice(AgentKind.choices, "kind"),
        "circuit": Choice(Circuit.choices, "health__circuit"),
        "capability": Exact("capabilities__name"),
        "pool": Named("pool"),
        "search": Search(("name", "description")),
    }
    order = ("name",)

    def base(self) -> QuerySet[Agent]:
        return Agent.objects.select_related("health", "pool", "process").prefetch_related("capabilities")

    @property
    def offered(self) -> list[Chip]:
        """The filters that would find something: state, kind if there are several, breakers not closed, a few pools."""
        kinds = self._finding("kind")
        breakers = [replace(chip, label=f"breaker {chip.label}") for chip in self._finding("circuit")]
        return [*self._finding("status"), *(kinds if len(kinds) > 1 else ()), *breakers, *self._pools()]

    def _finding(self, name: str) -> list[Chip]:
        return [chip for chip in self.chips(name) if chip.current or (chip.count and chip.label != "closed")]

    def _pools(self) -> list[Chip]:
        """Pools but for the one that is asked for; of more than a few none, they have a page of their own."""
        named = self.queryset(without="pool").exclude(pool=None).order_by("pool__name")
        counts = named.values_list("pool__name").annotate(Count("pk", distinct=True))[: MOST_POOLS + 1]
        chosen = self.params.get("pool", "")
        chips = [Chip(f"pool {name}", self.link(pool=name), False, count) for name, count in counts if name != chosen]
        return chips if len(counts) <= MOST_POOLS else []

    @property
    def taken(self) -> list[Chip]:
        """The capability and the pool that are asked for, as chips that take the filter away."""
        said = {"capability": "can do {}", "pool": "in the pool {}"}
        asked = [(name, words, self.params.get(name)) for name, words in said.items()]
        return [
            Chip(words.format(value), self.link(**{name: ""}), current=True) for name, words, value in asked if value
        ]

    def page(self) -> Page[Agent]:
        page = super().page()
        return replace(page, rows=with_today(with_recent(with_load(page.rows))))
