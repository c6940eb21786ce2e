"""The agents of customer service: thin functions around the pure modules, registered for agents of kind ``python``.

Each takes and gives plain JSON; ``content/workflows/customer_inquiry.yaml`` says who is
called when. What takes long to make (classifier, index of the articles) is made once a process.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from agents.kinds.python import function
from agents.outcomes import Call
from workflows.customer_service import drafting, knowledge, quality, replies
from workflows.customer_service.drafting import Citation, Draft, NoDraft
from workflows.customer_service.models import Article
from workflows.customer_service.retrieval import Article as Entry
from workflows.customer_service.retrieval import Hit, Index
from workflows.customer_service.triage import Classifier, Triage, read_phrases

LOOK_EVERY_S = 1.0
"""How often, at most, the knowledge base is asked whether it has changed."""
HITS = 5


@function("triage")
def triage(call: Call) -> dict[str, Any]:
    """Says which of five specialists an inquiry is for, and how sure that is; what a person has said stands."""
    said = call.input.get("category")
    if said:
        return Triage(said, 1.0, {said: 1.0}, ()).as_dict()
    return classifier().triage(_text(call.input)).as_dict()


@function("draft_reply")
def draft_reply(call: Call) -> dict[str, Any]:
    """Drafts a reply from the knowledge base and cites the article; without a fitting article there is no draft."""
    hits = _hits(call.input, call.input["category"])
    name = call.input.get("name") or ""
    found = drafting.draft(_text(call.input), name, hits, call.input["category"])
    return found.as_dict() | {"nearest": [hit.as_dict() for hit in hits]}


@function("quality_check", options={"threshold": float, "thresholds": dict, "least_triage_confidence": float})
def quality_check(call: Call) -> dict[str, Any]:
    """Judges a draft in five parts and says in sentences why a person must see it, if one must."""
    triaged = _triage_of(call.input["triage"])
    hits = _hits(call.input, triaged.category)
    options = {
        name: call.config[name]
        for name in ("threshold", "thresholds", "least_triage_confidence")
        if name in call.config
    }
    settings = quality.Settings(**options)
    verdict = quality.check(_text(call.input), _draft_of(call.input["draft"]), triaged, hits, settings)
    return verdict.as_dict() | {"threshold": settings.threshold_for(triaged.category)}


@function("send_reply")
def send_reply(call: Call) -> dict[str, Any]:
    """Sends a reply by e-mail; without an address it is kept as undeliverable."""
    reply = replies.Reply(
        inquiry=call.input["inquiry"],
        to=call.input.get("to") or "",
        name=call.input.get("name") or "",
        subject=call.input.get("subject") or "",
        text=call.input["text"],
        key=call.key,
    )
    return replies.send(reply)


_making = threading.Lock()


def classifier() -> Classifier:
    """The classifier, made from the example phrases once a process."""
    with _making:
        return _classifier()


@lru_cache(maxsize=1)
def _classifier() -> Classifier:
    return Classifier(read_phrases())


@dataclass(slots=True)
class Shelf:
    """The index of the enabled articles as of a revision of the knowledge base; made again when that is another one."""

    revision: int = -1
    looked_at: float = float("-inf")
    index: Index | None = None

    def current(self) -> Index:
        with _making:
            if self.index is None or time.monotonic() - self.looked_at >= LOOK_EVERY_S:
                self._look()
            assert self.index is not None
            return self.index

    def _look(self) -> None:
        revision = knowledge.revision()
        if self.index is None or revision != self.revision:
            self.index = Index([_entry(article) for article in Article.objects.filter(enabled=True).order_by("pk")])
            self.revision = revision
        self.looked_at = time.monotonic()


shelf = Shelf()


def _entry(article: Article) -> Entry:
    return Entry(article.pk, article.title, article.body, article.category, tuple(article.questions))


def _hits(asked: Mapping[str, Any], category: str) -> list[Hit]:
    return shelf.current().search(_text(asked), category, exclude=asked.get("rejected_articles") or (), limit=HITS)


def _text(asked: Mapping[str, Any]) -> str:
    """What the customer wrote, the subject first."""
    return "\n\n".join(filter(None, (asked.get("subject"), asked["text"])))


def _triage_of(said: Mapping[str, Any]) -> Triage:
    return Triage(said["category"], said["confidence"], said["scores"], tuple(said["words"]))


def _draft_of(said: Mapping[str, Any]) -> Draft | NoDraft:
    if not said["text"]:
        return NoDraft(said["reason"])
    return Draft(said["text"], tuple(Citation(**citation) for citation in said["citations"]), said["confidence"])
