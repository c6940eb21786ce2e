"""Takes inquiries in, one or many, and starts their runs. The only writer of Customer, and of new inquiries."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from orchestra.kernel import access, events
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, FieldError, Invalid, NotFound
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Role
from orchestra.kernel.states import save_all
from workflows import engine
from workflows.customer_service import flow, sla
from workflows.customer_service.arrivals import Arrival, fault, unreadable
from workflows.customer_service.models import Customer, Inquiry, Tier

access.grant({"inquiries.view": Role.VIEWER, "inquiries.create": Role.OPERATOR, "customers.change": Role.OPERATOR})

CORRECTABLE = ("name", "tier")
BATCH = 500
"""Inquiries that :func:`receive_many` may be given at a time: one transaction."""


class DuplicateExternalId(Conflict):
    """Another inquiry has this external_id and says something else; send the new one under an id of its own."""

    code = "duplicate_external_id"


class Fate(StrEnum):
    """What became of one of many arrivals."""

    RECEIVED = "received"
    KNOWN = "known"
    CLASHED = "clashed"


def ref_of(inquiry: Inquiry) -> Ref:
    """How the audit trail names an inquiry."""
    return Ref("inquiry", inquiry.pk, inquiry.title)


def receive(arrival: Arrival, *, by: Actor, reason: str = "") -> tuple[Inquiry, bool]:
    """Take one inquiry in and start its run; returns it, and whether it is new.

    The same delivery under a known external_id gives the inquiry of that id; another raises DuplicateExternalId.
    """
    access.check(by, "inquiries.create")
    with events.recording(by):
        known = _known([arrival]).get(arrival.external_id)
        if known is None:
            customers = _customers([arrival])
            try:
                with transaction.atomic():
                    inquiries = _insert([arrival], customers)
            except IntegrityError:  # somebody else delivered it between the look and the insert
                known = _known([arrival])[arrival.external_id]
            else:
                _begin(inquiries, by=by, reason=reason)
                return inquiries[0], True
        if known.digest != arrival.digest:
            raise DuplicateExternalId(target=ref_of(known), inquiry=known.pk)
    return known, False


def receive_many(arrivals: Sequence[Arrival], *, by: Actor, reason: str = "") -> list[Fate]:
    """Take in up to :data:`BATCH` inquiries, each with an external_id, all at once; says what became of each.

    Costs a constant number of statements, apart from how many parameters the database takes in one.
    """
    access.check(by, "inquiries.create")
    try:
        return _receive_many(arrivals, by=by, reason=reason)
    except IntegrityError:  # another import delivered some of them meanwhile: they are known now
        return _receive_many(arrivals, by=by, reason=reason)


def correct(customer_id: int, values: Mapping[str, str], *, by: Actor, reason: str = "") -> Customer:
    """Correct name and tier of a customer, as far as ``values`` names them. Raises :class:`Invalid`."""
    access.check(by, "customers.change")
    with events.recording(by):
        customer = Customer.objects.select_for_update(no_key=True).filter(pk=customer_id).first()
        if customer is None:
            raise NotFound("There is no such customer; go back to the list.")
        check(customer, values)
        fields = [name for name in CORRECTABLE if name in values and values[name] != getattr(customer, name)]
        before = {name: getattr(customer, name) for name in fields}
        for name in fields:
            setattr(customer, name, values[name])
        if fields:
            customer.save(update_fields=fields)
            after = {name: values[name] for name in fields}
            _record_changed(customer, before, after, reason=reason, permission="customers.change")
    return customer


def check(customer: Customer, values: Mapping[str, str]) -> None:
    """Raise :class:`Invalid` naming every field of ``values`` that this customer cannot have."""
    found = {name: unreadable(values[name]) or fault(name, values[name]) for name in CORRECTABLE if name in values}
    if not customer.email and not values.get("name", customer.name).strip():
        found["name"] = "Give a name: without one, nothing tells who this customer without an address is."
    if not values.get("tier", customer.tier):
        found["tier"] = f"Choose one of {', '.join(Tier.values)}."
    faults: list[FieldError] = [{"path": name, "message": message} for name, message in found.items() if message]
    if faults:
        raise Invalid(errors=faults)


def _receive_many(arrivals: Sequence[Arrival], *, by: Actor, reason: str) -> list[Fate]:
    with events.recording(by):
        digests = {name: inquiry.digest for name, inquiry in _known(arrivals).items()}
        fresh: list[Arrival] = []
        fates: list[Fate] = []
        for arrival in arrivals:
            digest = digests.get(arrival.external_id)
            if digest is None:
                digests[arrival.external_id] = arrival.digest
                fresh.append(arrival)
                fates.append(Fate.RECEIVED)
            else:
                fates.append(Fate.KNOWN if digest == arrival.digest else Fate.CLASHED)
        _begin(_insert(fresh, _customers(fresh)), by=by, reason=reason)
    return fates


def _known(arrivals: Iterable[Arrival]) -> dict[str, Inquiry]:
    names = [arrival.external_id for arrival in arrivals if arrival.external_id]
    found = Inquiry.objects.filter(external_id__in=names) if names else []
    return {str(inquiry.external_id): inquiry for inquiry in found}


def _insert(arrivals: Sequence[Arrival], customers: Sequence[Customer | None]) -> list[Inquiry]:
    now = timezone.now()
    return Inquiry.objects.bulk_create(
        Inquiry(
            customer=customer,
            title=arrival.title,
            subject=arrival.subject,
            body=arrival.body,
            channel=arrival.channel,
            external_id=arrival.external_id or None,
            digest=arrival.digest,
            due_at=sla.due_at(now, customer.tier if customer else Tier.STANDARD),
            created_at=now,
        )
        for arrival, customer in zip(arrivals, customers, strict=True)
    )


def _begin(inquiries: Sequence[Inquiry], *, by: Actor, reason: str) -> None:
    for inquiry in inquiries:
        _record(inquiry, reason)
    _start_runs(inquiries, by=by)


def _record(inquiry: Inquiry, reason: str) -> None:
    events.record(
        "InquiryReceived",
        target=ref_of(inquiry),
        after={
            "customer": inquiry.sender,
            "subject": inquiry.subject,
            "channel": inquiry.channel,
            "external_id": inquiry.external_id,
            "due_at": inquiry.due_at,
        },
        reason=reason,
        permission="inquiries.create",
    )


def _start_runs(inquiries: Sequence[Inquiry], *, by: Actor) -> None:
    """One run each; those of one tier together, since a run's priority is that of the tier."""
    for tier, priority in sla.PRIORITY.items():
        of_tier = [inquiry for inquiry in inquiries if tier_of(inquiry) == tier]
        orders = [(flow.input_of(inquiry), ref_of(inquiry)) for inquiry in of_tier]
        runs = engine.start_many(flow.INQUIRY, orders, by=by, priority=priority) if orders else []
        for inquiry, run in zip(of_tier, runs, strict=True):
            inquiry.run = run
    save_all(Inquiry, inquiries, ["run_id"])


