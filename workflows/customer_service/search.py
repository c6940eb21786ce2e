"""What the search across everything finds of customer service: inquiries, articles."""

from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.http import urlencode

from orchestra.kernel.lists import number_in
from orchestra.kernel.registry import Found, Search
from workflows.customer_service.listing import InquiryList
from workflows.customer_service.models import Article, Inquiry

SEARCHED = 10_000
"""Inquiries, the newest, in which words are looked for, because no index finds them; addresses and numbers have one."""


def find_inquiries(text: str, _user: Any, limit: int) -> list[Found]:
    """The inquiry with this number, or those of an address, or those with these words, the newest first."""
    rows = _inquiries(text).order_by("-pk")[:limit]
    return [Found(f"#{row.pk} {row.title}", _detail(row), reverse("inquiry", args=[row.pk])) for row in rows]


def _inquiries(text: str) -> QuerySet[Inquiry]:
    number = number_in(text)
    if number is not None:
        return Inquiry.objects.listed().filter(pk=number)
    if "@" in text and " " not in text:
        return Inquiry.objects.listed().filter(customer__email=text.lower())
    newest = Inquiry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return InquiryList({"search": text}).queryset().filter(pk__gt=newest - SEARCHED)


def _detail(inquiry: Inquiry) -> str:
    return f"{inquiry.get_status_display()}, from {inquiry.sender}"


def find_articles(text: str, _user: Any, limit: int) -> list[Found]:
    """Articles by title: there are as many as people can write."""
    number = number_in(text)
    wanted = Q(title__icontains=text) if number is None else Q(title__icontains=text) | Q(pk=number)
    rows = Article.objects.filter(wanted).defer("body").order_by("title")[:limit]
    return [Found(row.title, str(row.get_category_display()), reverse("article", args=[row.pk])) for row in rows]


def more_inquiries(text: str) -> str:
    return f"{reverse('desk')}?{urlencode({'search': text, 'view': 'open'})}"


def more_articles(text: str) -> str:
    return f"{reverse('knowledge')}?{urlencode({'search': text})}"


INQUIRIES = Search(100, "Inquiries", "message", find_inquiries, more_inquiries)
ARTICLES = Search(500, "Knowledge", "book-2", find_articles, more_articles)
