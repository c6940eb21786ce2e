"""What triage, retrieval and the quality check know of the English in which customers write. Pure."""

import re
import unicodedata

READ_CHARACTERS = 4_000
"""What a customer wants stands at the beginning; a megabyte that was pasted beneath it must not cost seconds."""

_FUNCTION_WORD_LIST = """
    a about again ago all already also am an and any anybody anyone anything are as at back be because been before
    being but by can cannot cant could day days did didnt do does doesnt doing dont each either else even ever every
    first five for four from get gets getting give given go goes going got had happen happened happening has have
    having he hello help her here hers hey hi him his hour hours how i id if ill im in into is isnt it its ive just
    keep keeps kindly know last let lets like madam made make many may me might mine minute minutes month months
    more most much must my myself need needs next no nor not now of off ok okay on once one only or other our ours
    out over own please put question questions same say second see set shall she should since sir six so some
    somebody someone something still such take tell ten than thank thanks that thats the their theirs them then
    there theres these they thing things this those three to today tomorrow tonight too try trying two until up us
    use very want wanted wants was way we week weeks well were what whats when where wheres whether which while who
    whom whose why will wish with without wont would year years yes yesterday yet you your youre yours
"""
_FUNCTION_WORDS = frozenset(_FUNCTION_WORD_LIST.split())
_GREETING = (
    r"(?:hi+|hello|hey|hai|hallo|dear|greetings|good (?:morning|afternoon|evening|day))"
    r"(?: (?:there|sir|madam|or|team|all|everyone|again|to you|customer service|support))*"
)
_COURTESY = re.compile(
    rf"(?:{_GREETING}"
    r"|yes|yeah|ok|okay|so|well|also|and|please|pls|kindly|actually|alright|sorry"
    r"|how (?:are|is) (?:you|it going|things)(?: doing)?(?: today)?"
    r"|(?:my name is|i am|im|this is) [a-z]+(?: [a-z]+)?(?: here)? and"
    r"|(?:my name is|this is) [a-z]+(?: [a-z]+)? (?:here|speaking)"
    r"|(?:can|could|would|will) (?:you|someone|anyone|anybody) (?:please |kindly )?(?:help|assist) (?:me|us)(?: out)?"
    r"(?: please)?(?: (?:with|in|to|by))?"
    r"|i (?:need|want|would like|require)(?: to get)? (?:your |some |a )?(?:help|assistance|support)(?: please)?"
    r"(?: (?:with|in|to|from you))?"
    r"|(?:help|assist) me (?:with|in|to)"
    r"|(?:can|could) you (?:please|kindly)"
    r"|i was (?:wondering|hoping) (?:if|whether) you (?:could|can)(?: (?:help|assist) me)?(?: (?:with|in|to))?"
    r")(?![a-z'])[\s,.!;:?-]*"
)
_POLITE = re.compile(
    rf"(?:{_GREETING}(?: [a-z]+)?|(?:i )?hope (?:you are|this finds you|all is) \w+|thanks|thank you"
    r"|(?:can|could) you help(?: me)?|any (?:ideas?|help)(?: \w+){0,4}|(?:please|pls) (?:help|advise|assist)(?: me)?"
    r")[\s,.!?]*"
)
_CLOSE = re.compile(
    r"[\n.!?,]\s*(?:(?:kind |best |warm |with )?regards|(?:yours )?(?:sincerely|faithfully)|cheers|best wishes|best,"
    r"|(?:many )?thanks|thank you)\b[\s,.!-]*(?:[a-z]{1,20}(?:[\s,.!]+|$)){0,5}$"
)
_WORD = re.compile(r"[a-z0-9]+")
_TWO_WORDS = re.compile(r"[a-z0-9][^a-z0-9]+[a-z0-9]")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n\s*\n")
_SUFFIXES = (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", ""))


def normalise(text: str) -> str:
    """``text`` in small plain letters, with one ``0`` for every number: order 4711 is asked about like order 4712."""
    letters = text[:READ_CHARACTERS].lower()
    if not letters.isascii():
        letters = "".join(mark for mark in unicodedata.normalize("NFKD", letters) if not unicodedata.combining(mark))
    without_apostrophes = re.sub(r"['’`]", "", letters)
    return re.sub(r"\d+(?:[.,]\d+)*", "0", without_apostrophes).strip()


def request(text: str) -> str:
    """What ``text`` asks for, normalised: without greetings, courtesy and the close of a letter.

    Of a text that is nothing but courtesy, courtesy stays: it is what the customer wrote to say.
    """
    letter = normalise(text)
    close = _CLOSE.search(letter)
    if close and len(content_words(letter[: close.start()])) >= 2:
        letter = letter[: close.start() + 1]
    said = [_without_courtesy(sentence) for sentence in sentences(letter)]
    asked = " ".join(sentence for sentence in said if not _POLITE.fullmatch(sentence))
    return asked if len(content_words(asked)) >= 2 else " ".join(said)


def _without_courtesy(sentence: str) -> str:
    rest = sentence
    while (courtesy := _COURTESY.match(rest)) and _TWO_WORDS.search(rest, courtesy.end()):
        rest = rest[courtesy.end() :]
    return rest


def words(text: str) -> list[str]:
    return _WORD.findall(normalise(text))


def stem(word: str) -> str:
    """``word`` without its commonest endings: "charge", "charges", "charged" and "charging" are one word."""
    stemmed = next(
        (
            word[: -len(suffix)] + instead
            for suffix, instead in _SUFFIXES
            if word.endswith(suffix) and not word.endswith("ss") and len(word) - len(suffix) >= 3
        ),
        word,
    )
    has_spare_letter = len(stemmed) > 3 and (stemmed.endswith("e") or stemmed[-1] == stemmed[-2] != "s")
    return stemmed[:-1] if has_spare_letter else stemmed


def stems(text: str) -> list[str]:
    return [stem(word) for word in words(text)]


def content_words(text: str) -> dict[str, str]:
    """The words of ``text`` that carry its meaning, in order, without numbers: stem to word as written first."""
    found: dict[str, str] = {}
    for word in words(text):
        if word not in _FUNCTION_WORDS and not word.isdigit():
            found.setdefault(stem(word), word)
    return found


def sentences(text: str) -> list[str]:
    return [sentence.strip() for sentence in _SENTENCE_END.split(text) if sentence.strip()]


def paragraphs(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]


def quoted(terms: list[str] | tuple[str, ...]) -> str:
    """``terms`` as they stand in a sentence: "card", "pin" and "letter"."""
    marked = [f'"{term}"' for term in terms]
    return " and ".join(filter(None, (", ".join(marked[:-1]), marked[-1]))) if marked else ""
