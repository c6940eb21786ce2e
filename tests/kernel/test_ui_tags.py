"""Template tags of the pages and the rules behind them."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from django.template import engines
from django.test import RequestFactory

from orchestra.kernel import drawing, looks, registry, wording
from orchestra.kernel.models import User

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "templates"
ICONS = ROOT / "static" / "icons.txt"
NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)


def rendered(template: str, **context: object) -> str:
    return engines["django"].from_string("{% load ui %}" + template).render(context).strip()


class TestIcons:
    def test_an_icon_is_decoration_unless_it_is_named(self):
        assert 'aria-hidden="true"' in rendered("{% icon 'bell' %}")
        assert 'role="img" aria-label="Alerts"' in rendered("{% icon 'bell' 'Alerts' %}")

    def test_every_icon_of_a_status_is_in_the_sprite(self):
        assert looks.icons() <= set(ICONS.read_text().split())

    def test_every_icon_that_a_template_names_is_in_the_sprite(self):
        pattern = re.compile(r"""{% icon "([\w-]+)"|empty_icon="([\w-]+)\"""")
        text = "".join(file.read_text() for file in TEMPLATES.rglob("*.html"))
        named = {first or second for first, second in pattern.findall(text)}
        assert named <= set(ICONS.read_text().split())

    def test_every_icon_of_a_room_is_in_the_sprite(self):
        assert {room.icon for room in registry.rooms} <= set(ICONS.read_text().split())

    def test_the_list_of_icons_is_sorted_and_names_each_once(self):
        names = ICONS.read_text().split()
        assert names == sorted(set(names))


class TestStatuses:
    @pytest.mark.parametrize(
        "status",
        [
            *["queued", "running", "waiting", "paused", "compensating", "succeeded", "failed", "cancelled"],
            *["pending", "ready", "skipped", "compensated", "dead"],
            *["starting", "online", "draining", "offline", "disabled"],
            *["new", "in_progress", "escalated", "in_review", "resolved", "closed"],
            *["approved", "edited", "rejected", "timed_out", "withdrawn"],
        ],
    )
    def test_every_status_of_the_contract_has_a_look_of_its_own(self, status):
        assert looks.look_of(status).icon != looks.look_of("unheard of").icon

    def test_a_status_is_said_by_icon_word_and_tone(self):
        html = rendered("{% status 'in_review' %}")
        assert "tone-running" in html
        assert "#eye" in html
        assert "in review" in html

    def test_a_closed_circuit_is_healthy_and_a_closed_inquiry_is_not_special(self):
        assert looks.look_of("closed", "circuit").tone == "succeeded"
        assert looks.look_of("closed").tone == "neutral"

    def test_a_word_nobody_knows_is_shown_as_it_is(self):
        assert "&lt;odd&gt;" in rendered("{% status word %}", word="<odd>")

    def test_an_icon_alone_speaks_its_word(self):
        assert 'aria-label="timed out"' in rendered("{% status_icon 'timed_out' %}")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (-1, "0 ms"),
        (0.04, "40 ms"),
        (0.0994, "99 ms"),
        (0.0995, "0.1 s"),
        (1.24, "1.2 s"),
        (9.94, "9.9 s"),
        (9.95, "10 s"),
        (59.4, "59 s"),
        (59.5, "1 m"),
        (200, "3 m 20 s"),
        (599, "9 m 59 s"),
        (600, "10 m"),
        (3_599, "59 m"),
        (7_140, "1 h 59 m"),
        (7_200, "2 h"),
        (86_399, "23 h 59 m"),
        (183_600, "2 d 3 h"),
    ],
)
def test_a_duration_takes_at_most_two_units(seconds, words):
    assert wording.duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "just now"), (0.9, "just now"), (-1, "1 s ago"), (61, "in 1 m"), (-7_200, "2 h ago"), (200_000, "in 2 d")],
)
def test_a_distance_in_time_takes_one_unit(seconds, words):
    assert wording.distance(NOW + timedelta(seconds=seconds), NOW) == words


def test_a_count_is_told_up_to_its_limit():
    assert [wording.bounded(count) for count in (None, 0, 999, 1_000, 1_001)] == ["–", "0", "999", "1,000", "1,000+"]


def test_a_small_rate_does_not_read_as_none():
    assert [wording.percent(share) for share in (None, 0, 0.0002, 0.71, 1)] == ["–", "0 %", "0.02 %", "71 %", "100 %"]


