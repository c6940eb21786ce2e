"""The list of agents, for page and API."""

from dataclasses import replace

from django.db.models import QuerySet

from agents.models import Agent, AgentKind, AgentStatus, Circuit
from agents.ports import with_load
from orchestra.kernel.lists import Chip, Choice, Exact, ListFilter, Page, Search


class AgentList(ListFilter[Agent]):
    """Agents by name, with health, capabilities and calls in flight, in a constant number of queries."""

    filters = {
        "status": Choice(AgentStatus.choices, "status"),
        "kind": Choice(AgentKind.choices, "kind"),
        "circuit": Choice(Circuit.choices, "health__circuit"),
        "capability": Exact("capabilities__name"),
        "search": Search(("name", "description")),
    }
    order = ("name",)

    def base(self) -> QuerySet[Agent]:
        return Agent.objects.select_related("health").prefetch_related("capabilities")

    @property
    def offered(self) -> list[Chip]:
        """The filters that would find something: state, kind where there are several, breakers that are not closed."""
        kinds = self._finding("kind")
        breakers = [replace(chip, label=f"breaker {chip.label}") for chip in self._finding("circuit")]
        return [*self._finding("status"), *(kinds if len(kinds) > 1 else ()), *breakers]

    def _finding(self, name: str) -> list[Chip]:
        return [chip for chip in self.chips(name) if chip.current or (chip.count and chip.label != "closed")]

    @property
    def taken(self) -> Chip | None:
        """The capability that is asked for, as a chip that takes the filter away."""
        name = self.params.get("capability")
        return Chip(f"can do {name}", self.link(capability=""), current=True) if name else None

    def page(self) -> Page[Agent]:
        page = super().page()
        return replace(page, rows=with_load(page.rows))