def tier_of(inquiry: Inquiry) -> str:
    return inquiry.customer.tier if inquiry.customer else Tier.STANDARD


def _customers(arrivals: Sequence[Arrival]) -> list[Customer | None]:
    """The customer of each arrival: by address, or somebody new where only a name is given, or nobody."""
    by_address = _by_address({arrival.email: arrival for arrival in arrivals if arrival.email})
    strangers = [_customer(arrival) for arrival in arrivals if arrival.name and not arrival.email]
    new = iter(_record_added(Customer.objects.bulk_create(strangers)))
    return [by_address[arrival.email] if arrival.email else next(new) if arrival.name else None for arrival in arrivals]


def _by_address(arrivals: Mapping[str, Arrival]) -> dict[str, Customer]:
    """The customers of these addresses; who was not known is added, and what is news about the others is kept."""
    if not arrivals:
        return {}
    rows = Customer.objects.filter(email__in=arrivals)
    known = {str(customer.email): customer for customer in rows}
    # In the order of addresses, so that of two imports at a time one waits for the other, and never both.
    missing = [_customer(arrivals[address]) for address in sorted(arrivals.keys() - known.keys())]
    if missing:
        Customer.objects.bulk_create(missing, ignore_conflicts=True)
        added = _record_added(list(rows.exclude(pk__in=[customer.pk for customer in known.values()])))
        known |= {str(customer.email): customer for customer in added}
    changed = [customer for address, customer in sorted(known.items()) if _learn(customer, arrivals[address])]
    Customer.objects.bulk_update(changed, ["name", "tier"])
    return known


def _customer(arrival: Arrival) -> Customer:
    return Customer(email=arrival.email or None, name=arrival.name, tier=arrival.tier or Tier.STANDARD)


def _record_added(customers: list[Customer]) -> list[Customer]:
    for customer in customers:
        after = {"name": customer.name, "email": customer.email, "tier": customer.tier}
        events.record("CustomerAdded", target=Ref("customer", customer.pk, str(customer)), after=after)
    return customers


def _learn(customer: Customer, arrival: Arrival) -> bool:
    """Take over the tier where one is given, and the name where none was known; returns whether that is news."""
    before = {"name": customer.name, "tier": customer.tier}
    after = {"name": customer.name or arrival.name, "tier": arrival.tier or customer.tier}
    if before == after:
        return False
    customer.name, customer.tier = after["name"], after["tier"]
    _record_changed(customer, before, after)
    return True


def _record_changed(customer: Customer, before: Mapping[str, str], after: Mapping[str, str], **what: Any) -> None:
    target = Ref("customer", customer.pk, str(customer))
    events.record("CustomerChanged", target=target, before=dict(before), after=dict(after), **what)
