"""Whether a reply may go out without a person."""

import json
from dataclasses import replace

import pytest

from tests.workflows.customer_service.trained import article, classifier, hit, index, sure
from workflows.customer_service import drafting, quality
from workflows.customer_service.drafting import NoDraft
from workflows.customer_service.quality import Settings

PIN = article("pin", "You can change the PIN at any cash machine. It works at once.", title="Changing your PIN")
FEES = article("fees", "A transfer costs one pound.", title="Fees")
ASKED = "How do I change my PIN?"
HITS = [hit(PIN, 0.9), hit(FEES, 0.1)]
DRAFT = drafting.draft(ASKED, "Ada", HITS, "general")


def checked(text=ASKED, draft=DRAFT, hits=HITS, triage=None, **settings):
    return quality.check(text, draft, triage or sure(), hits, Settings(**settings))


def saying(sentence):
    """The draft with another sentence in it, as a careless specialist might write."""
    return replace(DRAFT, text=DRAFT.text.replace("It works at once.", f"It works at once. {sentence}"))


def whole_way(text):
    """What the agents do with an inquiry, one after the other."""
    triage = classifier().triage(text)
    hits = index().search(text, triage.category)
    return quality.check(text, drafting.draft(text, "Ada", hits, triage.category), triage, hits)


def test_a_grounded_answer_of_a_sure_specialist_goes_out():
    verdict = checked()

    assert verdict.parts == {"answers_question": pytest.approx(1, abs=0.02)} | dict.fromkeys(
        ("grounded", "complete", "tone", "policy"), 1.0
    )
    assert (verdict.needs_escalation, verdict.reasons, verdict.cause) == (False, (), "")


def test_the_score_is_the_weakest_part():
    verdict = checked(draft=saying("Pigs fly."))

    assert verdict.score == verdict.parts["grounded"] == min(verdict.parts.values())


def test_unsure_triage_escalates():
    verdict = checked(triage=sure(confidence=0.4))

    assert verdict.cause == "unsure"
    assert verdict.reasons == ("Triage is only 40% sure of the category, and below 50% a person decides.",)


def test_doubt_whether_the_article_answers_counts_three_times():
    assert checked(draft=replace(DRAFT, confidence=0.9)).parts["answers_question"] == pytest.approx(0.7)
    assert checked(draft=replace(DRAFT, confidence=0.6)).parts["answers_question"] == 0


def test_an_article_that_may_not_answer_escalates_with_its_certainty():
    verdict = checked(draft=replace(DRAFT, confidence=0.8))

    assert verdict.cause == "weak"
    assert verdict.reasons == ('That "Changing your PIN" answers the inquiry is only 80% certain.',)


def test_two_answers_that_fit_alike_are_named():
    hits = [hit(PIN, 0.35), hit(FEES, 0.3)]
    verdict = checked(draft=drafting.draft(ASKED, "Ada", hits, "general"), hits=hits)

    assert verdict.reasons == ('Two articles answer about equally well: "Changing your PIN" and "Fees".',)


def test_no_draft_escalates_with_its_reason():
    verdict = checked(draft=NoDraft("No article of the knowledge base speaks of this."), hits=[])

    assert (verdict.score, verdict.cause) == (0, "no_article")
    assert verdict.reasons == ("No article of the knowledge base speaks of this.",)


def test_a_sentence_that_no_article_says_escalates_and_is_quoted():
    verdict = checked(draft=saying("Pigs fly. Cows swim."))

    assert verdict.parts["grounded"] == 0.5
    assert verdict.reasons == ('No cited article says: "Pigs fly."',)


def test_a_reply_that_says_nothing_is_not_grounded():
    assert checked(draft=replace(DRAFT, text="Hello,\n\nKind regards\nUs")).parts["grounded"] == 0


def test_an_article_that_was_not_found_for_the_inquiry_cannot_be_cited():
    verdict = checked(hits=[hit(FEES)])

    assert verdict.parts["complete"] == verdict.parts["grounded"] == 0


def test_words_that_the_article_does_not_have_make_the_answer_incomplete():
    hits = [hit(PIN, 0.9, coverage=0.3, missing_terms=("hotel", "flight"))]
    verdict = checked(hits=hits)

    assert verdict.parts["complete"] == pytest.approx(0.5)
    assert verdict.reasons == ('"Changing your PIN" says nothing of "hotel" and "flight".',)


