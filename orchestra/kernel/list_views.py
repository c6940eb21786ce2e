"""Pages that every list has in common: its saved filters, and the search across everything."""

from django.http import HttpResponse
from django.urls import NoReverseMatch, reverse

from orchestra.kernel import fragments, saved_filters, search
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.models import SavedFilter
from orchestra.kernel.pages import done, page

ON_THE_PAGE, IN_THE_PALETTE = 10, 5
SEARCH_REGIONS = {"search-results": "parts/search_results.html", "palette-found": "parts/palette_found.html"}


@page()
def search_page(request: PageRequest) -> HttpResponse:
    """What is found, by kind: the page, or as the person types, the part of it for the palette."""
    text = search.read(request.GET.get("q", ""))
    limit = IN_THE_PALETTE if request.headers.get(fragments.HEADER) == "palette-found" else ON_THE_PAGE
    context = {
        "text": text,
        "is_enough": search.is_enough(text),
        "groups": search.everywhere(text, request.actor, request.user, limit=limit),
    }
    return fragments.render(request, "search.html", context, regions=SEARCH_REGIONS)


@page("POST")
def save_filter(request: PageRequest) -> HttpResponse:
    said = request.POST
    listing, label, query = (said.get(name, "") for name in ("page", "label", "query"))
    kept = saved_filters.save(request.actor, listing, label, query, is_shared="is_shared" in said)
    if "is_default" in said:
        saved_filters.set_default(request.actor, kept.pk, is_default=True)
    return done(request, saved_filters.address_of(kept), f"{kept.label} is saved.")


@page("POST")
def rename_filter(request: PageRequest, pk: int) -> HttpResponse:
    kept = saved_filters.rename(request.actor, pk, request.POST.get("label", ""))
    return done(request, _back(request, kept), f"The filter is now called {kept.label}.")


@page("POST")
def default_filter(request: PageRequest, pk: int) -> HttpResponse:
    kept = saved_filters.set_default(request.actor, pk, is_default=request.POST.get("is_default") == "1")
    said = f"This list now opens with {kept.label}." if kept.is_default else "This list now opens with everything."
    return done(request, _back(request, kept), said)


@page("POST")
def remove_filter(request: PageRequest, pk: int) -> HttpResponse:
    kept = saved_filters.remove(request.actor, pk)
    return done(request, _back(request, kept), f"The filter {kept.label} is removed; the list is as it was.")


def _back(request: PageRequest, kept: SavedFilter) -> str:
    """The list as it was shown, which the form says."""
    query = saved_filters.asked_of(kept.page, request.POST.get("query", ""))
    try:
        address = reverse(kept.page)
    except NoReverseMatch:  # the page of an older version
        return "/"
    return f"{address}?{query}" if query else address
