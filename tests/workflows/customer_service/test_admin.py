"""The admin of customer service: its lists open, and what it does goes through the verbs."""

import pytest

from orchestra.kernel.models import Event
from tests.workflows.customer_service.conftest import SETUP
from workflows.customer_service import knowledge
from workflows.customer_service.models import Article, Customer

pytestmark = pytest.mark.django_db
ARTICLE = {"title": "Double charges", "body": "A second charge is returned.", "category": "billing_question"}


@pytest.fixture
def browser(as_, admin_user):
    return as_(admin_user)


@pytest.mark.parametrize("table", ["customer", "inquiry", "article"])
@pytest.mark.parametrize("query", ["", "?q=maya"])
def test_the_lists_open_and_search(browser, escalated, table, query):
    escalated()

    assert browser.get(f"/admin/customer_service/{table}/{query}").status_code == 200


def test_operators_do_not_enter(as_, operator):
    assert as_(operator).get("/admin/customer_service/inquiry/").status_code in {302, 403}


def test_an_inquiry_is_seen_and_not_changed(browser, escalated):
    inquiry = escalated()
    address = f"/admin/customer_service/inquiry/{inquiry.pk}/change/"

    assert browser.get(address).status_code == 200
    assert browser.post(address, {"body": "changed"}).status_code == 403


def test_reopening_several_records_each(browser, receive, play):
    inquiries = [receive(subject=str(number)) for number in range(2)]
    play(reply={"status": "undeliverable", "message_id": "", "to": ""})
    picked = {"action": "reopen", "_selected_action": [inquiry.pk for inquiry in inquiries]}
    browser.post("/admin/customer_service/inquiry/", picked)

    events = Event.objects.filter(action="InquiryReopened")
    assert events.count() == 2
    assert len({event.correlation for event in events}) == 1


def test_an_article_is_written_through_its_verbs(browser):
    browser.post("/admin/customer_service/article/add/", ARTICLE | {"questions": '["why twice"]', "enabled": "on"})
    article = Article.objects.get()
    before = knowledge.revision()
    browser.post(
        f"/admin/customer_service/article/{article.pk}/change/",
        ARTICLE | {"title": "Charged twice", "questions": '["why twice"]', "enabled": "on"},
    )

    article.refresh_from_db()
    assert (article.title, article.version) == ("Charged twice", 2)
    assert knowledge.revision() > before
    actions = list(Event.objects.filter(target_kind="article").order_by("number").values_list("action", flat=True))
    assert actions == ["ArticleAdded", "ArticleChanged"]


def test_several_articles_are_disabled_at_once(browser):
    for number in range(2):
        knowledge.add(ARTICLE | {"title": f"Article {number}"}, by=SETUP)
    picked = {"action": "disable", "_selected_action": list(Article.objects.values_list("pk", flat=True))}
    browser.post("/admin/customer_service/article/", picked)

    assert not Article.objects.filter(enabled=True).exists()


def test_a_customers_tier_is_corrected_and_recorded(browser, escalated):
    customer = escalated().customer
    browser.post(f"/admin/customer_service/customer/{customer.pk}/change/", {"name": "Maya L.", "tier": "gold"})

    assert Customer.objects.get().tier == "gold"
    event = Event.objects.select_related("detail").get(action="CustomerChanged")
    assert event.detail.after == '{"name":"Maya L.","tier":"gold"}'


def test_a_customer_without_an_address_keeps_a_name_and_the_page_says_so_beside_the_field(browser, escalated):
    customer = escalated(email="").customer
    page = browser.post(f"/admin/customer_service/customer/{customer.pk}/change/", {"name": " ", "tier": "gold"})

    assert page.status_code == 200
    assert "Give a name" in page.context["adminform"].form.errors["name"][0]
    customer.refresh_from_db()
    assert (customer.name, customer.tier) == ("Maya", "standard")
    assert not Event.objects.filter(action="CustomerChanged").exists()