def test_two_different_questions_are_not_answered_by_one_article():
    verdict = checked(f"{ASKED} And what does a transfer to Norway cost?")

    assert verdict.parts["complete"] == 0.5
    assert "The customer asks 2 things" in verdict.reasons[0]


def test_one_question_in_other_words_is_one_question():
    asked = quality.questions(f"Can you help me? {ASKED} I want to change the PIN. Is that possible? What should I do?")

    assert asked == [ASKED]


def test_a_report_of_trouble_is_not_answered_by_an_article_that_speaks_of_none():
    verdict = checked("I cannot change my PIN")

    assert verdict.parts["complete"] == 0.5
    assert verdict.reasons == (
        'The customer reports that something does not work, of which "Changing your PIN" does not speak.',
    )


def test_a_report_of_trouble_is_answered_by_an_article_that_speaks_of_it():
    trouble = replace(PIN, questions=("my PIN does not work", "the PIN isnt accepted"))

    assert checked("The PIN isn't accepted", hits=[hit(trouble)]).parts["complete"] == 1


@pytest.mark.parametrize("text", ["Now the PIN is working fine", "Ok, I will try another PIN", "PIN problem solved"])
def test_news_is_not_answered_like_a_question(text):
    verdict = checked(text, hits=[hit(replace(PIN, category="account_management"))])

    assert verdict.reasons == ("The customer tells how things stand rather than asks.",)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (DRAFT.text.removeprefix("Hello Ada,"), "has no greeting"),
        (DRAFT.text.replace("Kind regards\nCustomer service", ""), "has no close"),
        (DRAFT.text.replace("at once.", "at once!!!"), "shouts"),
        (DRAFT.text.replace("Ada", "{{ name }}"), "still contains a placeholder"),
        (DRAFT.text.replace("at once.", "at once. " * 300), "is too long to be read"),
    ],
)
def test_a_fault_of_tone_is_named(text, fault):
    verdict = checked(draft=replace(DRAFT, text=text))

    assert verdict.parts["tone"] == 0.6
    assert f"The reply {fault}." in verdict.reasons


def test_what_policy_leaves_to_a_person_escalates_however_good_the_draft():
    verdict = checked(f"{ASKED} Otherwise my lawyer will ask.")

    assert (verdict.parts["policy"], verdict.cause) == (0, "policy")
    assert verdict.reasons == ("The customer speaks of legal steps: a person answers.",)


def test_money_promised_by_the_reply_alone_is_against_policy():
    assert checked(draft=saying("You get 50 pounds.")).cause == "policy"


def test_a_topic_that_is_switched_off_does_not_escalate():
    assert not checked(f"{ASKED} Otherwise my lawyer will ask.", topics=frozenset()).needs_escalation


def test_policy_is_looked_at_without_a_draft_too():
    verdict = checked("I will sue you", draft=NoDraft("No article."), hits=[])

    assert verdict.cause == "policy"
    assert verdict.reasons == ("No article.", "The customer speaks of legal steps: a person answers.")


def test_a_category_may_have_a_threshold_of_its_own():
    doubtful = replace(DRAFT, confidence=0.92)

    assert not checked(draft=doubtful).needs_escalation
    assert checked(draft=doubtful, thresholds={"general": 0.9}).needs_escalation
    assert not checked(draft=doubtful, thresholds={"billing_question": 0.9}).needs_escalation


def test_a_verdict_can_be_stored_as_json():
    stored = checked(draft=saying("Pigs fly.")).as_dict()

    assert json.loads(json.dumps(stored)) == stored


@pytest.mark.parametrize(
    "text",
    [
        "The cash machine at the station swallowed my bank card, how do I get it back?",
        "I would like to get a quote for my car insurance",
        "Many thanks for your help!",
        "Where do I see the status of your servers?",
    ],
)
def test_an_everyday_inquiry_is_answered_without_a_person(text):
    assert whole_way(text).reasons == ()


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("My card was stolen yesterday in the bus", "policy"),
        ("xkjh lkjsd fjkl", "unsure"),
        ("How do I change my PIN? And how long does delivery of an order take?", "weak"),
    ],
)
def test_anything_doubtful_goes_to_a_person(text, cause):
    assert whole_way(text).cause == cause
