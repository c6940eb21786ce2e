"""Prompts: templates over an input, and how many tokens they come to. Prices and budgets as exact amounts."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import prompts
from agents.prices import Budget, Prices, money, of_float
from orchestra.kernel import queries


def asked(prompt, value, system=""):
    return [message["content"] for message in prompts.messages(system, prompt, value)]


@pytest.mark.parametrize(
    ("template", "value", "text"),
    [
        ("Dear {{ name }}!", {"name": "Ada"}, "Dear Ada!"),
        ("{{ lines[*].sku | join(', ', @) }}", {"lines": [{"sku": "a"}, {"sku": "b"}]}, "a, b"),
        ("{{ missing }}.", {}, "."),
        ("{{ total }} {{ paid }}", {"total": 1.5, "paid": True}, "1.5 true"),
        ("{{ @ }}", ["é"], '["é"]'),
        ("{ this stays }", {}, "{ this stays }"),
    ],
)
def test_a_template_picks_from_the_input(template, value, text):
    assert prompts.fault_of_template(template) == ""
    assert asked(template, value) == [text]


@pytest.mark.parametrize("template", ["{{ a", "{{ a. }}", "{{ }}", "}} {{", "{{ " + "(" * 60 + "a" + ")" * 60 + " }}"])
def test_what_is_no_template_is_said_so(template):
    assert prompts.fault_of_template(template)


@pytest.mark.parametrize("template", ["{{ __class__ }}", "{{ a.__init__.__globals__ }}", "{{ @.items }}"])
def test_a_template_reaches_nothing_but_the_input(template):
    assert asked(template, {"a": {"b": 1}}) == [""]


def test_a_template_that_does_not_fit_the_input_is_said_so():
    with pytest.raises(prompts.PromptError, match="does not fit this input"):
        asked("{{ length(n) }}", {"n": 5})


def test_the_whole_input_is_asked_where_there_is_no_template_and_the_system_comes_first():
    assert asked("  ", {"a": 1}, system="Be {{ a }}.") == ["Be 1.", '{"a": 1}']
    assert [message["role"] for message in prompts.messages("Be.", "", {})] == ["system", "user"]


@given(st.text(max_size=200), st.text(max_size=200))
def test_the_bound_of_tokens_is_above_every_byte(system, prompt):
    said = [{"role": "system", "content": system}, {"role": "user", "content": prompt}]
    assert prompts.tokens_at_most(said) > len((system + prompt).encode()) >= prompts.tokens_about(system, prompt) / 2


def test_a_query_is_one_for_the_whole_text_only_if_it_is_all_of_it():
    assert queries.whole_query(" {{ a.b }} ") == "a.b"
    assert queries.whole_query("x {{ a.b }}") == ""


def test_a_cost_is_exact_and_never_rounded_down():
    prices = Prices.of({"price_in": 0.15, "price_out": 0.6})

    assert prices.cost(1000, 100) == Decimal("0.00021")
    assert Prices.of({"price_in": 0.0001}).cost(1, 0) == Decimal("0.000000001")
    assert Prices.of({}).cost(10**6, 10**6) == 0


def test_an_amount_survives_the_way_through_a_float():
    for amount in ("0.000000001", "123456.789012345", "0.3"):
        assert of_float(float(Decimal(amount))) == Decimal(amount)


def test_a_budget_that_is_not_given_is_none_and_nothing_is_nothing():
    assert Budget.of({}) == Budget(None, None, "")
    assert Budget.of({"budget_per_run": 0, "budget_per_day": 2.5, "currency": "EUR"}) == Budget(
        Decimal(0), Decimal("2.5"), "EUR"
    )


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.00 EUR"),
        (0.5, "0.50 EUR"),
        ("12.3456", "12.35 EUR"),
        ("1234.5", "1,234.50 EUR"),
        ("0.00213", "0.0021 EUR"),
        ("0.000000004", "0.000000004 EUR"),
    ],
)
def test_money_is_written_so_that_small_amounts_can_be_told_apart(amount, text):
    assert money(Decimal(str(amount)), "EUR") == text
