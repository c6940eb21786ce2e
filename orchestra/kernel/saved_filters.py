"""Filters that people keep for their lists: the only writer of SavedFilter."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from orchestra.kernel import access, events, registry
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, Forbidden, NotFound, field_error
from orchestra.kernel.events import Ref
from orchestra.kernel.fragments import HEADER as REGIONS
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.lists import asked_in
from orchestra.kernel.models import Role, SavedFilter, User
from orchestra.kernel.validation import validate

access.grant({"filters.save": Role.VIEWER, "filters.share": Role.OPERATOR, "filters.remove_any": Role.ADMIN})

MOST = 50
"""Filters a person and list."""


def save(actor: Actor, page: str, label: str, query: str, *, is_shared: bool = False) -> SavedFilter:
    """Keep ``query`` (that of an address of the list at ``page``) under ``label``; shared ones everybody sees."""
    access.check(actor, "filters.share" if is_shared else "filters.save")
    asked = asked_of(page, query)
    with events.recording(actor):
        owner = _locked_owner(actor)
        mine = SavedFilter.objects.filter(user=owner, page=page)
        _check_label(mine, label)
        if mine.count() >= MOST:
            raise Conflict(f"You keep {MOST} filters of this list already; remove one first.")
        kept = SavedFilter(user=owner, page=page, label=label.strip(), query=asked, is_shared=is_shared)
        validate(kept)
        kept.save()
        after = {"page": page, "query": asked, "is_shared": is_shared}
        events.record("FilterSaved", target=ref_of(kept), after=after, permission="filters.save")
    return kept


def rename(actor: Actor, pk: int, label: str) -> SavedFilter:
    """Give one's own filter another name."""
    access.check(actor, "filters.save")
    with events.recording(actor):
        kept = _own(actor, pk)
        before = kept.label
        if label.strip() != before:
            _check_label(SavedFilter.objects.filter(user=kept.user_id, page=kept.page), label)
            kept.label = label.strip()
            validate(kept)
            kept.save(update_fields=["label"])
            events.record("FilterChanged", target=ref_of(kept), before={"label": before}, after={"label": kept.label})
    return kept


def set_default(actor: Actor, pk: int, *, is_default: bool) -> SavedFilter:
    """Let one's list open with this filter of one's own, or no longer."""
    access.check(actor, "filters.save")
    with events.recording(actor):
        kept = _own(actor, pk)
        if kept.is_default != is_default:
            SavedFilter.objects.filter(user=kept.user_id, page=kept.page, is_default=True).update(is_default=False)
            kept.is_default = is_default
            kept.save(update_fields=["is_default"])
            before, after = {"is_default": not is_default}, {"is_default": is_default}
            events.record("FilterChanged", target=ref_of(kept), before=before, after=after)
    return kept


def remove(actor: Actor, pk: int) -> SavedFilter:
    """Forget one's own filter; an administrator may remove any that is shared."""
    access.check(actor, "filters.save")
    with events.recording(actor):
        kept = _seen_by(actor, pk)
        if str(kept.user_id) != actor.id:
            access.check(actor, "filters.remove_any", target=ref_of(kept))
        before = {"page": kept.page, "query": kept.query, "owner": kept.user_id, "is_shared": kept.is_shared}
        target = ref_of(kept)
        kept.delete()
        events.record("FilterRemoved", target=target, before=before, permission="filters.save")
    return kept


def ref_of(kept: SavedFilter) -> Ref:
    return Ref("saved_filter", kept.pk, kept.label)


def asked_of(page: str, query: str) -> str:
    """``query`` in the one form that equal questions share. Raises :class:`Invalid` if the list cannot be asked so."""
    make = registry.lists.get(page)
    if make is None:
        raise field_error("page", "This list keeps no filters; reload its page and try again.")
    listing = make(asked_in(query))
    known = listing.filters.keys() | {"sort"}
    return urlencode(sorted((name, value) for name, value in listing.params.items() if name in known))


