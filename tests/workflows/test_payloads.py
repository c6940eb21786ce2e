"""Payloads on pages: masked, cut, with their size."""

from workflows import payloads


def test_a_short_payload_stands_open_and_whole():
    shown = payloads.of_value("Input", {"a": 1, "password": "t0p"}, "/whole/")

    assert (shown.text, shown.is_cut, shown.is_short) == ('{\n  "a": 1,\n  "password": "••••"\n}', False, True)
    assert (shown.label, shown.url) == ("Input", "/whole/")


def test_a_long_one_is_folded_and_cut_and_says_how_large_it_is():
    shown = payloads.of_value("Output", "é" * 100_000, "/whole/")

    assert (len(shown.text), shown.is_cut, shown.is_short) == (64 * 1024, True, False)
    assert shown.size.replace("\xa0", " ") == "195.3 KB"


def test_nothing_is_empty_text():
    assert payloads.as_text(None) == ""
    assert payloads.as_text(0) == "0"
