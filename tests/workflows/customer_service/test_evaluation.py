"""The figures by which triage is judged."""

import pytest

from tests.workflows.customer_service.trained import sure
from workflows.customer_service import evaluation
from workflows.customer_service.evaluation import Labelled


def test_confidence_that_equals_the_share_right_has_no_error():
    assert evaluation.expected_calibration_error([0.75] * 4, [True, True, True, False]) == 0


def test_confidence_above_the_share_right_is_an_error_of_the_difference():
    assert evaluation.expected_calibration_error([0.9, 0.9], [True, False]) == pytest.approx(0.4)


def test_errors_of_different_bins_do_not_cancel_out():
    assert evaluation.expected_calibration_error([0.9, 0.1], [False, True]) == pytest.approx(0.9)


def test_certainty_itself_falls_in_the_last_bin():
    assert evaluation.expected_calibration_error([1.0, 0.95], [True, True]) == pytest.approx(0.025)


def test_nothing_has_no_error():
    assert evaluation.expected_calibration_error([], []) == 0


def test_accuracy_at_coverage_looks_at_the_surest():
    confidences, right = [0.2, 0.9, 0.8, 0.3], [False, True, True, False]

    assert evaluation.accuracy_at_coverage(confidences, right, 0.5) == 1
    assert evaluation.accuracy_at_coverage(confidences, right, 1) == 0.5


def test_an_alternative_counts_as_right_in_lenient_only():
    labelled = [Labelled("a", "general"), Labelled("b", "billing_question", frozenset({"general"}))]
    report = evaluation.report([sure("general", 1.0), sure("general", 1.0)], labelled)

    assert (report.n, report.strict, report.lenient) == (2, 50, 100)
    assert (report.ece, report.ece_lenient) == (50, 0)


def test_rows_out_of_scope_are_left_out(tmp_path):
    file = tmp_path / "inquiries.csv"
    file.write_text("text,category,alt,ood\nhello,general,,0\nweather?,general,,1\nfee?,billing_question,general|x,0\n")

    assert evaluation.read_labelled(file) == [
        Labelled("hello", "general"),
        Labelled("fee?", "billing_question", frozenset({"general", "x"})),
    ]
