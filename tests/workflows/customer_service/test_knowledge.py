"""The knowledge base: its verbs, its pages, and the revision that tells agents to index again."""

import pytest

from orchestra.kernel.access import actor_of
from orchestra.kernel.errors import Forbidden, Invalid, NotFound
from orchestra.kernel.models import Event
from tests.workflows.customer_service.conftest import SETUP
from workflows.customer_service import agents, knowledge
from workflows.customer_service.models import Article

pytestmark = pytest.mark.django_db
VALUES = {"title": "Double charges", "body": "A second charge is returned.", "category": "billing_question"}


@pytest.fixture
def article(db):
    return knowledge.add({**VALUES, "questions": ["why was I charged twice"]}, by=SETUP)


def test_every_change_raises_the_revision(article):
    first = knowledge.revision()
    knowledge.change(article.pk, {"body": "Within five days."}, by=SETUP)
    second = knowledge.revision()
    knowledge.remove(article.pk, by=SETUP)

    assert first < second < knowledge.revision()


def test_a_change_records_only_what_changed(article):
    knowledge.change(article.pk, {"title": "Charged twice", "body": article.body}, by=SETUP, reason="clearer")

    event = Event.objects.select_related("detail").get(action="ArticleChanged")
    assert event.detail.after == '{"title":"Charged twice"}'
    assert event.detail.reason == "clearer"


def test_saving_without_a_change_records_nothing(article):
    knowledge.change(article.pk, VALUES, by=SETUP)

    article.refresh_from_db()
    assert (article.version, Event.objects.filter(action="ArticleChanged").count()) == (1, 0)


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("title", " ", "title"),
        ("title", "x" * 201, "title"),
        ("body", "", "body"),
        ("body", "bell \x07", "body"),
        ("category", "weather", "category"),
        ("questions", ["fine", ""], "questions[1]"),
        ("questions", ["q"] * 101, "questions"),
    ],
)
def test_an_article_that_does_not_fit_is_refused_by_field(field, value, path):
    with pytest.raises(Invalid) as refused:
        knowledge.add(VALUES | {field: value}, by=SETUP)

    assert [fault["path"] for fault in refused.value.errors] == [path]
    assert not Article.objects.exists()


def test_viewers_change_nothing(article, viewer):
    with pytest.raises(Forbidden):
        knowledge.change(article.pk, {"enabled": False}, by=actor_of(viewer))


def test_what_is_gone_is_not_found(article):
    knowledge.remove(article.pk, by=SETUP)
    with pytest.raises(NotFound):
        knowledge.change(article.pk, {"enabled": False}, by=SETUP)


def test_agents_index_again_when_an_article_changes(article, monkeypatch):
    monkeypatch.setattr(agents, "LOOK_EVERY_S", 0.0)
    shelf = agents.Shelf()
    assert [hit.article.id for hit in shelf.current().search("charged twice")] == [article.pk]

    knowledge.change(article.pk, {"enabled": False}, by=SETUP)
    assert shelf.current().search("charged twice") == []


def test_agents_look_for_changes_at_most_once_a_second(article, django_assert_num_queries):
    shelf = agents.Shelf()
    shelf.current()

    with django_assert_num_queries(0):
        shelf.current()


def test_the_list_filters_and_searches(as_, viewer, article):
    knowledge.add(VALUES | {"title": "Parcel tracking", "category": "product_inquiry"}, by=SETUP)
    browser = as_(viewer)

    assert b"Parcel tracking" not in browser.get("/knowledge/?category=billing_question").content
    assert b"Double charges" not in browser.get("/knowledge/?search=parcel").content
    assert b"No article is like that" in browser.get("/knowledge/?search=nothing").content


def test_the_list_takes_a_constant_number_of_queries(as_, viewer, django_assert_max_num_queries):
    for number in range(20):
        knowledge.add(VALUES | {"title": f"Article {number}"}, by=SETUP)
    browser = as_(viewer)

    with django_assert_max_num_queries(14):
        browser.get("/knowledge/")


def test_an_operator_adds_changes_disables_and_removes_on_the_pages(as_, operator):
    browser = as_(operator)
    form = VALUES | {"questions": "why twice\n\n two charges ", "enabled": "on"}
    browser.post("/knowledge/new/", form)
    article = Article.objects.get()
    assert article.questions == ["why twice", "two charges"]

    browser.post(f"/knowledge/{article.pk}/", form | {"title": "Charged twice", "reason": "clearer"})
    browser.post(f"/knowledge/{article.pk}/switch/", {"enabled": "false"})
    article.refresh_from_db()
    assert (article.title, article.enabled, article.version) == ("Charged twice", False, 3)

    browser.post(f"/knowledge/{article.pk}/remove/", {"reason": "outdated"})
    assert not Article.objects.exists()
    actions = Event.objects.filter(target_kind="article").order_by("number").values_list("action", flat=True)
    assert list(actions) == ["ArticleAdded", "ArticleChanged", "ArticleDisabled", "ArticleRemoved"]


def test_faults_stand_beside_their_fields(as_, operator):
    answer = as_(operator).post("/knowledge/new/", VALUES | {"title": ""})

    assert 'class="field field-wrong" data-field="title"' in answer.content.decode()


def test_a_viewer_reads_an_article_and_gets_no_form(as_, viewer, article):
    browser = as_(viewer)
    page = browser.get(f"/knowledge/{article.pk}/").content.decode()

    assert "A second charge is returned." in page
    assert "<textarea" not in page
    assert browser.post(f"/knowledge/{article.pk}/", VALUES).status_code == 403
    assert browser.get("/knowledge/new/").status_code == 403
