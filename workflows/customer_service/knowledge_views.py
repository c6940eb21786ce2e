"""Pages of the knowledge base: the list, an article as a form, enabling, disabling and removing it."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from orchestra.kernel import access, fragments
from orchestra.kernel.errors import NotFound
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.pages import carried_out, done, page, validation
from workflows.customer_service import knowledge
from workflows.customer_service.forms import REASON_LIMIT, ArticleForm
from workflows.customer_service.listing import ArticleList
from workflows.customer_service.models import Article

REGIONS = {"articles": "customer_service/parts/articles.html"}
ARTICLE_REGIONS = {
    "article-head": "customer_service/parts/article_head.html",
    "article-panels": "parts/panels.html",
}


@page()
def articles(request: PageRequest) -> HttpResponse:
    listing = ArticleList(request.GET.dict())
    found = listing.page()
    context = {
        "listing": listing,
        "articles": found.rows,
        "chips": [*listing.chips("category"), *listing.chips("enabled")],
        "may_change": access.can(request.user, "knowledge.change"),
        "previous_url": found.previous and listing.page_link(found.previous),
        "next_url": found.next and listing.page_link(found.next),
    }
    return fragments.render(request, "customer_service/knowledge.html", context, regions=REGIONS)


@page("GET", "POST", permission="knowledge.change")
def add(request: PageRequest) -> HttpResponse:
    form = ArticleForm(request.POST or None)
    if "X-Validate" in request.headers:
        return _validation(form)
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        made = carried_out(form, knowledge.add, form.values(), by=request.actor, reason=reason)
        if made is not None:
            return done(request, "article", f"“{made.title}” may be cited from now on.", made.pk)
    return render(request, "customer_service/article.html", {"form": form, "may_change": True})


@page("GET", "POST")
def article(request: PageRequest, pk: int) -> HttpResponse:
    if request.method == "POST":
        access.check(request.actor, "knowledge.change")
    shown = _found(pk)
    form = ArticleForm(request.POST or None, initial=ArticleForm.filled(shown))
    if "X-Validate" in request.headers:
        return _validation(form)
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        changed = carried_out(form, knowledge.change, pk, form.values(), by=request.actor, reason=reason)
        if changed is not None:
            return done(request, "article", f"“{changed.title}” was saved.", pk)
    return _article_page(request, shown, form)


@page("POST")
def switch(request: PageRequest, pk: int) -> HttpResponse:
    """Enable or disable it, as the form says."""
    enabled = request.POST.get("enabled") == "true"
    changed = knowledge.change(pk, {"enabled": enabled}, by=request.actor, reason=_reason(request))
    said = "may be cited again" if enabled else "is not cited any more"
    return done(request, "article", f"“{changed.title}” {said}.", pk)


@page("POST")
def remove(request: PageRequest, pk: int) -> HttpResponse:
    title = _found(pk).title
    knowledge.remove(pk, by=request.actor, reason=_reason(request))
    return done(request, "knowledge", f"“{title}” was removed.")


def _found(pk: int) -> Article:
    found = Article.objects.filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such article; it may have been removed, so go back to the knowledge base.")
    return found


def _reason(request: PageRequest) -> str:
    return request.POST.get("reason", "")[:REASON_LIMIT]


def _validation(form: ArticleForm) -> HttpResponse:
    if form.is_valid():
        carried_out(form, knowledge.check, form.values())
    return validation(form)


def _article_page(request: PageRequest, shown: Article, form: Any) -> HttpResponse:
    context = {
        "article": shown,
        "form": form,
        "may_change": access.can(request.user, "knowledge.change"),
        "panels": lambda: fragments.panels("article", shown, request),
        "panels_id": "article-panels",
        "panel_topics": f"article:{shown.pk}",
    }
    return fragments.render(request, "customer_service/article.html", context, regions=ARTICLE_REGIONS)
