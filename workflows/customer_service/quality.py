"""Whether a drafted reply may go to the customer without a person. Pure.

Five parts between 0 and 1, each with a formula that an operator can follow. The score is the weakest part: what is
right in four ways and wrong in one is a wrong reply. Each part that lies below the threshold, and triage that is
unsure, gives a reason in a sentence; any reason escalates.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workflows.customer_service import drafting, language, policies
from workflows.customer_service.drafting import Draft, NoDraft
from workflows.customer_service.retrieval import Article, Hit
from workflows.customer_service.triage import Triage

WEIGHT_OF_DOUBT = 3.0
"""A wrong reply to a customer costs more than a colleague's look at a right one: so many times more."""
SUFFICIENT_COVERAGE = 0.6
FAULT_OF_TONE = 0.4
LONGEST_REPLY = 2_500

_TROUBLE_LIST = """
    cant cannot couldnt didnt doesnt isnt wasnt wont hasnt havent unable fail fails failed failing failure decline
    declined refuse refused reject rejected denied error errors wrong broken crash crashes stuck incorrect
"""
_TROUBLE = frozenset(_TROUBLE_LIST.split())
_QUESTION = re.compile(
    r"(?:how|what|whats|when|where|wheres|why|who|which|can|could|do|does|did|is|are|will|would|may|should|has|have"
    r"|i (?:want|need|would like|wish)|tell me|show me)\b"
)
_TELLS = re.compile(
    r"\b(?:i(?: will|['’]?ll) (?:now )?(?:update|install|try|do|check|wait)"
    r"|(?:is|are|['’]s|its|now) (?:now )?work(?:s|ing) (?:well|fine|again|now|perfectly)"
    r"|(?:problem|issue)s? (?:is |are |was |got |has been )?(?:solved|fixed|resolved))\b"
)
_PLACEHOLDER = re.compile(r"\{\{?[^{}]*\}?\}|\[(?!\d+\])[^\[\]\n]*\]|<[a-z_ ]+>|\b(?:TODO|TBD|XXX)\b")
_SHOUTING = re.compile(r"!{2,}|\b[A-Z]{4,}(?: [A-Z]{2,}){2,}")


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may set. ``thresholds`` are for single categories; ``topics`` name rules of ``policies.py``."""

    threshold: float = 0.70
    thresholds: Mapping[str, float] = field(default_factory=dict)
    least_triage_confidence: float = 0.50
    topics: frozenset[str] = policies.TOPICS

    def threshold_for(self, category: str) -> float:
        return self.thresholds.get(category, self.threshold)


@dataclass(frozen=True, slots=True)
class Quality:
    """``cause`` says in a word why a person is needed: unsure, no_article, weak, policy; empty where none is."""

    score: float
    parts: dict[str, float]
    needs_escalation: bool
    reasons: tuple[str, ...]
    cause: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "score": self.score,
            "parts": dict(self.parts),
            "needs_escalation": self.needs_escalation,
            "reasons": list(self.reasons),
            "cause": self.cause,
        }


@dataclass(frozen=True, slots=True)
class _Part:
    """How well the reply does in one respect, and what is wrong if that is not well enough."""

    value: float
    reason: str = ""


def check(
    text: str, draft: Draft | NoDraft, triage: Triage, hits: Sequence[Hit], settings: Settings | None = None
) -> Quality:
    """``text`` is what the customer wrote, ``hits`` what the draft was chosen from."""
    settings = settings or Settings()
    if isinstance(draft, NoDraft):
        parts = dict.fromkeys(("answers_question", "grounded", "complete", "tone"), _Part(0.0))
        parts |= {"answers_question": _Part(0.0, draft.reason), "policy": _policy(text, [], [], settings)}
    else:
        cited = [hit for hit in hits if hit.article.id in {citation.article for citation in draft.citations}]
        bodies = [hit.article.body for hit in cited]
        said = drafting.statements(draft.text)
        parts = {
            "answers_question": _answers_question(draft, hits),
            "grounded": _grounded(said, bodies),
            "complete": _complete(text, cited),
            "tone": _tone(draft.text),
            "policy": _policy(text, said, bodies, settings),
        }
    return _verdict(parts, triage, settings, has_draft=isinstance(draft, Draft))


def _verdict(parts: dict[str, _Part], triage: Triage, settings: Settings, *, has_draft: bool) -> Quality:
    threshold = settings.threshold_for(triage.category)
    weak = [name for name, part in parts.items() if part.value < threshold]
    is_unsure = triage.confidence < settings.least_triage_confidence
    reasons = [_unsure(triage, settings)] if is_unsure else []
    reasons += [parts[name].reason for name in weak if parts[name].reason]
    causes = {
        "policy": "policy" in weak,
        "unsure": is_unsure,
        "no_article": not has_draft,
        "weak": bool(weak),
    }
    return Quality(
        score=round(min(part.value for part in parts.values()), 4),
        parts={name: round(part.value, 4) for name, part in parts.items()},
        needs_escalation=any(causes.values()),
        reasons=tuple(reasons),
        cause=next((cause for cause, applies in causes.items() if applies), ""),
    )


def _unsure(triage: Triage, settings: Settings) -> str:
    return (
        f"Triage is only {triage.confidence:.0%} sure of the category, "
        f"and below {settings.least_triage_confidence:.0%} a person decides."
    )


def _answers_question(draft: Draft, hits: Sequence[Hit]) -> _Part:
    """1 less three times the doubt: 1 minus the probability that the article answers the inquiry."""
    value = max(0.0, 1.0 - WEIGHT_OF_DOUBT * (1.0 - draft.confidence))
    rival = drafting.next_answer(hits)
    if rival and rival.score > hits[0].score / 2:
        return _Part(value, drafting.equally_good(hits[0], rival))
    titles = language.quoted([citation.title for citation in draft.citations])
    return _Part(value, f"That {titles} answers the inquiry is only {draft.confidence:.0%} certain.")


def _grounded(said: Sequence[str], bodies: Sequence[str]) -> _Part:
    """The share of the reply's sentences that stand word for word in a cited article."""
    sources = [_one_line(body) for body in bodies]
    invented = [sentence for sentence in said if not any(_one_line(sentence) in source for source in sources)]
    if not said:
        return _Part(0.0, "The reply says nothing between greeting and close.")
    return _Part(1 - len(invented) / len(said), f'No cited article says: "{invented[0]}"' if invented else "")


