"""Budgets hold whatever is in flight and whoever asks at the same time; what was spent is what the servers counted."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from agents import spending
from agents.models import ModelCall, SpendingDay
from agents.outcomes import Usage
from agents.prices import Budget, Estimate
from agents.spending import Asked, Spent
from agents.spent import lost_calls
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db

UNBOUNDED = Budget(None, None, "EUR")


def asked(agent, call, *, cost="1", budget=UNBOUNDED, **more):
    most = Estimate(100, 50, Decimal(cost))
    deadline = timezone.now() + timedelta(seconds=30)
    return Asked(f"{call}/1", agent.pk, agent.name, most, budget, deadline, **more)


def spent(agent, call, *, cost=0.25, claim=0, **usage):
    return Spent(f"{call}/1", claim, agent.pk, Usage(**{"tokens_in": 10, "tokens_out": 5, **usage}, cost=cost))


def today(agent):
    return SpendingDay.objects.get(agent=agent, day=timezone.localdate())


def test_a_call_is_counted_at_its_most_until_it_is_settled(make_agent):
    agent = make_agent("gpt-1")
    assert spending.book([asked(agent, "a", run=7, task="ask[3]", correlation="story")]) == [""]
    row = ModelCall.objects.get()

    assert (row.cost, row.tokens_in, row.tokens_out, row.settled_at) == (1, 100, 50, None)
    assert (row.run, row.step, row.task, row.correlation, row.currency) == (7, "ask", "ask[3]", "story", "EUR")
    assert (today(agent).cost, today(agent).tokens, today(agent).calls) == (1, 150, 1)

    spending.settle([spent(agent, "a", model="gpt", is_estimated=False)])
    row.refresh_from_db()

    assert (row.cost, row.tokens_in, row.tokens_out, row.model) == (Decimal("0.25"), 10, 5, "gpt")
    assert row.settled_at
    assert not row.is_estimated
    assert (today(agent).cost, today(agent).tokens, today(agent).calls) == (Decimal("0.25"), 15, 1)


def test_settling_twice_counts_once(make_agent):
    agent = make_agent("gpt-1")
    spending.book([asked(agent, "a")])
    for _ in range(2):
        spending.settle([spent(agent, "a")])

    assert today(agent).cost == Decimal("0.25")


def test_what_was_never_booked_cannot_be_settled(make_agent):
    agent = make_agent("gpt-1")
    spending.settle([spent(agent, "a")])

    assert not SpendingDay.objects.exists()


def test_a_claim_of_its_own_is_a_call_of_its_own(make_agent):
    """A step given back in order keeps its attempt, so key and attempt come again with the next claim."""
    agent = make_agent("gpt-1")
    spending.book([asked(agent, "a", claim=1)])
    spending.book([asked(agent, "a", claim=2)])
    spending.settle([spent(agent, "a", claim=2)])

    assert dict(ModelCall.objects.values_list("claim", "cost")) == {1: 1, 2: Decimal("0.25")}


def test_what_nobody_settles_stays_counted_and_is_marked(make_agent):
    agent = make_agent("gpt-1")
    spending.book([asked(agent, "a")])
    assert lost_calls(agent) == 0

    ModelCall.objects.update(expires_at=F("expires_at") - timedelta(seconds=30) - spending.GRACE)
    assert lost_calls(agent) == 1
    assert today(agent).cost == 1


def test_a_batch_is_booked_as_far_as_the_budget_of_the_day_goes(make_agent):
    agent = make_agent("gpt-1")
    budget = Budget(None, Decimal("2.5"), "EUR")
    refusals = spending.book([asked(agent, name, budget=budget) for name in "abc"])

    assert refusals[:2] == ["", ""]
    assert refusals[2] == (
        "The budget of gpt-1 for one day is 2.50 EUR. Of that 2.00 EUR is spent or set aside for calls in flight, and "
        "this call may cost up to 1.00 EUR, so it was not made. Raise budget_per_day or lower max_tokens of the agent, "
        "or wait until tomorrow."
    )
    assert ModelCall.objects.count() == 2


def test_what_a_call_did_not_use_is_there_for_the_next(make_agent):
    agent = make_agent("gpt-1")
    budget = Budget(None, Decimal("1.5"), "")
    spending.book([asked(agent, "a", budget=budget)])

    assert spending.book([asked(agent, "b", budget=budget)]) != [""]
    assert spending.book([asked(agent, "b", budget=budget)], [spent(agent, "a")]) == [""]


def test_the_budget_of_a_run_bounds_each_run_apart(make_agent):
    agent, other = make_agent("gpt-1"), make_agent("gpt-2")
    budget = Budget(Decimal(2), None, "")
    calls = [("a", 1), ("b", 1), ("c", 1), ("d", 2)]
    refusals = spending.book([asked(agent, call, budget=budget, run=run) for call, run in calls])
    later = spending.book([asked(agent, "e", budget=budget, run=1), asked(other, "f", budget=budget, run=1)])

    assert [bool(refusal) for refusal in (*refusals, *later)] == [False, False, True, False, True, False]
    assert "for one run is 2.00" in refusals[2]
    assert "tomorrow" not in refusals[2]


def test_a_budget_that_one_call_could_break_is_not_worth_waiting_for(make_agent):
    refusal = spending.book([asked(make_agent("gpt-1"), "a", budget=Budget(None, Decimal("0.5"), ""))])[0]

    assert "tomorrow" not in refusal


def test_yesterdays_calls_are_yesterdays(make_agent):
    agent = make_agent("gpt-1")
    budget = Budget(None, Decimal(1), "")
    spending.book([asked(agent, "a", budget=budget)])
    with arranged():
        yesterday = timezone.localdate() - timedelta(days=1)
        SpendingDay.objects.update(day=yesterday)
        ModelCall.objects.update(day=yesterday)

    assert spending.book([asked(agent, "b", budget=budget)], [spent(agent, "a")]) == [""]
    assert SpendingDay.objects.get(day=yesterday).cost == Decimal("0.25")


def test_a_thousand_calls_cost_as_many_statements_as_two(make_agent, django_assert_max_num_queries):
    agents = [make_agent(f"gpt-{number}") for number in range(3)]
    budget = Budget(Decimal(10_000), Decimal(10_000), "")

    def round_of(count, name):
        calls = [asked(agents[n % 3], f"{name}{n}", budget=budget, run=n % 7) for n in range(count)]
        done = [spent(agents[n % 3], f"{name}{n}") for n in range(count)]
        with django_assert_max_num_queries(12):
            assert not any(spending.book(calls))
        with django_assert_max_num_queries(12):
            spending.settle(done)

    round_of(2, "a")
    round_of(1000, "b")
    assert sum(SpendingDay.objects.values_list("cost", flat=True)) == Decimal("250.5")


def test_old_calls_go_when_runs_of_their_age_go_and_the_sums_stay(make_agent, settings):
    agent = make_agent("gpt-1")
    spending.book([asked(agent, "a"), asked(agent, "b")])
    with arranged():
        ModelCall.objects.filter(call="a/1").update(day=timezone.localdate() - timedelta(days=400))
    settings.RUN_RETENTION_DAYS = 0
    assert spending.forget_old() == 0
    settings.RUN_RETENTION_DAYS = 365

    assert spending.forget_old() == 1
    assert today(agent).cost == 2


@pytest.mark.django_db(transaction=True)
def test_two_who_book_and_settle_at_once_never_pass_a_budget_and_lose_no_sum(make_agent):
    """Two connections, each with calls of both agents in its own order; the sums are read after every commit."""
    agents = [make_agent("gpt-1"), make_agent("gpt-2")]
    budget = Budget(Decimal(20), Decimal(30), "")
    made, over, lock, start = {}, [], threading.Lock(), threading.Barrier(2)

    def work(who):
        try:
            start.wait(30)
            for turn in range(30):
                pair = agents if who else agents[::-1]
                calls = [asked(agent, f"{who}-{turn}-{agent.name}", budget=budget, run=turn % 2) for agent in pair]
                done = [spent(agent, f"{who}-{turn - 1}-{agent.name}") for agent in pair] if turn % 3 == 0 else []
                refusals = spending.book(calls, done)
                with lock:
                    made.update({call.call: call for call, refusal in zip(calls, refusals, strict=True) if not refusal})
                sums = list(SpendingDay.objects.values_list("cost", flat=True))
                over.extend(cost for cost in sums if cost > 30)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(who,)) for who in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert not over
    assert {row.call for row in ModelCall.objects.all()} == set(made)
    for agent in agents:
        rows = list(ModelCall.objects.filter(agent=agent))
        assert today(agent).cost == sum(row.cost for row in rows)
        assert today(agent).calls == len(rows)
        assert today(agent).cost > 29  # all of it that could be had
        for run in (0, 1):
            assert sum(row.cost for row in rows if row.run == run) <= 20
