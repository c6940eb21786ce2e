"""Granting: never over capacity, in the order of asking, all or nothing, by the tightest fit; nobody starves."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agents.granting import Line, Request, Supply, assign, could_serve, grant, possible

TYPES = ("bench", "printer", "van")
SIZES = ("small", "large")

supplies_lists = st.lists(
    st.builds(
        lambda type_, units, size: (type_, units, {"size": size}),
        st.sampled_from(TYPES),
        st.integers(1, 4),
        st.sampled_from(SIZES),
    ),
    min_size=1,
    max_size=6,
).map(lambda rows: [Supply(number, *row) for number, row in enumerate(rows, 1)])
wants = st.one_of(st.just({}), st.sampled_from(SIZES).map(lambda size: {"size": size}))
lines = st.lists(st.tuples(st.sampled_from(TYPES), st.integers(1, 4), wants), min_size=1, max_size=3).map(
    lambda rows: tuple(Line(f"l{number}", *row) for number, row in enumerate(rows))
)


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Supply], dict[int, int], list[Request]]:
    supplies = draw(supplies_lists)
    used = {each.id: draw(st.integers(0, each.units + 1)) for each in supplies}
    waiting = [Request(number, each) for number, each in enumerate(draw(st.lists(lines, max_size=8)), 1)]
    return supplies, used, waiting


def ask(number: int, *rows: Any) -> Request:
    return Request(number, tuple(Line(f"l{at}", *row) for at, row in enumerate(rows)))


@given(situations())
def test_never_over_capacity_and_every_line_by_one_that_fits(situation: Any) -> None:
    supplies, used, waiting = situation
    by_id = {each.id: each for each in supplies}
    verdict = grant(supplies, used, waiting)
    taken = dict(used)
    for request in waiting:
        served = verdict.grants.get(request.id)
        if served is None:
            continue
        assert served.keys() == {line.name for line in request.lines}, "all of it or nothing"
        for line in request.lines:
            assert could_serve(line, by_id[served[line.name]])
            taken[served[line.name]] += line.units
    for each in supplies:
        assert taken[each.id] <= max(each.units, used[each.id])
        assert verdict.free[each.id] == each.units - taken[each.id]


@given(situations())
def test_who_waits_is_not_passed_on_anything_that_could_serve_him(situation: Any) -> None:
    supplies, used, waiting = situation
    verdict = grant(supplies, used, waiting)
    by_id = {each.id: each for each in supplies}
    for request in waiting:
        if request.id in verdict.grants or not possible(request.lines, supplies):
            continue
        for later, served in verdict.grants.items():
            if later > request.id:
                for number in served.values():
                    assert not any(could_serve(line, by_id[number]) for line in request.lines)


@given(situations())
def test_what_is_free_and_kept_for_nobody_is_given(situation: Any) -> None:
    supplies, used, waiting = situation
    verdict = grant(supplies, used, waiting)
    for request in waiting:
        if request.id not in verdict.grants:
            unkept = [each for each in supplies if each.id not in verdict.kept]
            assert assign(request.lines, unkept, verdict.free) is None


@given(situations())
def test_asking_for_other_types_changes_nothing(situation: Any) -> None:
    """Work goes on for disjoint types: whatever waits for vans keeps nobody from benches and printers."""
    supplies, used, waiting = situation
    without = [each for each in waiting if all(line.type != "van" for line in each.lines)]
    only = [each for each in waiting if each in without or all(line.type == "van" for line in each.lines)]
    alone, together = (grant(supplies, used, requests).grants for requests in (without, only))
    assert alone == {
        number: served for number, served in together.items() if number in alone or number in {r.id for r in without}
    }


@given(supplies_lists, st.lists(lines, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_nobody_waits_for_ever(supplies: list[Supply], asked: list[Any], chance: Any) -> None:
    """Holders end in any order while others keep asking; whatever can be served at all is served in the end."""
    used = {each.id: 0 for each in supplies}
    waiting = [Request(number, each) for number, each in enumerate(asked, 1) if possible(each, supplies)]
    first = {request.id for request in waiting}
    held: list[tuple[Request, Any]] = []
    newest, turns = len(asked), 0
    while first & {request.id for request in waiting} or held:
        turns += 1
        assert turns < 300, "somebody starves"
        verdict = grant(supplies, used, waiting)
        for request in [each for each in waiting if each.id in verdict.grants]:
            waiting.remove(request)
            held.append((request, verdict.grants[request.id]))
            for line in request.lines:
                used[verdict.grants[request.id][line.name]] += line.units
        assert all(used[each.id] <= each.units for each in supplies)
        if turns < 40:  # the crowd goes on coming
            newest += 1
            waiting.append(Request(newest, (Line("l0", chance.choice(TYPES)),)))
        elif not held:
            break
        if held:
            request, served = held.pop(chance.randrange(len(held)))
            for line in request.lines:
                used[served[line.name]] -= line.units
    assert not first & {request.id for request in waiting}


def test_the_tightest_fit_leaves_the_special_one_free() -> None:
    supplies = [Supply(1, "bench", 2, {"size": "large", "lift": True}), Supply(2, "bench", 2, {"size": "large"})]
    assert grant(supplies, {}, [ask(1, ("bench", 1, {"size": "large"}))]).grants == {1: {"l0": 2}}
    assert grant(supplies, {2: 2}, [ask(1, ("bench", 1, {"size": "large"}))]).grants == {1: {"l0": 1}}


def test_units_are_not_split_and_the_fuller_one_is_taken_first() -> None:
    supplies = [Supply(1, "bench", 3), Supply(2, "bench", 1)]
    assert grant(supplies, {1: 2}, [ask(1, ("bench", 2))]).grants == {}
    assert grant(supplies, {}, [ask(1, ("bench", 1))]).grants == {1: {"l0": 2}}


def test_lines_find_their_places_even_if_the_first_choice_stands_in_the_way() -> None:
    supplies = [Supply(1, "bench", 1, {"size": "large"}), Supply(2, "bench", 1, {"size": "small"})]
    assert grant(supplies, {}, [ask(1, ("bench", 1), ("bench", 1, {"size": "small"}))]).grants == {
        1: {"l0": 1, "l1": 2}
    }


def test_what_nothing_could_serve_keeps_nothing_from_others() -> None:
    supplies = [Supply(1, "bench", 1), Supply(2, "printer", 1)]
    waiting = [ask(1, ("bench", 1), ("van", 1)), ask(2, ("bench", 1))]
    assert grant(supplies, {}, waiting).grants == {2: {"l0": 1}}


def test_of_what_is_known_only_in_part_nothing_goes_beyond_the_horizon() -> None:
    supplies = [Supply(1, "bench", 3), Supply(2, "printer", 1)]
    waiting = [ask(1, ("bench", 1)), ask(7, ("bench", 1), ("printer", 1)), ask(8, ("printer", 1))]
    assert grant(supplies, {}, waiting, {"bench": 5}).grants == {1: {"l0": 1}}
    assert grant(supplies, {}, waiting, {"bench": 7}).grants.keys() == {1, 7}


def test_a_search_that_would_take_for_ever_is_given_up() -> None:
    supplies = [Supply(number, "bench", 3) for number in range(1, 20)]
    lines_ = tuple(Line(f"l{number}", "bench", 2) for number in range(20))
    assert not possible(lines_, supplies)
