"""What a run and its steps look like in the database, for the tests of the engine."""

from workflows.models import Run, Step


def state(run: Run) -> str:
    return Run.objects.get(pk=run.pk).status


def states(run: Run) -> dict[str, str]:
    """The statuses of the tasks that were reached."""
    return dict(Step.objects.filter(run=run).values_list("name", "status"))


def step(run: Run, name: str) -> Step:
    return Step.objects.get(run=run, name=name)
