"""What happens at the same instant, on two real connections."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import connection

from orchestra.kernel.access import actor_of
from orchestra.kernel.errors import Conflict, Held, OrchestraError
from orchestra.kernel.models import Event
from tests.workflows.customer_service.conftest import SETUP
from workflows import control
from workflows.customer_service import arrivals, desk, intake
from workflows.customer_service.decisions import Decision, decide
from workflows.customer_service.intake import Fate
from workflows.customer_service.models import Customer, Inquiry, Message, Review

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What each returns or raises when all begin at the same time, each on a connection of its own."""
    results: list[Any] = [None] * len(acts)
    barrier = threading.Barrier(len(acts))

    def perform(index: int, act: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            results[index] = act()
        except OrchestraError as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=perform, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return results


def kinds(results: Sequence[Any]) -> list[str]:
    return sorted(type(result).__name__ for result in results)


def test_of_two_simultaneous_claims_exactly_one_wins_and_the_other_learns_whose(escalated, operator, other_operator):
    inquiry = escalated()
    results = at_once(
        lambda: desk.claim(inquiry.pk, by=actor_of(operator)),
        lambda: desk.claim(inquiry.pk, by=actor_of(other_operator)),
    )

    assert kinds(results) == ["Held", "Inquiry"]
    held = next(result for result in results if isinstance(result, Held))
    inquiry.refresh_from_db()
    assert held.data["holder"]["name"] == inquiry.lease_holder.label
    assert Event.objects.filter(action="InquiryClaimed").count() == 1


def test_a_decision_and_the_cancelling_of_its_run_at_once_lose_neither_the_inquiry_nor_the_text(claimed, operator):
    decision = Decision("edit", reply="A reply.")
    decided, _ = at_once(
        lambda: decide(claimed.pk, decision, lease=claimed.lease_token, by=actor_of(operator)),
        lambda: control.cancel(claimed.run_id, by=SETUP, reason="now"),
    )

    claimed.refresh_from_db()
    if isinstance(decided, Conflict):
        assert (claimed.status, Review.objects.get().verdict) == ("in_review", "withdrawn")
    else:
        assert claimed.status in {"in_progress", "escalated"}
        assert claimed.reply == Review.objects.get(verdict="edited").final == "A reply."


def test_a_decision_pressed_twice_counts_once(claimed, operator):
    act = lambda: decide(claimed.pk, Decision("approve"), lease=claimed.lease_token, by=actor_of(operator))  # noqa: E731
    results = at_once(act, act)

    assert sum(isinstance(result, Inquiry) for result in results) == 1
    assert Review.objects.count() == 1


def test_one_delivery_that_arrives_twice_at_once_is_one_inquiry(service):
    arrival = arrivals.read({"body": "Where is it?", "external_id": "mail-1", "email": "maya@example.com"})
    act = lambda: intake.receive(arrival, by=SETUP)[1]  # noqa: E731

    assert sorted(at_once(act, act)) == [False, True]
    assert (Inquiry.objects.count(), Customer.objects.count()) == (1, 1)


def test_two_imports_of_one_file_at_once_take_every_row_in_once(service):
    rows = [
        arrivals.read({"body": f"question {n}", "external_id": f"row-{n}", "email": f"c{n}@example.com"})
        for n in range(20)
    ]
    act = lambda: intake.receive_many(rows, by=SETUP)  # noqa: E731

    fates = [fate for result in at_once(act, act) for fate in result]
    assert (fates.count(Fate.RECEIVED), fates.count(Fate.KNOWN)) == (20, 20)
    assert (Inquiry.objects.count(), Customer.objects.count()) == (20, 20)


def test_two_inquiries_of_a_new_customer_at_once_have_one_customer(service):
    first, second = (arrivals.read({"body": text, "email": "maya@example.com"}) for text in ("one", "two"))
    at_once(lambda: intake.receive(first, by=SETUP), lambda: intake.receive(second, by=SETUP))

    assert Customer.objects.get().inquiries.count() == 2
    assert not Message.objects.exists()
