"""Figures as charts: lines of subjects, the same a week before, limits that thresholds set, gaps of the collector."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from monitoring.alerting import membership
from monitoring.explorer.drawings import COUNTS, TONES, Drawing, Part
from monitoring.explorer.ranges import Window
from monitoring.metrics import courses, gaps
from monitoring.models import Threshold
from orchestra.kernel.charts import Chart, Limit, Line, Shade
from orchestra.kernel.looks import FAILED, PAUSED, WAITING
from orchestra.kernel.series import WEEK, Before, Steps, steps_between, week_before
from orchestra.kernel.wording import duration

MOST_POINTS = 190
MOST_LIMITS = 4
SEVERITY_TONES = {"critical": FAILED}


@dataclass(frozen=True)
class Board:
    """Charts of ``drawings`` of some subjects (names by id) over a window; read as they are asked for, all at once."""

    drawings: Sequence[Drawing]
    subjects: Mapping[str, str]
    window: Window
    now: datetime
    compares: bool = False

    @cached_property
    def charts(self) -> list[Chart]:
        return [chart for drawing in self.drawings for chart in self._drawn(drawing)] if self.subjects else []

    @cached_property
    def gaps(self) -> list[gaps.Gap]:
        return gaps.between(self.window.since, self.window.until, self.now)

    @cached_property
    def steps(self) -> Steps:
        least_s = courses.least_step_s(self._metrics, self.window.since, self.now)
        return steps_between(self.window.since, self.window.until, most=MOST_POINTS, least_s=least_s)

    @property
    def step_words(self) -> str:
        return duration(self.steps.step_s)

    @property
    def coarser(self) -> str:
        """How long the steps of last week's lines are, where longer than the others."""
        return duration(self._before.steps.step_s) if self._before.steps.step_s > self.steps.step_s else ""

    @cached_property
    def _metrics(self) -> list[str]:
        return list(dict.fromkeys(metric for drawing in self.drawings for metric in drawing.metrics))

    @cached_property
    def _courses(self) -> courses.Courses:
        return courses.read(self._metrics, list(self.subjects), self.steps, self.now)

    @cached_property
    def _before(self) -> Before:
        return week_before(self.steps, courses.least_step_s(self._metrics, self.steps.start - WEEK, self.now))

    @cached_property
    def _courses_before(self) -> courses.Courses:
        return courses.read(self._metrics, list(self.subjects), self._before.steps, self.now)

    @cached_property
    def _thresholds(self) -> list[tuple[Threshold, frozenset[str]]]:
        """The thresholds of what is drawn, each with those of the subjects that it looks at."""
        limited = {drawing.limited for drawing in self.drawings}
        found = list(Threshold.objects.filter(enabled=True, metric__in=limited).order_by("value", "id"))
        members = membership.of_scopes(found)
        return [(row, frozenset(membership.within(row, self.subjects, members))) for row in found]

    @property
    def _shades(self) -> list[Shade]:
        stretches = [(gap.since, gap.until) for gap in self.gaps]
        return [Shade("not collected", stretches, PAUSED)] if stretches else []

    def _drawn(self, drawing: Drawing) -> Iterator[Chart]:
        if len(drawing.parts) > 1:
            for subject, name in self.subjects.items():
                lines = [line for part in drawing.parts for line in self._lines(part, subject, drawing.shape)]
                title = f"{drawing.title} of {name}" if len(self.subjects) > 1 else drawing.title
                yield self._chart(drawing, f"figure-{drawing.name}-{list(self.subjects).index(subject)}", title, lines)
            return
        (part,) = drawing.parts
        lines = []
        for tone, (subject, name) in zip(TONES, self.subjects.items(), strict=False):
            alone = len(self.subjects) == 1
            one = part if alone else Part(part.metric, name, tone)
            lines += self._lines(one, subject, drawing.shape)
        yield self._chart(drawing, f"figure-{drawing.name}", drawing.title, lines)

    def _lines(self, part: Part, subject: str, shape: str) -> Iterator[Line]:
        values = self._courses[part.metric, subject]
        if part.metric in COUNTS:  # a step that is not over has fewer than it will have
            over = (self.steps.elapsed_s(index, self.now) >= self.steps.step_s for index in range(self.steps.count))
            values = [value if is_over else None for value, is_over in zip(values, over, strict=True)]
        yield Line(part.label, values, part.tone, shape)
        if self.compares:
            before = self._courses_before[part.metric, subject]
            under = self._before.under(before, is_count=part.metric in COUNTS)
            yield Line(f"{part.label} a week before", under, part.tone, "dashed")

    def _chart(self, drawing: Drawing, name: str, title: str, lines: Sequence[Line]) -> Chart:
        return Chart(
            name,
            title,
            self.steps.starts,
            lines,
            drawing.unit,
            shades=self._shades,
            limits=self._limits(drawing),
        )

    def _limits(self, drawing: Drawing) -> list[Limit]:
        rows = [row for row, within in self._thresholds if row.metric == drawing.limited and within]
        return [
            Limit(f"{row.name}:", row.value, SEVERITY_TONES.get(row.severity, WAITING)) for row in rows[:MOST_LIMITS]
        ]
