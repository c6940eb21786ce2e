"""What models cost, on their pages, in the API and in the admin."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import fleet, spending, spent
from agents.models import ModelCall, SpendingDay
from agents.outcomes import Usage
from agents.prices import Budget, Estimate
from agents.spending import Asked, Spent
from tests.agents.conftest import SYSTEM
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
CONFIG = {"base_url": "https://llm.example/v1", "model": "m", "price_in": 1, "price_out": 2, "currency": "EUR"}


@pytest.fixture
def make_model():
    def make(name="gpt-1", **config):
        return fleet.create("llm", {"name": name, "config": CONFIG | config}, ["write"], by=SYSTEM)

    return make


def call(agent, key, *, run=None, task="", cost=None, **usage):
    """A call that was booked at 1 EUR and, if it has a ``cost``, has come to that."""
    most, deadline = Estimate(100, 50, Decimal(1)), timezone.now() + timedelta(seconds=30)
    budget = Budget.of(agent.config)
    spending.book([Asked(f"{key}/1", agent.pk, agent.name, most, budget, deadline, run=run, task=task)])
    if cost is not None:
        usage = {"tokens_in": 1000, "tokens_out": 234, "model": "m-7", **usage}
        spending.settle([Spent(f"{key}/1", 0, agent.pk, Usage(**usage, cost=cost))])


def shown(browser, agent):
    return browser.get(f"/agents/{agent.pk}/").content.decode()


def test_a_models_page_shows_today_beside_its_budget_and_the_days_before(make_model, as_, viewer):
    agent = make_model(budget_per_day=5, budget_per_run=1.5)
    call(agent, "a", cost=0.25)
    with arranged():
        day = timezone.localdate() - timedelta(days=3)
        SpendingDay.objects.create(agent=agent, day=day, calls=77, tokens_in=8_888, cost=Decimal("0.5"))
    page = shown(as_(viewer), agent)

    amounts = ("0.25 EUR", "5.00 EUR", "1.50 EUR", "0.50 EUR", "1,234", "8,888")
    for words in ("What it costs", *amounts, f'"{day:%Y-%m-%d}"'):
        assert words in page
    assert page.count("<time datetime=") >= spent.SHOWN_DAYS
    assert 'width="50.0%"' in page  # half of the dearest day
    assert "never said" not in page


def test_a_model_that_was_never_called_says_so(make_model, as_, viewer):
    page = shown(as_(viewer), make_model())

    assert "It was not called in the last 14 days" in page
    assert "no budget for a day" in page


def test_other_agents_have_no_such_part(make_agent, as_, viewer):
    assert "What it costs" not in shown(as_(viewer), make_agent("echo"))


def test_calls_that_were_never_settled_are_said_so(make_model, as_, viewer):
    agent = make_model()
    call(agent, "a")
    call(agent, "b")
    ModelCall.objects.filter(call="a/1").update(expires_at=timezone.now())

    assert "1 call of these days never said what it came to" in shown(as_(viewer), agent)


def test_the_api_tells_todays_spending_of_models_and_none_of_others(make_model, make_agent, api, viewer):
    agent = make_model(budget_per_day=5)
    make_agent("echo")
    call(agent, "a", cost=0.25)
    told = {row["name"]: row["spending"] for row in api(viewer).get("/api/v1/agents/").json()["results"]}

    assert told == {
        "echo": None,
        "gpt-1": {
            "today": "0.250000000",
            "tokens_today": 1234,
            "budget_per_day": "5.000000000",
            "budget_per_run": None,
            "currency": "EUR",
        },
    }


def test_the_list_asks_once_however_many_models_there_are(make_model, api, viewer):
    client = api(viewer)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            client.get("/api/v1/agents/")
        return [query["sql"] for query in captured if "spendingday" in query["sql"]]

    make_model()
    for number in range(10):
        make_model(f"more-{number}")

    assert len(queries()) == 1


def test_a_runs_spending_is_told_by_step_items_together_in_one_query(make_model, django_assert_num_queries):
    agent, other = make_model(), make_model("gpt-2", currency="USD")
    call(agent, "a", run=7, task="ask", cost=0.25)
    call(agent, "b", run=7, task="each[0]", cost=0.1)
    call(agent, "c", run=7, task="each[1]", cost=0.2, is_estimated=True)
    call(other, "d", run=7, task="each[2]", cost=0.4, model="m-8")
    call(agent, "e", run=8, task="ask", cost=3)
    with django_assert_num_queries(1):
        found = spent.of_run(7)

    assert set(found.steps) == {"ask", "each"}
    assert (found.steps["ask"].cost, found.steps["ask"].precision) == ("0.25 EUR", "")
    each = found.steps["each"]
    assert (each.cost, each.calls, each.precision, each.models) == ("0.30 EUR + 0.40 USD", 3, "about", ["m-7", "m-8"])
    assert found.total.tokens == 4 * 1234
    assert spent.of_task(7, "each[1]").cost == "0.20 EUR"
    assert spent.of_task(7, "each[9]") is None


def test_a_call_under_way_counts_as_a_bound(make_model):
    agent = make_model()
    call(agent, "a", run=7, task="ask")
    total = spent.of_run(7).total

    assert (total.precision, total.cost, total.under_way, total.lost) == ("up to", "1.00 EUR", 1, 0)


def test_what_is_free_shows_no_cost(make_model):
    agent = make_model(price_in=0, price_out=0)
    call(agent, "a", run=7, task="ask", cost=0)

    assert spent.of_run(7).total.cost == ""


@pytest.mark.parametrize("table", ["modelcall", "spendingday"])
def test_the_admin_shows_it_and_changes_nothing(table, make_model, as_, admin_user):
    call(make_model(), "a", cost=0.25)
    browser = as_(admin_user)

    assert "gpt-1" in browser.get(f"/admin/agents/{table}/").content.decode()
    assert browser.get(f"/admin/agents/{table}/add/").status_code == 403