class TestTimes:
    def test_a_relative_time_carries_the_exact_one(self, settings):
        settings.TIME_ZONE = "UTC"
        html = rendered("{{ moment|ago }}", moment=NOW)
        assert "datetime='2026-11-22T14:00:00+00:00'" in html
        assert "title='Sun 22 Nov 2026, 14:00:00 UTC'" in html
        assert "data-ago" in html

    def test_a_time_of_another_day_says_which(self, settings):
        settings.TIME_ZONE = "UTC"
        assert ">22 Nov 14:00<" in rendered("{{ moment|clock }}", moment=NOW.replace(year=2020))

    def test_no_moment_is_a_dash(self):
        assert rendered("{{ moment|ago }} {{ moment|clock }}", moment=None) == "– –"


class TestDrawings:
    def test_a_line_runs_from_left_to_right_and_larger_is_higher(self):
        assert drawing.polyline([0, 10, 5], 100, 24) == "0.0,22.0 50.0,2.0 100.0,12.0"

    def test_a_flat_line_and_an_empty_one_are_drawn(self):
        assert drawing.polyline([3, 3], 10, 24) == "0.0,22.0 10.0,22.0"
        assert drawing.polyline([], 10, 24) == ""

    def test_counts_stand_on_nought(self):
        assert drawing.polyline([5, 10], 10, 24, floor=0) == "0.0,12.0 10.0,2.0"

    def test_a_bar_lies_where_its_time_was(self):
        line = drawing.TimeLine(NOW, NOW + timedelta(seconds=20))
        bar = line.bar(NOW + timedelta(seconds=5), NOW + timedelta(seconds=10), tone="running", label="5 s")
        assert (bar.start, bar.width) == (25, 25)

    def test_a_short_bar_can_be_seen_also_at_the_end(self):
        line = drawing.TimeLine(NOW, NOW + timedelta(seconds=20))
        bar = line.bar(line.end, line.end, tone="running", label="")
        assert (bar.start, bar.width) == (99.2, 0.8)

    def test_a_bar_does_not_leave_its_line(self):
        line = drawing.TimeLine(NOW, NOW)
        bar = line.bar(NOW - timedelta(hours=1), NOW + timedelta(hours=1), tone="running", label="")
        assert (bar.start, bar.width) == (0, 100)

    def test_each_drawing_is_well_formed_and_named(self):
        bars = [drawing.Bar(0, 50, "failed", "attempt 1 & 2")]
        for template in ("{% sparkline values 'Runs a minute' %}", "{% gantt bars %}", "{% meter 0.5 'Load' %}"):
            root = ET.fromstring(rendered(template, values=[1, 2], bars=bars))
            assert root.get("aria-label")

    def test_a_score_below_what_is_good_is_called_weak(self):
        assert "weak" in rendered("{% meter 0.69 'Tone' good=0.7 %}")
        assert "good" in rendered("{% meter 0.7 'Tone' good=0.7 %}")

    def test_a_meter_stays_in_its_bounds_and_says_what_is_unknown(self):
        assert 'width="100.0%"' in rendered("{% meter 1.4 %}")
        assert "–" in rendered("{% meter nothing %}", nothing=None)


def test_a_payload_is_indented_and_escaped():
    assert (
        rendered("{{ payload|pretty }}", payload={"name": "<b>"}) == "{\n  &quot;name&quot;: &quot;&lt;b&gt;&quot;\n}"
    )


def test_a_key_hint_names_the_keys_as_they_are_printed():
    assert "<kbd>Ctrl</kbd><kbd>⏎</kbd>" in rendered("{% keys 'Control+Enter' %}")


class TestTheme:
    @staticmethod
    def chosen(user: object = None, cookie: str = "") -> str:
        request = RequestFactory().get("/", headers={"cookie": f"theme={cookie}"} if cookie else {})
        request.user = user
        return engines["django"].from_string("{% load ui %}{% theme %}").render({}, request)

    def test_a_persons_choice_comes_before_the_browsers(self):
        assert self.chosen(User(theme="dark"), "light") == "dark"

    def test_the_browsers_choice_holds_before_signing_in(self):
        assert self.chosen(None, "dark") == "dark"

    def test_anything_else_is_as_the_system(self):
        assert self.chosen(None, '"><script>') == "system"

    def test_an_error_page_without_a_request_is_as_the_system(self):
        assert rendered("{% theme %}") == "system"


@pytest.mark.parametrize("page", [400, 403, 404, 409, 429, 500, "csrf"])
def test_error_pages_need_nothing_from_anyone(page):
    html = engines["django"].get_template(f"errors/{page}.html").render({})
    assert "<h1>" in html
    assert 'style="' not in html


def test_no_template_has_inline_styles_or_scripts():
    for file in TEMPLATES.rglob("*.html"):
        text = file.read_text()
        assert " style=" not in text, file
        assert " hx-on" not in text, file
        assert "<script>" not in text, file
