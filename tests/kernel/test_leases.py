"""Leases, on two real connections where it matters."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from orchestra.kernel import leases
from orchestra.kernel.models import Lease

alone = pytest.mark.django_db
with_others = pytest.mark.django_db(transaction=True)


def expire(name: str) -> None:
    Lease.objects.filter(name=name).update(expires_at=timezone.now() - timedelta(seconds=1))


@alone
def test_the_first_to_ask_gets_the_lease():
    assert leases.take("ticker", "ada", for_s=5) is not None


@alone
def test_nobody_else_gets_it_while_it_lasts():
    leases.take("ticker", "ada", for_s=5)

    assert leases.take("ticker", "bob", for_s=5) is None


@alone
def test_its_holder_renews_it_under_the_same_token():
    token = leases.take("ticker", "ada", for_s=5)
    expiry = Lease.objects.get(name="ticker").expires_at

    assert leases.take("ticker", "ada", for_s=50) == token
    assert Lease.objects.get(name="ticker").expires_at > expiry


@alone
def test_once_expired_the_next_gets_it_under_a_greater_token():
    token = leases.take("ticker", "ada", for_s=5)
    expire("ticker")

    assert leases.take("ticker", "bob", for_s=5) > token
    assert leases.take("ticker", "ada", for_s=5) is None


@alone
def test_once_released_it_goes_to_the_next_at_once_and_under_a_greater_token():
    token = leases.take("ticker", "ada", for_s=5)

    assert leases.release("ticker", "ada")
    assert leases.take("ticker", "bob", for_s=5) > token


@alone
def test_only_its_holder_releases_it():
    leases.take("ticker", "ada", for_s=5)

    assert not leases.release("ticker", "bob")
    assert leases.take("ticker", "bob", for_s=5) is None


@alone
def test_leases_of_other_names_are_other_leases():
    leases.take("ticker", "ada", for_s=5)

    assert leases.take("sweeper", "bob", for_s=5) is not None


@with_others
@pytest.mark.parametrize("history", ["never held", "expired"])
def test_of_many_who_ask_at_a_time_exactly_one_gets_it(history):
    if history == "expired":
        leases.take("ticker", "the dead", for_s=5)
        expire("ticker")
    holders = [f"executor {number}" for number in range(4)]
    together = threading.Barrier(len(holders))
    tokens = {}

    def ask(holder: str) -> None:
        together.wait()
        try:
            tokens[holder] = leases.take("ticker", holder, for_s=5)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=[holder]) for holder in holders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    [winner] = [holder for holder, token in tokens.items() if token is not None]
    assert tokens.keys() == set(holders)
    assert Lease.objects.get(name="ticker").holder == winner
