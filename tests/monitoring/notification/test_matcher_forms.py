"""Conditions in a form: rows that are read, faults that say their row, and one row more to fill."""

from django import forms
from django.http import QueryDict

from monitoring.notification.matcher_forms import MatchersField
from tests.monitoring.alerts_made import condition


class Form(forms.Form):
    source = MatchersField()


def posted(*rows):
    data = QueryDict(mutable=True)
    for row in rows:
        for name, value in zip(("label", "operator", "value"), row, strict=True):
            data.appendlist(f"source_{name}", value)
    return Form(data)


def test_rows_become_conditions_and_empty_rows_are_none():
    form = posted(("agent", "in", " billing-1, billing-2 ,"), ("", "=", "  "), ("severity", "!=", " info "))

    assert form.is_valid()
    read = form.cleaned_data["source"]
    assert read == [condition("agent", "in", ["billing-1", "billing-2"]), condition("severity", "!=", "info")]


def test_faults_say_the_row():
    form = posted(("agent", "=", "x"), ("", "=", "billing"), ("agent", "~", "x"), ("pool", "in", ","))

    found = form.errors["source"]
    assert [fault.partition(":")[0] for fault in found] == [
        "Condition 2, label",
        "Condition 3, operator",
        "Condition 4, value",
    ]


def test_none_at_all_is_a_fault_unless_it_need_not_be_filled():
    assert posted(("", "=", "")).errors["source"] == ["Give at least one condition."]
    assert MatchersField(required=False).clean([]) == []


def test_what_is_there_is_shown_with_a_row_more():
    form = Form(initial={"source": [condition("agent", "in", ["a", "b"]), condition("pool", "=", "x")]})

    shown = form["source"].as_widget()
    assert shown.count("data-row") == 3
    assert 'value="a, b"' in shown and "<option selected>agent</option>" in shown
    assert form["source"].id_for_label == "id_source_0_label" and 'id="id_source_0_label"' in shown


def test_what_was_typed_is_shown_again_with_its_faults():
    assert 'value="billing"' in posted(("", "=", "billing"))["source"].as_widget()
