"""What is never answered without a person."""

import time

import pytest

from workflows.customer_service import policies

REASONS = {rule.topic: rule.reason for rule in policies.RULES}


@pytest.mark.parametrize(
    ("topic", "text"),
    [
        ("legal_threat", "If this is not settled I will sue you"),
        ("legal_threat", "My solicitor will write to you"),
        ("legal_threat", "I shall go to the ombudsman"),
        ("fraud", "Someone else is using my card"),
        ("fraud", "There are two payments that I didn't make"),
        ("fraud", "I don’t recognise this direct debit"),
        ("fraud", "My wallet was stolen on the train"),
        ("fraud", "an unknown cash withdrawal in my list"),
        ("fraud", "I never set up that payment"),
        ("fraud", "I want to dispute a charge"),
        ("lost_card", "I lost my blue bank card"),
        ("lost_card", "My phone is missing"),
        ("lost_card", "I can't find my wallet"),
        ("erasure", "Please delete all the data you hold about me"),
        ("erasure", "I use my right to be forgotten"),
        ("person", "Let me talk to a real person"),
        ("person", "can I speak with your manager"),
        ("person", "please call me back tomorrow"),
        ("upset", "This is the worst service I have ever had"),
        ("upset", "I want to complain"),
        ("upset", "I am not happy with this"),
        ("hardship", "My husband passed away last week"),
        ("hardship", "I lost my job and cannot afford the rate"),
    ],
)
def test_a_topic_is_recognised(topic, text):
    assert REASONS[topic] in policies.concerns(text)


@pytest.mark.parametrize(
    "text",
    [
        "I want to transfer money from my account to my friend's account",
        "I cannot make a transfer",
        "Has my card application gone through?",
        "How do I delete a card from the app?",
        "I can't remember my password",
        "The app does not recognise me",
        "Where can I find an insurance agent?",
        "I issue invoices every month, where do I download them?",
        "Thank you, that was helpful",
    ],
)
def test_everyday_inquiries_concern_nobody(text):
    assert policies.concerns(text) == []


def test_a_topic_that_is_switched_off_is_not_looked_for():
    assert policies.concerns("I will sue you", policies.TOPICS - {"legal_threat"}) == []


def test_a_threat_is_seen_across_lines_and_in_capitals():
    assert policies.concerns("I will\n SUE   you") == [REASONS["legal_threat"]]


def test_a_huge_text_is_read_quickly():
    before = time.process_time()
    policies.concerns("a" * 500_000 + " not my card " * 40_000)

    assert time.process_time() - before < 0.5


@pytest.mark.parametrize("promise", ["You get 25 pounds back.", "That makes £1,200.50.", "We will refund everything."])
def test_money_that_no_article_names_is_a_breach(promise):
    assert policies.breaches([promise], ["An article without money."]) != []
    assert policies.breaches([promise], [f"An article. {promise}"]) == []


@pytest.mark.parametrize(
    "detail", ["grace@example.com", "4929 1234 5678 9012", "GB29 NWBK 6016 1331 9268 19", "+44 20 7946 0958"]
)
def test_personal_data_that_no_article_names_is_a_breach(detail):
    reasons = policies.breaches([f"We wrote to {detail}."], ["Nothing of the kind."])

    assert reasons == ["The reply contains an address or number that may be somebody's personal data."]


def test_what_is_switched_off_is_no_breach():
    said = ["We will refund 20 pounds to ada@example.com."]

    assert policies.breaches(said, [], policies.TOPICS - {policies.MONEY_PROMISE, policies.PERSONAL_DATA}) == []
