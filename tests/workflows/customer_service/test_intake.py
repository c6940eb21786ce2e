"""Taking inquiries in, one or many: each has one customer, one run, one event, and comes in once."""

from datetime import timedelta

import pytest

from orchestra.kernel.access import actor_of
from orchestra.kernel.errors import Forbidden, Invalid
from orchestra.kernel.models import Event
from tests.workflows.customer_service.conftest import SETUP
from workflows.customer_service import arrivals, intake
from workflows.customer_service.intake import DuplicateExternalId, Fate
from workflows.customer_service.models import Customer, Inquiry
from workflows.models import Run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("service")]


def arrival(body="Where is my card?", **values):
    return arrivals.read({"body": body, **values})


def test_an_inquiry_begins_new_with_a_run_that_serves_it():
    inquiry, is_new = intake.receive(arrival(subject="Card", email="maya@example.com"), by=SETUP)

    assert (is_new, inquiry.status) == (True, "new")
    run = Run.objects.get(serves_kind="inquiry", serves_id=str(inquiry.pk))
    assert inquiry.run == run
    assert run.input["customer"] == {"name": "", "email": "maya@example.com"}


def test_an_unknown_customer_is_made_by_address_and_found_again_in_any_letter_case():
    first, _ = intake.receive(arrival(email="maya@example.com", name="Maya"), by=SETUP)
    second, _ = intake.receive(arrival(email="MAYA@example.com", name="M."), by=SETUP)

    assert first.customer == second.customer == Customer.objects.get()
    assert second.customer.name == "Maya"


def test_a_tier_that_is_named_is_learned_and_recorded():
    intake.receive(arrival(email="maya@example.com"), by=SETUP)
    intake.receive(arrival(email="maya@example.com", tier="gold"), by=SETUP)

    assert Customer.objects.get().tier == "gold"
    assert Event.objects.filter(action="CustomerChanged").count() == 1


@pytest.mark.parametrize(("tier", "hours", "priority"), [("standard", 24, 0), ("silver", 8, 10), ("gold", 4, 20)])
def test_the_tier_says_when_an_answer_is_due_and_how_soon_the_run_goes(tier, hours, priority):
    inquiry, _ = intake.receive(arrival(email="maya@example.com", tier=tier), by=SETUP)

    assert inquiry.due_at - inquiry.created_at == timedelta(hours=hours)
    assert inquiry.run.priority == priority


def test_without_address_and_name_there_is_no_customer():
    inquiry, _ = intake.receive(arrival(), by=SETUP)

    assert (inquiry.customer, inquiry.sender) == (None, "Unknown sender")


def test_a_repeated_delivery_gives_the_same_inquiry():
    first, _ = intake.receive(arrival(external_id="mail-1"), by=SETUP)
    again, is_new = intake.receive(arrival(external_id="mail-1"), by=SETUP)

    assert (again, is_new) == (first, False)
    assert Run.objects.count() == 1


def test_another_content_under_a_known_external_id_is_refused():
    first, _ = intake.receive(arrival(external_id="mail-1"), by=SETUP)
    with pytest.raises(DuplicateExternalId) as refused:
        intake.receive(arrival("Something else", external_id="mail-1"), by=SETUP)

    assert (refused.value.status, refused.value.code) == (409, "duplicate_external_id")
    assert refused.value.data["inquiry"] == first.pk


def test_a_viewer_may_not_send_inquiries_in(viewer):
    with pytest.raises(Forbidden):
        intake.receive(arrival(), by=actor_of(viewer))


def test_many_come_in_at_once_each_with_its_run_and_event():
    fates = intake.receive_many([arrival(f"question {n}", external_id=f"row-{n}") for n in range(30)], by=SETUP)

    assert fates == [Fate.RECEIVED] * 30
    served = set(Run.objects.values_list("serves_id", flat=True))
    assert served == {str(pk) for pk in Inquiry.objects.values_list("pk", flat=True)}
    assert Event.objects.filter(action="InquiryReceived").count() == 30


def test_of_many_those_known_are_left_and_those_that_clash_are_told_apart():
    intake.receive(arrival("one", external_id="a"), by=SETUP)
    many = [
        arrival("one", external_id="a"),
        arrival("other", external_id="a"),
        arrival("two", external_id="b"),
        arrival("two", external_id="b"),
    ]

    assert intake.receive_many(many, by=SETUP) == [Fate.KNOWN, Fate.CLASHED, Fate.RECEIVED, Fate.KNOWN]
    assert Inquiry.objects.count() == 2


def test_many_of_one_address_share_their_customer_and_strangers_do_not():
    many = [
        arrival("one", external_id="a", email="maya@example.com"),
        arrival("two", external_id="b", email="maya@example.com"),
        arrival("three", external_id="c", name="Jonas"),
        arrival("four", external_id="d", name="Jonas"),
    ]
    intake.receive_many(many, by=SETUP)

    assert Customer.objects.filter(email="maya@example.com").get().inquiries.count() == 2
    assert Customer.objects.filter(name="Jonas").count() == 2


def test_many_runs_of_different_tiers_have_their_own_priority():
    many = [
        arrival("one", external_id="a", email="gold@example.com", tier="gold"),
        arrival("two", external_id="b", email="plain@example.com"),
    ]
    intake.receive_many(many, by=SETUP)

    priorities = Inquiry.objects.values_list("external_id", "run__priority").order_by("external_id")
    assert list(priorities) == [("a", 20), ("b", 0)]


def test_a_batch_costs_few_statements(django_assert_max_num_queries):
    many = [arrival(f"question {n}", external_id=f"row-{n}", email=f"c{n}@example.com") for n in range(100)]

    with django_assert_max_num_queries(60):
        intake.receive_many(many, by=SETUP)


def customer_of(received):
    inquiry, _ = intake.receive(received, by=SETUP)
    return inquiry.customer


def test_a_correction_records_only_what_it_changes(operator):
    customer = customer_of(arrival(name="Maya"))
    intake.correct(customer.pk, {"name": customer.name, "tier": "gold"}, by=actor_of(operator))

    event = Event.objects.select_related("detail").get(action="CustomerChanged")
    assert (event.permission, event.detail.after) == ("customers.change", '{"tier":"gold"}')


@pytest.mark.parametrize(
    ("values", "field"), [({"name": "x" * 151}, "name"), ({"name": "a\x00"}, "name"), ({"tier": ""}, "tier")]
)
def test_a_correction_that_no_customer_can_have_names_its_field(operator, values, field):
    customer = customer_of(arrival(name="Maya"))
    with pytest.raises(Invalid) as refused:
        intake.correct(customer.pk, values, by=actor_of(operator))

    assert [fault["path"] for fault in refused.value.errors] == [field]


def test_viewers_correct_no_customer(viewer):
    with pytest.raises(Forbidden):
        intake.correct(customer_of(arrival(name="Maya")).pk, {"tier": "gold"}, by=actor_of(viewer))