def address_of(kept: SavedFilter) -> str:
    address = reverse(kept.page)
    return f"{address}?{kept.query}" if kept.query else address


@dataclass(frozen=True, slots=True)
class Kept:
    """A saved filter as one person's list offers it."""

    filter: SavedFilter
    url: str
    current: bool
    own: bool
    removable: bool


@dataclass(frozen=True, slots=True)
class Shelf:
    """The saved filters above a list, and what may be done about the filter that is set."""

    page: str
    query: str
    kept: Sequence[Kept]
    may_share: bool

    @property
    def is_worth_saving(self) -> bool:
        """Whether something is asked that no saved filter asks."""
        return bool(self.query) and not any(kept.current for kept in self.kept)

    @property
    def own(self) -> list[Kept]:
        return [kept for kept in self.kept if kept.removable]


def shelf(request: PageRequest, page: str) -> Shelf:
    """One's own and the shared filters of the list at ``page``, by name."""
    query = asked_of(page, request.META.get("QUERY_STRING", ""))
    may_remove_any = access.allows(request.actor, "filters.remove_any")
    kept = [
        Kept(
            row,
            address_of(row),
            current=row.query == query,
            own=(own := row.user_id == request.user.pk),
            removable=own or may_remove_any,
        )
        for row in _seen(request, page)
    ]
    return Shelf(page, query, kept, may_share=access.allows(request.actor, "filters.share"))


def opening(request: PageRequest, page: str) -> str:
    """Where a visit to the bare address of a list leads: to one's default filter; empty if it stays.

    Who comes from the list itself has taken its filters away, and refreshing a region is no visit.
    """
    if request.GET or REGIONS in request.headers or _comes_from(request, request.path):
        return ""
    mine = (row for row in _seen(request, page) if row.is_default and row.user_id == request.user.pk)
    default = next(mine, None)
    return address_of(default) if default is not None and default.query else ""


def _comes_from(request: HttpRequest, path: str) -> bool:
    before = urlsplit(request.headers.get("Referer", ""))
    return before.netloc == request.get_host() and before.path == path


def _seen(request: PageRequest, page: str) -> list[SavedFilter]:
    """One's own and the shared filters of a list, read once a request."""
    read: dict[str, list[SavedFilter]] = request.__dict__.setdefault("saved_filters_read", {})
    if page not in read:
        rows = SavedFilter.objects.filter(Q(user=request.user.pk) | Q(is_shared=True), page=page)
        read[page] = list(rows.select_related("user").order_by("label", "pk")[: 4 * MOST])
    return read[page]


def _seen_by(actor: Actor, pk: int) -> SavedFilter:
    """The filter, if this person may know of it; others' private ones do not exist for them."""
    mine = Q(user=actor.id) if actor.id.isdigit() else Q()
    kept = SavedFilter.objects.select_for_update(no_key=True).filter(mine | Q(is_shared=True), pk=pk).first()
    if kept is None:
        raise NotFound("There is no such filter; it may have been removed, so reload the list.")
    return kept


def _own(actor: Actor, pk: int) -> SavedFilter:
    kept = _seen_by(actor, pk)
    if str(kept.user_id) != actor.id:
        sentence = "This filter is somebody else's; open it and save it under a name of your own."
        raise Forbidden(sentence, target=ref_of(kept), permission="filters.save")
    return kept


def _locked_owner(actor: Actor) -> User:
    """The person, locked, so that two browsers cannot make two defaults."""
    owner = User.objects.select_for_update(no_key=True).filter(pk=actor.id).first() if actor.kind == "person" else None
    if owner is None:
        raise Forbidden("Only people keep filters; sign in as one.", permission="filters.save")
    return owner


def _check_label(mine: QuerySet[SavedFilter], label: str) -> None:
    if not label.strip():
        raise field_error("label", "Give it a name.")
    if mine.filter(label__iexact=label.strip()).exists():
        raise field_error("label", "You have a filter of this name; choose another.")
