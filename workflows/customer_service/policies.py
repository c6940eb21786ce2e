"""What is never answered without a person, whatever the article. Pure.

A rule that strikes too often costs a colleague half a minute; one that misses costs a customer. So the patterns are
generous.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

READ_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class Rule:
    """A ``topic`` of inquiries, how it is recognised in small letters, and why a person answers it."""

    topic: str
    pattern: re.Pattern[str]
    reason: str


def _rule(topic: str, reason: str, *signs: str) -> Rule:
    """``signs`` are regular expressions for whole words; any one of them is enough."""
    return Rule(topic, re.compile(rf"\b(?:{'|'.join(signs)})\b"), reason)


_SOMEBODY = r"(?:some|any)(?:one|body)(?: else)?"
_NOT = r"(?:not|never|(?:do|does|did|have|has|had|is|was|were|ca|could)n['’]?t)"
_DID_NOT = r"(?:never|(?:did|have|had)(?: not|n['’]?t))"
_MOVEMENT = r"(?:payment|transaction|withdrawal|purchase|charge|debit|transfer|order)s?"
_HELPER = (
    r"(?:human|person|agent|assistant|representative|rep|operator|manager|supervisor|advis[eo]r|colleague|somebody"
    r"|someone)s?"
)
_BELONGING = r"(?:\w+ ){0,3}(?:card|wallet|purse|handbag|phone|mobile)s?"

RULES = (
    _rule(
        "legal_threat",
        "The customer speaks of legal steps: a person answers.",
        r"(?:lawyer|solicitor|attorney|lawsuit)s?",
        r"su(?:e|ing) (?:you|your|the)",
        r"legal (?:action|steps|proceedings)",
        r"(?:take|taking|see|seeing) you (?:all )?(?:to|in) court",
        r"ombuds(?:man|men)|trading standards|consumer protection|financial conduct authority",
    ),
    _rule(
        "fraud",
        "The inquiry may be about fraud, theft or a payment that the customer did not make: a person looks into it.",
        r"(?:fraud|scam|phish)\w*|hack(?:ed|ers?|ing)|identity theft",
        r"stole|stolen|steals?|stealing|theft|thie(?:f|ves)|robbed|mugged|pickpocket\w*",
        r"compromised|cloned|copied|skimmed|unauthori[sz]ed|suspicious|not authori[sz]ed",
        rf"{_SOMEBODY} (?:\w+ ){{0,3}}(?:us(?:es|ed|ing)|ha[sd]|have|got|took|taken|knows?|made|making|access\w*"
        r"|withdr[ae]w\w*)",
        rf"{_NOT} (?:\w+ )?(?:recogni[sz]e\w*(?! (?:me|my|who))|authori[sz]e\w*|approve\w*|familiar)",
        rf"{_NOT} (?:\w+ )?(?:remember|recall) (?:making|doing|setting|using|withdrawing|buying|any|this|that|it|the)",
        rf"unrecogni[sz]ed|unfamiliar|(?:unknown|strange|mysterious) (?:\w+ ){{0,2}}{_MOVEMENT}",
        rf"{_DID_NOT} (?:ever )?(?:ma[kd]e|do|done|initiate\w*|set up|request\w*|agree\w*|sign\w*)"
        rf"(?: \w+){{0,3}} {_MOVEMENT}",
        rf"{_MOVEMENT}(?: \w+){{0,6}} (?:i|we) {_DID_NOT}",
        r"disput(?:e|es|ed|ing)|without my (?:permission|consent|knowledge)",
        r"(?:was|were|is)(?: not|n['’]?t) (?:me|mine|done by me|made by me)",
    ),
    _rule(
        "lost_card",
        "A card or telephone is gone: a person makes sure that nobody can use it.",
        rf"(?:lost|lose|losing|misplaced|missing) {_BELONGING}",
        rf"{_BELONGING} (?:\w+ ){{0,3}}(?:lost|missing|missed|misplaced|gone(?! through)|disappeared)",
        rf"(?:can['’]?t|cannot|can not|couldn['’]?t|could not) (?:seem to )?(?:find|locate) {_BELONGING}",
    ),
    _rule(
        "erasure",
        "The customer asks about personal data or its erasure: a person decides.",
        r"gdpr|right to be forgotten|data protection|subject access",
        r"(?:delete|erase|remove|destroy|wipe) (?:\w+ ){0,3}(?:data|information|records)",
        r"(?:data|information|records) (?:\w+ ){0,3}(?:deleted|erased|removed|destroyed|wiped)",
    ),
    _rule(
        "person",
        "The customer asks for a person.",
        rf"(?:speak|talk|chat|connect|contact|reach)\w*(?: me| us)? (?:(?:to|with|an?|the|your|some|any) )*"
        rf"(?:\w+ )?{_HELPER}",
        r"(?:human|live|real|free) (?:agent|person|operator|assistant|representative|being|human)s?",
        rf"(?:want|need|get|give|find) (?:me )?(?:an? )?{_HELPER}",
        r"(?:call|phone|ring) (?:me|us) (?:back|on|at|please|now|today|tomorrow)",
        r"give me a (?:call|ring)|put me through",
    ),
    _rule(
        "upset",
        "The customer complains or is upset: a person answers.",
        rf"unacceptable|{_NOT} (?:at all )?(?:acceptable|happy|satisfied)|unhappy|dissatisfied",
        r"complain\w*|reclamations?|(?:consumer|customer) claims?|(?:claim|case) against",
        r"fuck\w*|shit\w*|bloody|god ?damn\w*|damn\w*|bullshit|idiots?|liars?|lied|cheat\w*|rip(?:ped|ping)?[ -]off",
        r"disgust\w*|ridiculous|outrag\w*|terrible|horrible|awful|worst|useless|incompetent|pathetic|rubbish",
        r"disappoint\w*|furious|angry|fed up|sick of|frustrat\w*|hate|never again",
    ),
    _rule(
        "hardship",
        "The customer may be in hardship or danger: a person answers with care.",
        r"suicid\w*|kill myself|emergency|injur\w*|hospital\w*|ambulance",
        r"died|deceased|passed away|funeral|bereave\w*|widow\w*",
        r"bankrupt\w*|lost my job|(?:cannot|can['’]?t|not) afford",
    ),
)
MONEY_PROMISE = "money_promise"
PERSONAL_DATA = "personal_data"
TOPICS = frozenset({rule.topic for rule in RULES} | {MONEY_PROMISE, PERSONAL_DATA})

_AMOUNT = re.compile(
    r"[£$€]\s?\d[\d,.]*\d|[£$€]\s?\d|\d[\d,.]*\s?(?:pounds?|euros?|dollars?|pence|cents?|GBP|EUR|USD|%)"
)
_PROMISE = re.compile(
    r"\b(?:we|I) (?:will|shall|can|have|are going to) (?:refund|compensate|credit|reimburse|waive)\b", re.IGNORECASE
)
_PRIVATE = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"  # e-mail address
    r"|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"  # IBAN
    r"|(?<!\w)\+?\d(?:[ -]?\d){7,18}\b"  # card, account and telephone numbers
)


def concerns(text: str, topics: Collection[str] = TOPICS) -> list[str]:
    """Why ``text``, which a customer wrote, needs a person; empty where nothing speaks against an answer."""
    folded = " ".join(text[:READ_CHARACTERS].lower().split())
    return [rule.reason for rule in RULES if rule.topic in topics and rule.pattern.search(folded)]


def breaches(statements: Iterable[str], bodies: Iterable[str], topics: Collection[str] = TOPICS) -> list[str]:
    """What ``statements`` of a reply promise or give away that stands in none of the articles' ``bodies``."""
    said, source = " ".join(statements), " ".join(bodies)
    reasons = []
    if MONEY_PROMISE in topics and (promised := list(_without(source, said, _AMOUNT, _PROMISE))):
        reasons.append(f'The reply promises money that no article names: "{promised[0]}".')
    if PERSONAL_DATA in topics and any(_without(source, said, _PRIVATE)):
        reasons.append("The reply contains an address or number that may be somebody's personal data.")
    return reasons


def _without(source: str, said: str, *patterns: re.Pattern[str]) -> Iterator[str]:
    """What the patterns find in ``said`` and ``source`` does not contain."""
    return (found[0] for pattern in patterns for found in pattern.finditer(said) if found[0] not in source)
