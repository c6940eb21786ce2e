"""The signals to the runs of a group: which wait to be taken, and by which step one is."""

from collections.abc import Collection, Mapping

from workflows.models import Run, Signal, Step


class Mailbox:
    """Reads the signals of all ``runs`` at once, when the first is asked for. ``runs`` may grow meanwhile."""

    def __init__(self, runs: Mapping[int, Run]) -> None:
        self.runs = runs
        self._open: dict[int, list[Signal]] = {}
        self._taking: set[int] | None = None

    def of(self, run: Run) -> list[Signal]:
        """The signals to ``run`` that no step has taken, the oldest first."""
        if run.pk not in self._open:
            fresh = [pk for pk in self.runs if pk not in self._open]
            self._open.update({pk: [] for pk in fresh})
            for signal in Signal.objects.filter(run_id__in=fresh, taken_by="").order_by("pk"):
                self._open[signal.run_id].append(signal)
        return self._open[run.pk]

    def take(self, run: Run, names: Collection[str], step: Step) -> Signal | None:
        """The oldest untaken signal of ``names``, which is ``step``'s from now on."""
        for signal in self.of(run):
            if signal.name in names:
                self._open[run.pk].remove(signal)
                Signal.objects.filter(pk=signal.pk).update(taken_by=step.name)
                return signal
        return None

    def release(self, run: Run, steps: Collection[str]) -> None:
        """Let the signals that ``steps`` took be taken again; which runs took any is read once for all of them."""
        if self._taking is None:
            taken = Signal.objects.filter(run_id__in=self.runs).exclude(taken_by="")
            self._taking = set(taken.values_list("run_id", flat=True))
        if run.pk in self._taking:
            Signal.objects.filter(run=run, taken_by__in=steps).update(taken_by="")
