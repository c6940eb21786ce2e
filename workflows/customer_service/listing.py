"""The lists of inquiries and articles: filters, order and paging, for page and API."""

from collections.abc import Mapping
from dataclasses import replace

from django.db.models import Q, QuerySet

from orchestra.kernel.lists import Chip, Choice, Exact, ListFilter, Moment, Search
from workflows.customer_service.models import DONE, DUE, UNSETTLED, Article, Category, Cause, Inquiry, InquiryStatus


class InquiryList(ListFilter[Inquiry]):
    """Inquiries, the newest first; ``sort=due`` puts first what is due first."""

    filters = {
        "status": Choice(InquiryStatus.choices, "status"),
        "category": Choice(Category.choices, "category"),
        "cause": Choice(Cause.choices, "cause"),
        "assignee": Exact("assignee", whole=True),
        "due_before": Moment("due_at__lt"),
        "search": Search(("subject", "body", "customer__name", "customer__email"), number="pk"),
    }
    orders = {"due": ("due_at", "id")}

    def base(self) -> QuerySet[Inquiry]:
        return Inquiry.objects.listed().order_by()


class DeskList(InquiryList):
    """The desk of ``person``: a view of it, and in that view what is due first; what is done, the latest first."""

    defaults = {"view": "due"}
    order = ("due_at", "id")

    def __init__(self, params: Mapping[str, str], person: int) -> None:
        views = {
            "due": ("Due", DUE),
            "mine": ("Mine", Q(assignee=person) & UNSETTLED),
            "unsure": ("Unsure", Q(cause=Cause.UNSURE) & DUE),
            "open": ("Open", UNSETTLED),
            "done": ("Done", DONE),
        }
        choices = [(name, label) for name, (label, _) in views.items()]
        view = Choice(choices, lambda name: views[name][1])
        self.filters = {**InquiryList.filters, "view": view}  # type: ignore[misc]  # one of the views is a person's
        super().__init__(params)

    @property
    def view(self) -> str:
        return self.values["view"]

    @property
    def views(self) -> list[Chip]:
        """The views as links, then the filters that are set. What is done waits for nobody, so it is not counted."""
        views = [replace(chip, count=None) if chip.label == "Done" else chip for chip in self.chips("view")]
        return views + [chip for chips in self.more.values() for chip in chips if chip.current]

    @property
    def ordering(self) -> tuple[str, ...]:
        return ("-due_at", "-id") if self.view == "done" else ("due_at", "id")

    @property
    def more(self) -> dict[str, list[Chip]]:
        """The other filters as links, by what they go by; uncounted, the views have the counts."""
        return {"Category": self.chips("category", counted=False), "Why it is here": self.chips("cause", counted=False)}

    def following(self, inquiry: Inquiry) -> int | None:
        """The next one of this list that nobody else holds: after ``inquiry``, or else from the top."""
        rows = self.queryset().exclude(pk=inquiry.pk).exclude(status=InquiryStatus.IN_REVIEW).order_by(*self.ordering)
        later = Q(due_at__gt=inquiry.due_at) | Q(due_at=inquiry.due_at, pk__gt=inquiry.pk)
        ids = rows.values_list("pk", flat=True)
        return ids.filter(later).first() or ids.first()


class ArticleList(ListFilter[Article]):
    """Articles by title."""

    filters = {
        "category": Choice(Category.choices, "category"),
        "enabled": Choice([("true", "enabled"), ("false", "disabled")], lambda value: Q(enabled=value == "true")),
        "search": Search(("title", "body")),
    }
    order = ("title", "id")

    def base(self) -> QuerySet[Article]:
        return Article.objects.order_by()
