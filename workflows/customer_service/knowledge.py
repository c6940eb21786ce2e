"""The knowledge base's verbs: the only writer of Article and KnowledgeRevision."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import F
from django.utils import timezone

from orchestra.kernel import access, events
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import FieldError, Invalid, NotFound
from orchestra.kernel.events import Ref
from orchestra.kernel.inbound import CONTROL
from orchestra.kernel.models import Role
from workflows.customer_service.models import Article, Category, KnowledgeRevision

access.grant({"knowledge.view": Role.VIEWER, "knowledge.change": Role.OPERATOR})

FIELDS = ("title", "body", "category", "questions", "enabled")
MAX_TITLE = 200
MAX_BODY = 20_000
MAX_QUESTIONS = 100
MAX_QUESTION = 300


def add(values: Mapping[str, Any], *, by: Actor, key: str | None = None, reason: str = "") -> Article:
    """Add an article; specialists may cite it from their next draft on. Raises :class:`Invalid`."""
    access.check(by, "knowledge.change")
    fields = {"questions": [], "enabled": True, **values}
    check(fields)
    with events.recording(by):
        article = Article.objects.create(key=key, **{name: fields[name] for name in FIELDS})
        _bump()
        _record("ArticleAdded", article, after=describe(article), reason=reason)
    return article


def change(article_id: int, values: Mapping[str, Any], *, by: Actor, reason: str = "") -> Article:
    """Change those fields that ``values`` names. Raises :class:`Invalid`, :class:`NotFound`."""
    access.check(by, "knowledge.change")
    with events.recording(by):
        article = _locked(article_id)
        before = describe(article)
        after = before | {name: values[name] for name in FIELDS if name in values}
        changed = [name for name in FIELDS if before[name] != after[name]]
        check(after)
        if not changed:
            return article
        for name in changed:
            setattr(article, name, after[name])
        article.version, article.updated_at = article.version + 1, timezone.now()
        article.save(update_fields=[*changed, "version", "updated_at"])
        _bump()
        difference = {"before": {n: before[n] for n in changed}, "after": {n: after[n] for n in changed}}
        _record(_action(changed, article), article, reason=reason, **difference)
    return article


def remove(article_id: int, *, by: Actor, reason: str = "") -> None:
    """Remove an article for good; replies that cite it keep its title."""
    access.check(by, "knowledge.change")
    with events.recording(by):
        article = _locked(article_id)
        _record("ArticleRemoved", article, before=describe(article), reason=reason)
        article.delete()
        _bump()


def revision() -> int:
    """A number that is another one after every change of an article."""
    return KnowledgeRevision.objects.filter(pk=1).values_list("number", flat=True).first() or 0


def describe(article: Article) -> dict[str, Any]:
    """The article as the audit trail keeps it."""
    return {name: getattr(article, name) for name in FIELDS}


def _action(changed: Sequence[str], article: Article) -> str:
    if changed != ["enabled"]:
        return "ArticleChanged"
    return "ArticleEnabled" if article.enabled else "ArticleDisabled"


def _locked(article_id: int) -> Article:
    article = Article.objects.select_for_update(no_key=True).filter(pk=article_id).first()
    if article is None:
        raise NotFound("There is no such article; it may have been removed, so go back to the knowledge base.")
    return article


def _bump() -> None:
    KnowledgeRevision.objects.get_or_create(pk=1)
    KnowledgeRevision.objects.filter(pk=1).update(number=F("number") + 1)


def _record(action: str, article: Article, **what: Any) -> None:
    events.record(action, target=Ref("article", article.pk, article.title), permission="knowledge.change", **what)


def check(values: Mapping[str, Any]) -> None:
    """Raise :class:`Invalid` naming every field that an article cannot have."""
    faults: list[FieldError] = [
        {"path": name, "message": message}
        for name, message in (
            ("title", _fault_of_text(values.get("title") or "", MAX_TITLE)),
            ("body", _fault_of_text(values.get("body") or "", MAX_BODY)),
            ("category", "" if values.get("category") in Category.values else _choose_category()),
            ("questions", "" if len(values["questions"]) <= MAX_QUESTIONS else f"Give at most {MAX_QUESTIONS}."),
        )
        if message
    ]
    for index, question in enumerate(values["questions"][:MAX_QUESTIONS]):
        if message := _fault_of_text(question, MAX_QUESTION):
            faults.append({"path": f"questions[{index}]", "message": message})
    if faults:
        raise Invalid(errors=faults)


def _fault_of_text(text: str, limit: int) -> str:
    if CONTROL.search(text):
        return "Remove the control characters (such as NUL)."
    return "" if text.strip() and len(text) <= limit else f"Write 1 to {limit:,} characters."


def _choose_category() -> str:
    return f"Choose one of {', '.join(Category.values)}."
