"""The agents themselves, on the example's articles: what they answer and what they refuse to."""

import smtplib

import pytest
from django.core import mail
from django.utils import timezone

from agents.kinds.python import FUNCTIONS
from agents.outcomes import AgentError, Call
from orchestra.kernel.access import actor_of
from orchestra.kernel.errors import Forbidden
from tests.workflows.customer_service.conftest import SETUP
from workflows.customer_service import agents, demo, knowledge, replies
from workflows.customer_service.models import Article, Inquiry
from workflows.models import Run, WorkflowVersion

pytestmark = pytest.mark.django_db
TWICE = {"title": "When a payment appears twice", "category": "billing_question"}


@pytest.fixture
def ask(monkeypatch):
    """``ask("triage", text="…")``: what the agent answers."""
    monkeypatch.setattr(agents, "shelf", agents.Shelf())

    def call(agent, /, *, config=None, key="key-1", **asked):
        return FUNCTIONS[agent].call(Call(asked, config or {}, key, 1, timezone.now(), "correlation"))

    return call


@pytest.fixture
def article(db):
    questions = ["why was I charged twice", "a payment appears two times", "charged twice for one purchase"]
    values = TWICE | {"body": "If both are completed, the second is returned within 5 days.", "questions": questions}
    knowledge.add(
        {
            "title": "Opening hours",
            "category": "general",
            "body": "We are here from 8 to 18.",
            "questions": ["when are you open"],
        },
        by=SETUP,
    )
    return knowledge.add(values, by=SETUP)


def test_triage_names_a_category_and_how_sure_it_is(ask):
    said = ask("triage", text="I was charged twice for the same purchase", subject="")

    assert said["category"] == "billing_question"
    assert 0.5 < said["confidence"] <= 1


def test_a_category_that_a_person_said_stands(ask):
    said = ask("triage", text="I was charged twice", category="general")

    assert (said["category"], said["confidence"]) == ("general", 1.0)


def test_a_draft_quotes_the_article_and_cites_it(ask, article):
    said = ask("draft_reply", text="Why was I charged twice?", category="billing_question", name="Maya")

    assert said["text"].startswith("Hello Maya,")
    assert "the second is returned within 5 days." in said["text"]
    assert [citation["article"] for citation in said["citations"]] == [article.pk]


def test_without_an_article_there_is_no_draft_and_a_reason(ask, article):
    said = ask("draft_reply", text="Can I bring my horse to the moon?", category="general")

    assert said["text"] == ""
    assert said["reason"]


def test_articles_of_rejected_drafts_are_left_out(ask, article):
    said = ask(
        "draft_reply", text="Why was I charged twice?", category="billing_question", rejected_articles=[article.pk]
    )

    assert article.pk not in [citation["article"] for citation in said["citations"]]


def test_the_quality_check_lets_a_good_draft_pass_and_holds_a_bad_one(ask, article):
    asked = {"text": "Why was I charged twice?", "subject": ""}
    triage = ask("triage", **asked)
    draft = ask("draft_reply", **asked, category="billing_question")
    good = ask("quality_check", **asked, triage=triage, draft=draft, config={"threshold": 0.1})
    invented = draft | {"text": draft["text"].replace("5 days", "5 minutes")}
    bad = ask("quality_check", **asked, triage=triage, draft=invented)

    assert (good["parts"]["grounded"], good["threshold"]) == (1.0, 0.1)
    assert bad["parts"]["grounded"] < 1.0
    assert bad["needs_escalation"]


def test_a_draft_that_is_not_there_needs_a_person(ask, article):
    asked = {"text": "Can I bring my horse to the moon?"}
    draft = ask("draft_reply", **asked, category="general")
    said = ask("quality_check", **asked, triage=ask("triage", **asked), draft=draft)

    assert said["needs_escalation"]
    assert said["reasons"]


def test_a_reply_goes_out_with_a_message_id_that_stays_the_same(ask):
    letter = {"inquiry": 7, "to": "maya@example.com", "name": "Maya", "subject": "Card", "text": "Here it is."}
    first, again = ask("send_reply", **letter), ask("send_reply", **letter)

    assert first == again == {"status": "sent", "message_id": "<key-1@example.com>", "to": "maya@example.com"}
    sent = mail.outbox[0]
    assert (sent.subject, sent.to, sent.body) == ("Re: Card [#7]", ["Maya <maya@example.com>"], "Here it is.")
    assert sent.extra_headers["Message-ID"] == "<key-1@example.com>"


def test_without_an_address_nothing_is_sent(ask):
    assert ask("send_reply", inquiry=7, to=None, text="Here it is.")["status"] == "undeliverable"
    assert mail.outbox == []


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (smtplib.SMTPRecipientsRefused({}), False),
        (smtplib.SMTPServerDisconnected("gone"), True),
        (ConnectionRefusedError("refused"), True),
    ],
)
def test_a_mail_server_that_fails_says_whether_another_try_helps(monkeypatch, error, retryable):
    def fail(self):
        raise error

    monkeypatch.setattr(replies.EmailMessage, "send", fail)
    with pytest.raises(AgentError) as failed:
        replies.send(replies.Reply(7, "maya@example.com", "Maya", "", "Here.", "key"))

    assert failed.value.retryable is retryable


def test_the_example_is_loaded_once_and_what_was_edited_stays():
    made = {kind.what: kind.added for kind in demo.load(SETUP, inquiries=True)}
    assert made["agents"] == 8
    assert made["pools"] == 2
    assert made["workflows"] == 2
    assert made["articles"] > 100
    assert Run.objects.count() == Inquiry.objects.count() == made["inquiries"]

    article = Article.objects.first()
    knowledge.change(article.pk, {"title": "My own title"}, by=SETUP)
    assert {kind.added for kind in demo.load(SETUP, inquiries=True)} == {0}
    article.refresh_from_db()
    assert article.title == "My own title"
    assert WorkflowVersion.objects.count() == 2


def test_people_of_lower_roles_cannot_load_it(operator):
    with pytest.raises(Forbidden):
        demo.load(actor_of(operator))