def _complete(text: str, cited: Sequence[Hit]) -> _Part:
    """How much of what was asked is answered.

    1 if at least 60 % of the inquiry's words of content stand in the article, rare words counting more, and in
    proportion below; divided by the number of different questions; halved where the customer tells how things stand
    instead of asking, or reports that something does not work, of which the article's title and questions do not speak.
    """
    if not cited:
        return _Part(0.0, "The reply cites no article that was found for the inquiry.")
    best = cited[0]
    asked = questions(text)
    value = min(1.0, best.coverage / SUFFICIENT_COVERAGE) / max(1, len(asked))
    if len(asked) > 1:
        return _Part(value, f"The customer asks {len(asked)} things: {language.quoted(asked[:3])}.")
    if _TELLS.search(text.lower()) and best.article.category != "general":
        return _Part(value / 2, "The customer tells how things stand rather than asks.")
    if _reports_trouble(text) and not _speaks_of_trouble(best.article):
        reason = f'The customer reports that something does not work, of which "{best.article.title}" does not speak.'
        return _Part(value / 2, reason)
    return _Part(value, f'"{best.article.title}" says nothing of {language.quoted(best.missing_terms[:4])}.')


def questions(text: str) -> list[str]:
    """The sentences that ask different things: they share no word of content with one before, and have two or more."""
    asked: list[tuple[str, set[str]]] = []
    for sentence in language.sentences(text[: language.READ_CHARACTERS]):
        wish = language.request(sentence)
        content = set(language.content_words(wish))
        is_question = sentence.endswith("?") or _QUESTION.match(wish)
        if is_question and len(content) >= 2 and not any(content & earlier for _, earlier in asked):
            asked.append((sentence, content))
    return [sentence for sentence, _ in asked]


def _reports_trouble(text: str) -> bool:
    return not _TROUBLE.isdisjoint(language.words(text))


def _speaks_of_trouble(article: Article) -> bool:
    return any(_reports_trouble(line) for line in (article.title, *article.questions))


def _tone(reply: str) -> _Part:
    """1 less 0.4 for each fault: no greeting, no close, shouting, a placeholder left in, too long to be read."""
    paragraphs = language.paragraphs(reply)
    faults = {
        "has no greeting": not (paragraphs and drafting.GREETING.fullmatch(paragraphs[0])),
        "has no close": not any(drafting.SIGN_OFF.fullmatch(paragraph) for paragraph in paragraphs),
        "shouts": bool(_SHOUTING.search(reply)),
        "still contains a placeholder": bool(_PLACEHOLDER.search(reply)),
        "is too long to be read": len(reply) > LONGEST_REPLY,
    }
    found = [fault for fault, applies in faults.items() if applies]
    return _Part(max(0.0, 1.0 - FAULT_OF_TONE * len(found)), f"The reply {' and '.join(found)}." if found else "")


def _policy(text: str, said: Sequence[str], bodies: Sequence[str], settings: Settings) -> _Part:
    """1, or 0 where a rule of ``policies.py`` says that a person must answer."""
    reasons = policies.concerns(text, settings.topics) + policies.breaches(said, bodies, settings.topics)
    return _Part(0.0 if reasons else 1.0, " ".join(reasons))


def _one_line(text: str) -> str:
    return " ".join(text.split())
