"""The list of recommendations, for page and API; those about an object; what the search across everything finds."""

from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.http import urlencode

from monitoring.advice.families import RULES
from monitoring.models import AdviceStatus, Recommendation
from orchestra.kernel.lists import Chip, Choice, ListFilter, Search, number_in
from orchestra.kernel.registry import Found
from orchestra.kernel.registry import Search as SearchKind

SUBJECTS = {
    "agent": "agents",
    "pool": "pools",
    "resource": "resources",
    "threshold": "thresholds",
    "workflow": "workflows",
}
"""What recommendations may be about; those about steps count as about their workflow."""


class AboutSubject:
    """Filters by ``kind`` or ``kind:id``."""

    def condition(self, text: str) -> Q:
        kind, _, identifier = text.partition(":")
        if kind not in SUBJECTS:
            raise ValueError(f"Give one of {', '.join(SUBJECTS)}, or one with a number, for example pool:3.")
        condition = Q(subject_kind=kind, **({"subject_id": identifier} if identifier else {}))
        if kind == "workflow":
            of_steps = {"subject_id__startswith": f"{identifier}:"} if identifier else {}
            condition |= Q(subject_kind="workflow_step", **of_steps)
        return condition


class RecommendationList(ListFilter[Recommendation]):
    """The newest first; the page shows the open ones unless it is asked for others."""

    filters = {
        "status": Choice(AdviceStatus.choices, "status"),
        "rule": Choice([(name, rule.label) for name, rule in RULES.items()], "rule"),
        "subject": AboutSubject(),
        "search": Search(("sentence", "subject_label"), number="pk"),
    }
    order = ("-id",)

    def base(self) -> QuerySet[Recommendation]:
        return Recommendation.objects.all()

    @property
    def offered(self) -> list[Chip]:
        """All states, and the rules that would find something where there are several."""
        rules = [chip for chip in self.chips("rule") if chip.current or chip.count]
        return [*self.chips("status"), *(rules if len(rules) > 1 else ())]

    @property
    def taken(self) -> list[Chip]:
        """The object that is asked for, as a chip that takes the filter away."""
        subject = self.params.get("subject", "")
        kind, _, identifier = subject.partition(":")
        words = f"about {kind.replace('_', ' ')} {identifier}".strip()
        return [Chip(words, self.link(subject=""), current=True)] if subject else []


class OpenFirst(RecommendationList):
    """As the page shows it."""

    defaults = {"status": AdviceStatus.OPEN}


def open_about(kind: str, identifier: str | int) -> list[Recommendation]:
    """Open recommendations about an object: for panels; open ones are few."""
    return list(RecommendationList({"status": AdviceStatus.OPEN, "subject": f"{kind}:{identifier}"}).page().rows)


def find(text: str, _user: Any, limit: int) -> list[Found]:
    """Open ones whose sentence has the text, and any by its number."""
    wanted = Q(status=AdviceStatus.OPEN, sentence__icontains=text)
    if (number := number_in(text)) is not None:
        wanted |= Q(pk=number)
    rows = Recommendation.objects.filter(wanted).order_by("-pk")[:limit]
    return [
        Found(RULES[row.rule].label if row.rule in RULES else row.rule, row.sentence, address(row.pk)) for row in rows
    ]


def more(text: str) -> str:
    return f"{reverse('recommendations')}?{urlencode({'search': text})}"


def address(pk: int) -> str:
    return reverse("recommendation", args=[pk])


SEARCH = SearchKind(580, "Recommendations", "bulb", find, more)
