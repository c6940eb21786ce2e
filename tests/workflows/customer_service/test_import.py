"""``manage.py import_inquiries``: broken rows are told and skipped, wrong files refused, again is harmless."""

import tracemalloc
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from workflows.customer_service.models import Customer, Inquiry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("service")]


@pytest.fixture
def import_file(tmp_path):
    """``import_file("body\\n…")``: what the command prints."""

    def run(content, encoding="utf-8"):
        path = tmp_path / "inquiries.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        printed = StringIO()
        call_command("import_inquiries", str(path), stdout=printed)
        return printed.getvalue()

    return run


def bodies():
    return sorted(Inquiry.objects.values_list("body", flat=True))


def test_a_file_needs_only_a_column_text(import_file):
    printed = import_file("id,text\n1,Where is my card?\n2,How do I pay?\n")

    assert bodies() == ["How do I pay?", "Where is my card?"]
    assert "Columns that are not used: id." in printed
    assert printed.endswith("2 inquiries taken in, 0 known already, 0 rows skipped.\n")


def test_all_columns_that_inquiries_know_are_used(import_file):
    import_file(
        "Body,Subject,email,name,tier,external_id,channel\nWhere?,Card,Maya@Example.com,Maya,gold,mail-1,phone\n"
    )

    inquiry = Inquiry.objects.select_related("customer").get()
    assert (inquiry.subject, inquiry.external_id, inquiry.channel) == ("Card", "mail-1", "phone")
    assert (inquiry.customer.email, inquiry.customer.tier) == ("maya@example.com", "gold")


def test_the_same_file_again_changes_nothing(import_file):
    content = "text\nWhere?\nWhere?\nHow?\n"
    import_file(content)
    printed = import_file(content)

    assert bodies() == ["How?", "Where?", "Where?"]
    assert "0 inquiries taken in, 3 known already" in printed


def test_equal_rows_of_one_file_are_as_many_inquiries(import_file):
    import_file("text\nWhere?\nWhere?\n")
    import_file("text\nWhere?\nWhere?\nWhere?\n")

    assert len(bodies()) == 3


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("too,many,values", "line 3 skipped: It has 3 values where the header has 2."),
        ("one", "line 3 skipped: It has 1 values where the header has 2."),
        ('"",maya@example.com', "line 3 skipped: body: Write what the customer asks"),
        ("hello,nobody", "line 3 skipped: email: This is not an e-mail address"),
        ('he"llo" there",x@example.com\n"a"b,c', "line 4 skipped: It is not CSV"),
        ("bell \x07,maya@example.com", "line 3 skipped: body: Remove the control characters"),
        (f"{'x' * 102_500},maya@example.com", "line 3 skipped: body: The text has over 100 KB"),
    ],
)
def test_a_broken_row_is_told_with_its_line_and_the_others_come_in(import_file, row, reason):
    printed = import_file(f"text,email\nfirst,\n{row}\nlast,\n")

    assert reason in printed
    assert {"first", "last"} <= set(bodies())


def test_a_quotation_mark_that_is_never_closed_is_told(import_file):
    printed = import_file('text,email\nfirst,\n"open,\nswallowed,\n')

    assert (
        "line 3 skipped: A quotation mark that is opened here is not closed (read up to line 4); close it." in printed
    )
    assert bodies() == ["first"]


def test_texts_over_several_lines_are_one_row(import_file):
    printed = import_file('text,email\n"one\ntwo",\nthree,nobody\n')

    assert bodies() == ["one\ntwo"]
    assert "line 4 skipped" in printed


def test_a_known_external_id_with_another_text_is_told(import_file):
    import_file("text,external_id\nWhere?,a\n")
    printed = import_file("text,external_id\nElse?,a\n")

    assert "line 2 skipped: external_id: a belongs to an inquiry with another content." in printed
    assert bodies() == ["Where?"]


def test_a_byte_order_mark_is_no_part_of_the_header(import_file):
    import_file("text\nWo ist meine Karte für Zürich?\n", encoding="utf-8-sig")

    assert bodies() == ["Wo ist meine Karte für Zürich?"]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding_is_refused_before_anything_is_taken_in(import_file, encoding):
    with pytest.raises(CommandError, match=r"is not UTF-8 \(line \d+\); save it in that encoding"):
        import_file("text\nfirst\nZürich\n", encoding=encoding)

    assert not Inquiry.objects.exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "needs a header with a column body or text; it has none"),
        ("a,b\n1,2\n", "needs a header with a column body or text; it has a, b"),
        ("a;text\n1;2\n", "Separate the columns by commas"),
        ("text,text\n1,2\n", "names text twice"),
        (b"text\n" + b"x" * 1_100_000, "Line 2 of .* has over 1 MB"),
    ],
)
def test_a_file_that_cannot_be_imported_says_what_to_do(import_file, content, sentence):
    with pytest.raises(CommandError, match=sentence):
        import_file(content)


def test_a_file_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(CommandError, match="cannot be opened: No such file"):
        call_command("import_inquiries", str(tmp_path / "none.csv"))


def test_progress_takes_few_lines_however_long_the_file(import_file):
    rows = "".join(f"question {number}\n" for number in range(1_200))
    printed = import_file(f"text\n{rows}")

    assert len(printed.splitlines()) <= 12
    assert "1,200 inquiries taken in" in printed


def test_memory_does_not_grow_with_the_file(import_file):
    def peak_of(rows):
        tracemalloc.start()
        import_file("text\n" + "".join(f"question {rows} {number} {'x' * 200}\n" for number in range(rows)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_of(600)
    assert peak_of(3_000) < 1.6 * peak_of(1_000)
    assert not Customer.objects.exists()
